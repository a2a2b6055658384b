"""What a serve load prepares before anything of it is visible: the changed keys, and the documents to publish, proved.

A snapshot is a staging collection. A delta is a file of whole documents, to be put in place one by one: only for a live
collection that is known to show the version that the changes are counted from, or that is empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from switchyard.errors import ReconcileMismatch
from switchyard.flow import naming
from switchyard.flow.cures import run_again
from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Flow
from switchyard.ledger.loads import Load
from switchyard.ledger.results import ServePlanned, Staged, StagedReplacements
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve.overtaken import Ownership
from switchyard.legs.serve.recorded import own_marker
from switchyard.legs.serve.served import directories, paths_of, served_part
from switchyard.legs.tables.files import download
from switchyard.legs.truth.missing import require_pinned
from switchyard.serve.delta import DeltaReport, changed_rows, compute_delta, read_changed_ids
from switchyard.serve.documents.encoder import DocumentEncoder, read_batches, read_schema
from switchyard.serve.mongo.digest import ContentDigest
from switchyard.serve.mongo.form import require_fit, require_replaceable
from switchyard.serve.mongo.in_place import (
    InPlaceReport,
    Replacements,
    apply_changes,
    check_applied,
    write_replacements,
)
from switchyard.serve.mongo.marker import Marker
from switchyard.serve.mongo.target import CollectionState, MongoTarget

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Changes:
    """What differs from the collection as it is.

    `keys_known`: every cached key that changed is in the report's file. It is not when the collection has more or fewer
    documents than the version it shows has rows: somebody wrote into one of the two.
    """

    report: DeltaReport
    keys_known: bool
    in_place: bool


def stage(runtime: Runtime, flow: Flow, load: Load) -> Staged:
    """Find the changed keys and write what is to be published."""
    serve, hdfs = served_part(flow), runtime.hdfs(flow)
    staging = naming.staging_collection(serve.collection, load.seq, naming.new_try())
    with runtime.scratch() as scratch, MongoTarget(runtime.connections.get(serve.connection)) as mongo:
        form, where = mongo.form(serve.collection), f"flow {flow.flow}, collection {serve.collection}"
        if form is not None:
            require_fit(form, where)
        new, live = download(hdfs, directories(load), scratch / "new"), mongo.state(serve.collection)
        require_pinned(hdfs, load)
        delta = _find_changes(runtime, flow, load, new, live, scratch)
        changes = naming.changes_file(flow.lake.root, flow.flow, load.load_id)
        hdfs.upload(delta.report.file, changes)
        rows, digest, replacements = _count_rows(new), None, None
        unchanged = delta.keys_known and delta.report.changed == 0 and live.documents == rows
        if not unchanged and delta.in_place:
            replacements = _write_replacements(runtime, flow, load, new, delta.report, scratch)
        elif not unchanged:
            if form is not None:
                require_replaceable(form, where)
            digest = _write_staging(mongo, flow, staging, new, own_marker(load))
    return Staged(
        staging=staging if digest else None,
        digest=digest,
        replacements=replacements,
        changes=changes,
        changes_known=delta.keys_known,
        rows=rows,
        inserted=delta.report.inserted,
        updated=delta.report.updated,
        deleted=delta.report.deleted,
        unchanged=delta.report.unchanged,
    )


def digest_version(runtime: Runtime, load: Load) -> ContentDigest | None:
    """What the documents of a load's version digest to, made of its files anew; None when its files are gone."""
    flow, digest = thaw(load.spec), ContentDigest()
    hdfs, paths = runtime.hdfs(flow), paths_of(load)
    if paths is None or not all(map(hdfs.exists, paths)):
        return None
    with runtime.scratch() as scratch:
        files = download(hdfs, paths, scratch / "served")
        schema = read_schema(files)
        for batch in _encoder(flow, schema).encode_all(read_batches(files)) if schema else ():
            digest.add(batch)
    return digest


def publish_in_place(runtime: Runtime, ledger: Ledger, flow: Flow, load: Load) -> InPlaceReport:
    """Replay the load's files whole on the live collection, and read back what they changed.

    Raises ReconcileMismatch when the collection is not the version afterwards.
    """
    serve, hdfs, staged = served_part(flow), runtime.hdfs(flow), load.result(Staged)
    assert staged.replacements is not None  # noqa: S101 - the caller saw them
    documents, digest = staged.replacements.documents, staged.replacements.digest
    with runtime.scratch() as scratch, MongoTarget(runtime.connections.get(serve.connection)) as mongo:
        file = hdfs.download_file(staged.replacements.file, scratch / "replacements.bson")
        changes = hdfs.download_file(staged.changes, scratch / "changes.parquet")
        deleted = partial(read_changed_ids, changes, serve.key, timestamps=serve.timestamps, ops=("delete",))
        apply_changes(mongo, serve.collection, file, deleted, serve.indexes, guard=Ownership(ledger, load))
        replacements = Replacements(file, documents, digest)
        return check_applied(mongo, serve.collection, replacements, deleted, staged.rows, flow.flow)


def _find_changes(
    runtime: Runtime, flow: Flow, load: Load, new: list[Path], live: CollectionState, scratch: Path
) -> Changes:
    serve, hdfs = served_part(flow), runtime.hdfs(flow)
    previous, out, where = load.result(ServePlanned).previous, scratch / "changes.parquet", f"flow {flow.flow}"
    is_kept = previous is not None and all(map(hdfs.exists, previous))
    if serve.publish == "delta" and live.exists and live.documents == 0:
        return Changes(compute_delta([], new, serve.key, out, where=where), keys_known=False, in_place=True)
    old = download(hdfs, previous, scratch / "old") if is_kept and previous is not None else []
    report = compute_delta(old, new, serve.key, out, where=where)
    shown = report.unchanged + report.updated + report.deleted
    keys_known = is_kept and report.comparable and live.documents == shown
    return Changes(report, keys_known, serve.publish == "delta" and keys_known)


def _write_replacements(
    runtime: Runtime, flow: Flow, load: Load, new: list[Path], delta: DeltaReport, scratch: Path
) -> StagedReplacements:
    """Encode the changed rows, which refuses what MongoDB cannot hold; where the documents wait for the publish."""
    schema = read_schema(new)
    rows = changed_rows(new, delta.file, served_part(flow).key)
    batches: Iterator[list[bytes]] = _encoder(flow, schema).encode_all(rows) if schema else iter(())
    replacements = write_replacements(batches, scratch / "replacements.bson")
    upserts = delta.inserted + delta.updated
    if replacements.documents != upserts:
        raise ReconcileMismatch(
            f"{upserts} rows changed, but {replacements.documents} documents were made of them",
            where=f"flow {flow.flow}, leg serve",
            cure=f"nothing was published; {run_again('serve', flow.flow)}; if it happens again, report it as a bug",
        )
    file = naming.replacements_file(flow.lake.root, flow.flow, load.load_id)
    runtime.hdfs(flow).upload(replacements.file, file)
    return StagedReplacements(file, replacements.documents, replacements.digest)


def _write_staging(mongo: MongoTarget, flow: Flow, staging: str, files: list[Path], marker: Marker) -> str:
    """Write and prove the staging collection, by count and by value; returns its digest."""
    serve = served_part(flow)
    schema = read_schema(files)
    batches = _encoder(flow, schema).encode_all(read_batches(files)) if schema else []
    stage_report = mongo.stage(staging, batches, serve.indexes, marker, like=mongo.form(serve.collection))
    rows, stored = _count_rows(files), mongo.digest(staging)
    in_mongodb = stored.documents
    if not rows == stage_report.documents == in_mongodb or stored.hex != stage_report.digest:
        raise ReconcileMismatch(
            f"the staging collection is not what Hive has: {rows} rows in Hive, {stage_report.documents} documents "
            f"written, {in_mongodb} in MongoDB"
            + (", and their values differ" if stored.hex != stage_report.digest else ""),
            where=f"flow {flow.flow}, collection {staging}",
            cure=f"nothing was published, readers see the collection as before; {run_again('serve', flow.flow)}",
        )
    return stored.hex


def _encoder(flow: Flow, schema: pa.Schema) -> DocumentEncoder:
    serve = served_part(flow)
    return DocumentEncoder(schema, serve.key, timestamps=serve.timestamps, where=f"flow {flow.flow}")


def _count_rows(files: list[Path]) -> int:
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(file).num_rows for file in files)
