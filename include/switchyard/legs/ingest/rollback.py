"""A publish taken back: a new seq on an old version, in Hive by one metastore call; then the flow is on hold.

It is a load like any other, of kind `rollback`: planned with the old load's columns and counts, proved by its files,
published and recorded by the ingest leg's own publish, so that whatever is killed, the next run of the leg settles it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from switchyard.errors import ReconcileMismatch, SwitchyardError
from switchyard.flow.bookmark import Bookmark
from switchyard.flow.spec import Flow
from switchyard.handover import StepReport
from switchyard.lake.hdfs import Hdfs
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.loads import Load, NewLoad
from switchyard.ledger.reports import RolledBack
from switchyard.ledger.results import FlowChanges, Proved, RollbackPlan
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest import earlier_release
from switchyard.legs.ingest import leg as ingest_leg
from switchyard.legs.ingest.planned import Planned
from switchyard.legs.ingest.rollback_target import head_of, origin, previous_version, version_paths
from switchyard.legs.ingest.settle import settle
from switchyard.legs.runtime import Runtime
from switchyard.legs.tables.files import count_rows


def rollback(runtime: Runtime, flow: Flow, *, to: str | None = None, why: str | None = None) -> StepReport[RolledBack]:
    """Let Hive show an old version again, rewind the bookmark to it and put the flow on hold.

    Args:
        runtime: the edges.
        flow: as its file is now.
        to: load_id or seq of the load to go back to; None: the version before the current one.
        why: shown to every run that the hold refuses.

    Raises:
        SwitchyardError: the version does not exist, or no longer exists; the message lists those that do.
        LoadInProgress: a run of the ingest leg is at work. PublishConflict: another publish came first.
    """
    started = time.monotonic()
    with runtime.running(flow.flow, "ingest") as driving:
        load, back = _prepare(driving, flow, to, why)
        published = ingest_leg.publish(driving, load.load_id)
    rolled_back = RolledBack(
        load_id=load.load_id,
        seq=load.seq,
        from_seq=back.from_seq,
        to_seq=back.to_seq,
        to_load=back.to_load,
        bookmark=back.flow_changes.bookmark,
        held=back.flow_changes.held,
        rows=published.result.rows,
    )
    return StepReport("rollback", flow.flow, load.load_id, time.monotonic() - started, rolled_back)


def _prepare(runtime: Runtime, flow: Flow, to: str | None, why: str | None) -> tuple[Load, RollbackPlan]:
    with runtime.ledger() as ledger:
        ledger.migrate()
        with ledger.lock(flow.flow, "ingest"):
            current = _require_published(flow, settle(runtime, ledger, flow))
            published = _published(ledger, flow)
            target = choose_version(published, runtime.hdfs(flow), flow, current, to)
            bookmark = earlier_release.bookmark_of_load(runtime, target, published)
            back = _plan_back(runtime, current, target, bookmark, why)
            load = ledger.plan(_new_load(flow, target, back, bookmark))
            return _prove(runtime.hdfs(flow), ledger, load, target, current), back


def choose_version(published: Sequence[Load], hdfs: Hdfs, flow: Flow, current: TableVersion, to: str | None) -> Load:
    """The load whose version is to be shown again; raises SwitchyardError."""
    if to is None:
        target = previous_version(published, current)
        choice = "the version before the current one"
    else:
        target = next((load for load in published if to in (load.load_id, str(load.seq))), None)
        choice = f"load {to}"
    if target is not None and version_paths(target, current) == current.paths:
        raise _refused(flow, hdfs, published, current, f"{choice} is what Hive shows now, seq {current.seq}")
    if target is None:
        raise _refused(flow, hdfs, published, current, f"{choice} is not among the published loads")
    if current.partitioned and not set(version_paths(target, current)) <= set(current.paths):
        why = (
            f"{choice}, seq {target.seq}, was rolled back itself, and lake.mode append goes back to older versions "
            f"only; its rows are read again by the first load after: switchyard release {flow.flow}"
        )
        raise _refused(flow, hdfs, published, current, why)
    if not _is_there(hdfs, target, current):
        why = f"{choice}, seq {target.seq}, is no longer in HDFS: the step tidy deletes versions beyond lake.keep_loads"
        raise _refused(flow, hdfs, published, current, why)
    return target


def _plan_back(
    runtime: Runtime, current: TableVersion, target: Load, bookmark: Bookmark | None, why: str | None
) -> RollbackPlan:
    held = f"rolled back from seq {current.seq} to seq {target.seq}, load {target.load_id}, by {runtime.owner}"
    return RollbackPlan(
        from_seq=current.seq,
        to_seq=target.seq,
        to_load=target.load_id,
        origin_seq=origin(target),
        flow_changes=FlowChanges(bookmark.high if bookmark else None, f"{held}: {why}" if why else held),
        head=head_of(target),
    )


def _new_load(flow: Flow, target: Load, back: RollbackPlan, bookmark: Bookmark | None) -> NewLoad:
    return NewLoad(
        flow=flow,
        leg="ingest",
        plan=replace(target.result(Planned), rollback=back, bookmark=bookmark, head=back.head),
        kind="rollback",
        previous_seq=back.from_seq,
        location=target.location,
        low=target.low,
        high=back.flow_changes.bookmark,
    )


def _prove(hdfs: Hdfs, ledger: Ledger, load: Load, target: Load, current: TableVersion) -> Load:
    """The old version is as whole as it was when it was proved: the rows of its files' footers are those counted."""
    proof = target.result(Proved)
    rows = count_rows(hdfs, version_paths(target, current))
    if rows != proof.hive_rows:
        raise ReconcileMismatch(
            f"the files of load {target.load_id} have {rows} rows now, and had {proof.hive_rows} when it was published",
            where=f"flow {load.flow}, {target.location}",
            cure=f"nothing was rolled back; see the loads: switchyard loads {load.flow}; then roll back to another "
            f"one: switchyard rollback {load.flow} --to LOAD",
        )
    return ledger.advance(load, "proved", expected=["planned"], result=proof)


def _require_published(flow: Flow, version: TableVersion | None) -> TableVersion:
    if version is None or version.seq < 1:
        raise SwitchyardError(
            f"Hive table {flow.lake.database}.{flow.lake.table} has no published version of this flow",
            where=f"flow {flow.flow}",
            cure=f"do nothing: there is nothing to roll back; see what was published: switchyard loads {flow.flow}",
        )
    return version


def _is_of(load: Load, flow: Flow) -> bool:
    """Whether a load published the table that the flow writes now."""
    lake = load.spec["lake"]
    return bool((lake["database"], lake["table"]) == (flow.lake.database, flow.lake.table))


def _published(ledger: Ledger, flow: Flow) -> list[Load]:
    """Loads that published the table that the flow writes now, newest first."""
    return [load for load in ledger.list_loads(flow.flow, "ingest", ["published"]) if _is_of(load, flow)]


def _is_there(hdfs: Hdfs, load: Load, current: TableVersion) -> bool:
    paths = version_paths(load, current)
    return bool(paths) and all(map(hdfs.exists, paths))


def _refused(flow: Flow, hdfs: Hdfs, published: Sequence[Load], current: TableVersion, what: str) -> SwitchyardError:
    first = {version_paths(load, current): load for load in published}  # a load, and not its rollbacks
    first.pop(current.paths, None)
    versions = [_described(load) for load in first.values() if _is_there(hdfs, load, current)]
    cure = f"nothing was changed; versions that you can name with --to: {'; '.join(versions)}"
    if not versions:
        cure = (
            "nothing was changed; no version is left to go back to: correct the rows at the source, then run the flow: "
            f"switchyard run ingest {flow.flow}"
        )
    return SwitchyardError(what, where=f"flow {flow.flow}", cure=cure)


def _described(load: Load) -> str:
    proved = load.find_result(Proved)
    rows = proved.hive_rows if proved else "?"
    at = f"{load.published_at:%Y-%m-%d %H:%M}" if load.published_at else "?"
    return f"{load.load_id} (seq {load.seq}, {rows} rows, published {at} UTC)"
