"""The record that a serve load writes into MongoDB: `writing` before anything is visible, `served` when all is."""

from __future__ import annotations

from dataclasses import replace

from switchyard.errors import LedgerStateError, PublishConflict
from switchyard.flow.cures import run_again
from switchyard.flow.spec import Flow
from switchyard.ledger.loads import Load
from switchyard.ledger.results import Selected, ServePlanned, Staged
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve.served import served_part
from switchyard.serve.mongo.marker import Marker
from switchyard.serve.mongo.record import ServedRecord, read_shown, write_record
from switchyard.serve.mongo.target import MongoTarget


def planned_record(flow: Flow, load: Load) -> ServedRecord:
    """The record of a load while it is written. Its collection will have the load's marker."""
    selected = load.find_result(Selected)
    staged = load.find_result(Staged)
    return ServedRecord(
        collection=served_part(flow).collection,
        flow=flow.flow,
        table=f"{flow.lake.database}.{flow.lake.table}",
        serve_seq=load.seq,
        load_id=load.load_id,
        lake_seq=load.version or 0,
        ingest_load=(selected.ingest_load if selected else "") or load.result(ServePlanned).ingest_load,
        publish="delta" if staged and staged.replacements else "snapshot",
        state="writing",
        marker=own_marker(load).index_name,
    )


def begin_writing(mongo: MongoTarget, flow: Flow, load: Load) -> None:
    """Say in MongoDB that this load is being written; from here on its seq is used.

    Raises:
        PublishConflict: MongoDB does not show any more what the load was planned on: another load's record is there, or
            the collection was restored meanwhile.
    """
    record = _record(flow, load)
    planned = load.result(ServePlanned).marker
    marker = mongo.marker(record.collection)
    shown = marker.index_name if marker else ""
    counted_on_it = load.result(ServePlanned).previous is not None
    if counted_on_it and planned is not None and shown not in (planned, own_marker(load).index_name):
        load_before = Marker.load_named(planned)
        load_now = Marker.load_named(shown)
        raise PublishConflict(
            f"the collection showed {load_before} when this load was planned, and shows {load_now} now",
            where=f"flow {load.flow}, collection {record.collection}",
            cure="nothing was published; somebody restored the collection, or dropped its index switchyard|…, which "
            f"names the load: {run_again('serve', load.flow)}; the new run replaces the whole collection",
        )
    write_record(mongo, record, after=load.previous_seq)


def end_writing(mongo: MongoTarget, flow: Flow, load: Load) -> None:
    """Say in MongoDB that all of this load is visible."""
    record = _record(flow, load)
    if record.marker == own_marker(load).index_name:
        mongo.mark(record.collection, own_marker(load))
    write_record(mongo, record.as_served(), after=load.previous_seq)


def require_files(runtime: Runtime, flow: Flow, load: Load) -> None:
    """Raise PublishConflict when the files of a publish in place are gone: tidy deletes them after the last step."""
    staged, hdfs = load.result(Staged), runtime.hdfs(flow)
    files = [staged.changes, *([staged.replacements.file] if staged.replacements else [])]
    if not all(map(hdfs.exists, files)):
        raise PublishConflict(
            f"the files with the changes of load {load.load_id} are gone from HDFS, so its publish cannot be finished",
            where=f"flow {load.flow}, leg serve",
            cure="an earlier try of this publish may have changed some documents: "
            f"{run_again('serve', load.flow)}; the new run replaces the whole collection",
        )


def require_newest(ledger: Ledger, load: Load) -> None:
    """Raise LedgerStateError when another load was served after this one: the cache is not this one's any more."""
    if load.superseded_at is None:
        return
    newest = ledger.last_finished(load.flow, "serve")
    after = f"load {newest.load_id}" if newest is not None else "another load"
    raise LedgerStateError(
        f"load {load.load_id} was served, and {after} after it: what is cached is that one's, and tidy has deleted the "
        "file of the keys that this one changed",
        where=f"flow {load.flow}, leg serve",
        cure="do nothing: a task of an old run has nothing left to do; if the cache itself is in doubt, "
        f"{run_again('serve', load.flow)}",
    )


def require_recorded(runtime: Runtime, flow: Flow, load: Load) -> None:
    """Raise PublishConflict when MongoDB does not show all of this load, or shows another.

    A load that an earlier release published has no record; the next plan compares its documents, and writes one.
    """
    collection = served_part(flow).collection
    with MongoTarget(runtime.connections.get(served_part(flow).connection)) as mongo:
        record = read_shown(mongo, collection).record
    if record is None and load.result(ServePlanned).marker is None:
        return
    if record is None or record.load_id != load.load_id or record.state != "served":
        other_load = record.load_id if record else ""
        shown = f"load {other_load}, {record.state}" if record else "no load"
        raise PublishConflict(
            f"MongoDB shows {shown}, and not load {load.load_id}: it was restored, or another run published meanwhile",
            where=f"flow {load.flow}, collection {collection}",
            cure=f"this step changed nothing; {run_again('serve', load.flow)}; it starts from what MongoDB shows then",
        )


def own_marker(load: Load) -> Marker:
    """The marker of the collection that a load writes."""
    return Marker(load.seq, load.version or 0, load.load_id)


def _record(flow: Flow, load: Load) -> ServedRecord:
    """The record of a staged load: when nothing changed, the collection keeps the marker that it has."""
    record = planned_record(flow, load)
    staged, planned = load.result(Staged), load.result(ServePlanned)
    if staged.staging is None and staged.replacements is None and planned.marker is not None:
        return replace(record, marker=planned.marker)
    return record
