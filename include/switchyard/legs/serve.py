"""The serve leg: plan → (select) → stage → publish → (refresh_cache) → tidy. Each step takes a load_id only.

An event wakes the leg; the metastore says which version is current and the ledger which one is served.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from switchyard.catalog.lineage import select_step, serve_step
from switchyard.errors import LedgerStateError, PublishConflict, ReconcileMismatch, SwitchyardError
from switchyard.flow import naming
from switchyard.flow.frozen import frozen_spec, spec_hash, thaw
from switchyard.flow.spec import Flow, Serve
from switchyard.lake.metastore import HiveColumn, TableVersion
from switchyard.ledger.loads import UNFINISHED, Load, NewLoad
from switchyard.ledger.store import Ledger
from switchyard.legs import caching, product, versions
from switchyard.legs.caching import served_part
from switchyard.legs.runtime import Runtime, require_state, run_step
from switchyard.report import StepReport
from switchyard.serve.bson_columns import MICROSECONDS_FIELD
from switchyard.serve.delta import DeltaReport, compute_delta
from switchyard.serve.documents import DocumentEncoder, read_batches, read_schema
from switchyard.serve.mongo import MongoTarget

log = logging.getLogger(__name__)


def plan(runtime: Runtime, flow: Flow) -> Load | str:
    """Recover, then pin the current version and write the load down (protocol step 0).

    Returns a sentence instead of a load when the current version is served already.
    """
    serve = served_part(flow)
    with runtime.ledger() as ledger:
        ledger.migrate()
        with ledger.lock(flow.flow, "serve"):
            recover(runtime, ledger, flow)
            version = _current_version(runtime, flow)
            caching.check(runtime, flow)
            last = ledger.last_finished(flow.flow, "serve")
            with MongoTarget(runtime.connections.get(serve.connection)) as mongo:
                mongo.ping()
                there = mongo.exists(serve.collection)
            if last and there and last.version == version.seq and _same_serving(thaw(last.spec), flow):
                caching.restore_gate(runtime, flow, last)
                return f"seq {version.seq} of {version.database}.{version.table} is served already"
            load = ledger.plan(
                NewLoad(
                    flow=flow.flow,
                    leg="serve",
                    spec=frozen_spec(flow),
                    spec_hash=spec_hash(flow),
                    owner=runtime.owner,
                    version=version.seq,
                    location=None if serve.select else version.path,
                    facts={"plan": {"previous": _previous(last, flow, there), **_described(version.columns)}},
                )
            )
    log.info("planned load %s of flow %s: serve seq %s of the lake", load.load_id, flow.flow, version.seq)
    return load


def recover(runtime: Runtime, ledger: Ledger, flow: Flow) -> None:
    """Settle every unfinished load: one found in `publishing` or after is finished, any other abandoned."""
    for load in reversed(ledger.list_loads(flow.flow, "serve", UNFINISHED)):
        why = f"taken over by {runtime.owner}"
        if load.state in ("publishing", "refreshing"):
            try:
                _finish(runtime, ledger, load)
            except PublishConflict as error:
                why = error.what
            else:
                _tidy(runtime, ledger, load)
                log.info("recovered load %s: served", load.load_id)
                continue
        ledger.advance(load, "abandoned", expected=UNFINISHED, error=why)
        log.info("abandoned load %s, left %s by %s: %s", load.load_id, load.state, load.owner, why)


def _finish(runtime: Runtime, ledger: Ledger, load: Load) -> None:
    if load.state == "publishing":
        load, _ = _publish(runtime, ledger, load)
    if load.state == "refreshing":
        _refresh_cache(runtime, ledger, load)


def select(runtime: Runtime, load_id: str) -> StepReport:
    """Materialise the product: Hive runs `serve.select` into a landing, it is counted and flipped."""
    return run_step(runtime, "select", load_id, "serve", lambda ledger, load: _select(runtime, ledger, load))


def stage(runtime: Runtime, load_id: str) -> StepReport:
    """Find the changed keys, write the staging collection, count it (protocol steps 1 and 2)."""
    return run_step(runtime, "stage", load_id, "serve", lambda ledger, load: _stage(runtime, ledger, load))


def publish(runtime: Runtime, load_id: str) -> StepReport:
    """Close the cache's gate and rename the staging collection into place (protocol steps 3 to 5)."""
    return run_step(runtime, "publish", load_id, "serve", lambda ledger, load: _publish(runtime, ledger, load)[1])


def refresh_cache(runtime: Runtime, load_id: str) -> StepReport:
    """Invalidate exactly the changed keys, verify, warm, open the gate, record (protocol steps 6 and 7)."""
    return run_step(
        runtime, "refresh_cache", load_id, "serve", lambda ledger, load: _refresh_cache(runtime, ledger, load)
    )


def tidy(runtime: Runtime, load_id: str) -> StepReport:
    """Drop stagings and files of this load and of earlier ones; a later load may be at work already."""
    return run_step(runtime, "tidy", load_id, "serve", lambda ledger, load: _tidy(runtime, ledger, load))


def _select(runtime: Runtime, ledger: Ledger, load: Load) -> dict[str, Any]:
    flow = thaw(load.spec)
    require_state(load, "planned")
    made = product.materialise(runtime, flow, load)
    facts = {"version": made.version, "rows": made.rows, **_described(made.columns)}
    load = ledger.advance(
        load, "planned", expected=["planned"], step="select", facts=facts, location=made.location, version=made.version
    )
    lineage = select_step(flow, lake_columns={column.name: column.type for column in made.source_columns})
    return {"version": made.version, "rows": made.rows, "lineage": lineage.facts()}


def _stage(runtime: Runtime, ledger: Ledger, load: Load) -> dict[str, Any]:
    flow = thaw(load.spec)
    serve = served_part(flow)
    require_state(load, "planned", "staged")
    staging = naming.staging_collection(serve.collection, load.seq, naming.new_try())
    with runtime.scratch() as scratch, MongoTarget(runtime.connections.get(serve.connection)) as mongo:
        new = runtime.hdfs(flow).download(_location(load), scratch / "new")
        delta, known = _find_changes(runtime, flow, load, new, scratch)
        changes = naming.changes_file(flow.lake.root, flow.flow, load.load_id)
        runtime.hdfs(flow).upload(delta.file, changes)
        rows, digest = _count_rows(new), None
        if not (known and delta.changed == 0 and mongo.state(serve.collection).documents == rows):
            digest = _write_staging(mongo, flow, staging, new)
    facts = {
        "staging": staging if digest else None,
        "digest": digest,
        "changes": changes,
        "changes_known": known,
        "rows": rows,
        "inserted": delta.inserted,
        "updated": delta.updated,
        "deleted": delta.deleted,
        "unchanged": delta.unchanged,
    }
    ledger.advance(load, "staged", expected=["planned", "staged"], step="stage", facts=facts)
    return facts


def _write_staging(mongo: MongoTarget, flow: Flow, staging: str, files: list[Path]) -> str:
    """Write and prove the staging collection, by count and by value; returns its digest."""
    serve = served_part(flow)
    schema = read_schema(files)
    batches = _encoder(flow, schema).encode_all(read_batches(files)) if schema else []
    written = mongo.stage(staging, batches, serve.indexes)
    rows, stored = _count_rows(files), mongo.digest(staging)
    if not rows == written.documents == stored.documents or stored.hex != written.digest:
        raise ReconcileMismatch(
            f"Hive's version has {rows} rows, {written.documents} were written and MongoDB has {stored.documents}"
            + (", of another content" if stored.hex != written.digest else ""),
            where=f"flow {flow.flow}, collection {staging}",
            next="nothing was published; run again",
        )
    return stored.hex


def _publish(runtime: Runtime, ledger: Ledger, load: Load) -> tuple[Load, dict[str, Any]]:
    flow = thaw(load.spec)
    serve = served_part(flow)
    require_state(load, "staged", "publishing", "refreshing", "served")
    facts = {"seq": load.seq, "version": load.version, "rows": load.facts["stage"]["rows"], "load_id": load.load_id}
    staging = load.facts["stage"]["staging"]
    mongo_connection = runtime.connections.get(serve.connection)
    if load.state in ("staged", "publishing"):
        with MongoTarget(mongo_connection) as mongo:
            mongo.drop_stagings(serve.collection, older_than_seq=load.seq, keep=staging)
            resumed, load = (
                load.state == "publishing",
                ledger.advance(load, "publishing", expected=["staged", "publishing"]),
            )
            caching.close_gate(runtime, ledger, flow, load)
            if staging is not None and not (resumed and _is_renamed(mongo, serve, load)):
                mongo.publish_snapshot(staging, serve.collection)
        load = ledger.advance(load, "refreshing", expected=["publishing"], step="publish", facts=facts)
    if flow.cache is None and load.state == "refreshing":
        load = ledger.finish(load, step="publish", facts=facts)
    lineage = serve_step(flow, mongo_database=mongo_connection.schema, columns=_served_fields(flow, load))
    return load, {**facts, "lineage": lineage.facts()}


def _refresh_cache(runtime: Runtime, ledger: Ledger, load: Load) -> dict[str, Any]:
    flow = thaw(load.spec)
    require_state(load, "refreshing", "served")
    facts: dict[str, Any] = {}
    lineage: dict[str, Any] = {}
    if flow.cache is not None:
        with runtime.scratch() as scratch:
            facts = caching.settle(runtime, flow, load, scratch)
        lineage = {"lineage": caching.lineage(runtime, flow, _columns(load))}
    ledger.finish(load, step="refresh_cache", facts=facts)
    return {**facts, **lineage}


def _is_renamed(mongo: MongoTarget, serve: Serve, load: Load) -> bool:
    """Whether an earlier try of the publish got as far as the rename: the staging is gone and the collection is it."""
    stage = load.facts["stage"]
    return not mongo.exists(stage["staging"]) and mongo.digest(serve.collection).hex == stage["digest"]


def _served_fields(flow: Flow, load: Load) -> list[tuple[str, str]]:
    """Pairs of Hive column and document field; `timestamps: beside` makes two fields of a timestamp."""
    pairs = [(name, name) for name in _columns(load)]
    if served_part(flow).timestamps == "beside":
        timestamps = load.facts.get("select", load.facts["plan"])["timestamps"]
        pairs += [(name, MICROSECONDS_FIELD.format(name)) for name in timestamps]
    return pairs


def _described(columns: Iterable[HiveColumn]) -> dict[str, list[str]]:
    found = list(columns)
    return {
        "columns": [column.name for column in found],
        "timestamps": [column.name for column in found if column.type == "timestamp"],
    }


def _columns(load: Load) -> list[str]:
    return list(load.facts.get("select", load.facts["plan"])["columns"])


def _tidy(runtime: Runtime, ledger: Ledger, load: Load) -> dict[str, Any]:
    flow = thaw(load.spec)
    with MongoTarget(runtime.connections.get(served_part(flow).connection)) as mongo:
        dropped = mongo.drop_stagings(served_part(flow).collection, older_than_seq=load.seq + 1)
    directories = versions.delete_finished(runtime, ledger, flow, naming.serve_scratch(flow.lake.root, flow.flow))
    facts = {"dropped_stagings": len(dropped), "deleted_directories": directories}
    return {**facts, **versions.vacuum(runtime, ledger, flow, "serve")} if served_part(flow).select else facts


def _encoder(flow: Flow, schema: Any) -> DocumentEncoder:
    serve = served_part(flow)
    return DocumentEncoder(schema, serve.key, timestamps=serve.timestamps, where=f"flow {flow.flow}")


def _find_changes(runtime: Runtime, flow: Flow, load: Load, new: list[Path], scratch: Path) -> tuple[DeltaReport, bool]:
    """The changed keys, and whether they are all: not when the version that is served now cannot be compared."""
    previous, old, hdfs = load.facts["plan"]["previous"], [], runtime.hdfs(flow)
    known = previous is not None and hdfs.exists(previous)
    if known:
        old = hdfs.download(previous, scratch / "old")
    delta = compute_delta(old, new, served_part(flow).key, scratch / "changes.parquet", where=f"flow {flow.flow}")
    return delta, known and delta.comparable


def _previous(last: Load | None, flow: Flow, there: bool) -> str | None:
    """Directory of the version that MongoDB shows now, if its keys can be compared with the new one's."""
    return last.location if last and there and thaw(last.spec).serve == flow.serve else None


def _current_version(runtime: Runtime, flow: Flow) -> TableVersion:
    lake = flow.lake
    version = runtime.metastore(flow).read_version(lake.database, lake.table)
    if version is None or version.seq < 1:
        raise SwitchyardError(
            f"Hive table {lake.database}.{lake.table} has no published version",
            where=f"flow {flow.flow}, leg serve",
            next=f"run the ingest leg first: switchyard run ingest {flow.flow}",
        )
    return version


def _same_serving(before: Flow, now: Flow) -> bool:
    return before.serve == now.serve and before.cache == now.cache


def _location(load: Load) -> str:
    if load.location is None:
        raise LedgerStateError(
            f"load {load.load_id} has no product yet",
            where=f"flow {load.flow}, leg serve",
            next="run step select first",
        )
    return load.location


def _count_rows(files: list[Path]) -> int:
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(file).num_rows for file in files)
