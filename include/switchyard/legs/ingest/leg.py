"""The ingest leg: preflight → plan → land → convert → prove → publish → tidy. Each step takes a load_id only."""

from __future__ import annotations

import logging
from dataclasses import replace

from switchyard.catalog.chain import hdfs_authority
from switchyard.catalog.lineage import publish_step
from switchyard.errors import PreflightRefused, PublishConflict
from switchyard.extract import postgres
from switchyard.extract.preflight import Examined, examine_values
from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Flow
from switchyard.handover import LineageStep, StepReport
from switchyard.lake.hive import LIST_READER
from switchyard.lake.partitions import add_partition
from switchyard.ledger.drivers import require_driver_gone
from switchyard.ledger.flow_state import read_state, require_released
from switchyard.ledger.loads import UNFINISHED, Load, NewLoad
from switchyard.ledger.reports import LandedCounts, NothingNew, Tidied
from switchyard.ledger.results import Converted, FlowChanges, Proved, Published
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest import convert as ingest_convert
from switchyard.legs.ingest import land as ingest_land
from switchyard.legs.ingest import prove as ingest_prove
from switchyard.legs.ingest import window as ingest_window
from switchyard.legs.ingest.load_request import ORDINARY, Request
from switchyard.legs.ingest.planned import Planned, draft
from switchyard.legs.runtime import Done, Runtime, require_state, run_step
from switchyard.legs.tables import vacuum, versions

log = logging.getLogger(__name__)


def preflight(runtime: Runtime, flow: Flow) -> Examined:
    """Look at the live source; raises PreflightRefused with every finding and its cure."""
    with runtime.ledger() as ledger:
        ledger.migrate()
        version = runtime.metastore(flow).read_version(flow.lake.database, flow.lake.table)
        known, bookmark = ingest_window.known_columns(ledger, flow, version), read_state(ledger, flow.flow).bookmark
    with postgres.connect(runtime.connections.get(flow.source.connection)) as session:
        examined = ingest_window.examine_all(session, flow)
        agreed = ingest_window.agree(flow, examined, known)
        judged = tuple(column for column in (*agreed.columns, *agreed.left_out) if column.source)
        looked = examine_values(session, ingest_window.since(flow, bookmark), replace(examined, columns=judged))
    _require_list_reader(runtime, flow, examined)
    return replace(examined, notes=looked.notes)


def _require_list_reader(runtime: Runtime, flow: Flow, examined: Examined) -> None:
    lists = [column.source for column in examined.columns if column.hive_type.is_list]
    if lists and (hive := runtime.hive(flow)).readers_setting(LIST_READER) != "false":
        raise PreflightRefused(
            f"Hive's readers would see other values in the arrays {', '.join(lists)}: its vectorized reader makes 0 of"
            " a NULL in a list, and [0] or NULL of an empty one",
            where=f"flow {flow.flow}, connection {hive.connection.conn_id}",
            next=f"set {LIST_READER} to false in HiveServer2's hive-site.xml; or carry their text, with `as: string`",
        )


def plan(runtime: Runtime, flow: Flow, request: Request = ORDINARY) -> Load | NothingNew:
    """Recover what an earlier run left, then write the new load down with its frozen flow (protocol step 0)."""
    with runtime.ledger() as ledger:
        ledger.migrate()
        with ledger.lock(flow.flow, "ingest"):
            recover(runtime, ledger, flow)
            state = require_released(ledger, flow.flow)
            version = runtime.metastore(flow).read_version(flow.lake.database, flow.lake.table)
            known = ingest_window.known_columns(ledger, flow, version)
            with postgres.connect(runtime.connections.get(flow.source.connection)) as session:
                examined = ingest_window.examine_all(session, flow)
                agreed = ingest_window.agree(flow, examined, known)
                window = ingest_window.find_window(session, flow, request, state.bookmark, agreed)
                if not ingest_window.has_rows(session, flow, window):
                    return NothingNew(f"the source has no rows that are new: {window.told}")
            planned_columns = versions.hive_columns(agreed.columns)
            before = versions.ensure_table(runtime, flow, flow.lake.table, planned_columns)
            planned = draft(flow, examined, agreed, before, window.bounds, sweep=window.sweep, replays=request.replays)
            load = ledger.plan(
                NewLoad(
                    flow=flow,
                    leg="ingest",
                    previous_seq=before.seq,
                    kind=request.kind,
                    low=window.low,
                    high=window.high,
                    plan=planned,
                )
            )
    log.info("planned load %s of flow %s: seq %s after %s", load.load_id, flow.flow, load.seq, load.previous_seq)
    for change in agreed.changes:
        log.info("the source changed: %s", change)
    return load


def recover(runtime: Runtime, ledger: Ledger, flow: Flow) -> None:
    """Settle every unfinished load: one found in `publishing` is finished or superseded, any other abandoned."""
    require_driver_gone(ledger, flow.flow, "ingest", runtime.driver)
    for load in reversed(ledger.list_loads(flow.flow, "ingest", UNFINISHED)):
        if load.state == "publishing":
            try:
                _publish(runtime, ledger, load)
                log.info("recovered load %s: published", load.load_id)
            except PublishConflict:
                log.info("recovered load %s: superseded", load.load_id)
            continue
        ledger.advance(load, "abandoned", expected=[load.state], error=f"taken over by {runtime.owner}")
        log.info("abandoned load %s, left %s by %s", load.load_id, load.state, load.owner)


def land(runtime: Runtime, load_id: str) -> StepReport[LandedCounts]:
    """Extract into a staging directory of its own and count what arrived (protocol step 1)."""
    return run_step(runtime, "land", load_id, "ingest", lambda ledger, load: ingest_land.land(runtime, ledger, load))


def convert(runtime: Runtime, load_id: str) -> StepReport[Converted]:
    """Make typed Parquet of the landed text, in a landing of its own."""
    return run_step(
        runtime, "convert", load_id, "ingest", lambda ledger, load: ingest_convert.convert(runtime, ledger, load)
    )


def prove(runtime: Runtime, load_id: str) -> StepReport[Proved]:
    """Compare what the source statement read with what Hive reads (protocol step 2)."""
    return run_step(runtime, "prove", load_id, "ingest", lambda ledger, load: ingest_prove.prove(runtime, ledger, load))


def publish(runtime: Runtime, load_id: str) -> StepReport[Published]:
    """Publish by one metastore call and record it (protocol steps 3 to 5)."""
    return run_step(runtime, "publish", load_id, "ingest", lambda ledger, load: _publish(runtime, ledger, load))


def tidy(runtime: Runtime, load_id: str) -> StepReport[Tidied]:
    """Delete debris and versions that nobody needs any more (protocol step 7)."""

    def body(ledger: Ledger, load: Load) -> Done[Tidied]:
        return Done(vacuum.vacuum(runtime, ledger, thaw(load.spec), "ingest"))

    return run_step(runtime, "tidy", load_id, "ingest", body)


def _publish(runtime: Runtime, ledger: Ledger, load: Load) -> Done[Published]:
    flow = thaw(load.spec)
    if load.state == "published":
        return Done(load.result(Published), _publish_lineage(runtime, flow, load))
    require_state(load, "proved", "publishing")
    load = ledger.advance(load, "publishing", expected=["proved", "publishing"])
    proved, planned = load.result(Proved), load.result(Planned)
    size = versions.size_of(proved)
    assert load.location is not None  # noqa: S101 - a proved load has a landing
    appends = flow.lake.mode == "append"
    try:
        if planned.rollback is not None:
            to_seq = planned.rollback.to_seq
            versions.rollback_version(runtime, flow, load, planned.hive_columns, size, to_seq=to_seq)
        elif planned.adopted is not None:
            versions.adopt_version(runtime, flow, load, size, proved_at=planned.adopted.changed_at)
        else:
            if appends:
                _add_partition(runtime, flow, load, planned)
            target = versions.Target(flow.lake.database, flow.lake.table, planned.hive_columns, load.location)
            versions.publish(runtime, flow, target, load, size, moves=not appends)
    except PublishConflict as error:
        ledger.advance(load, "abandoned", expected=["publishing"], error=f"superseded: {error.what}")
        raise
    published = Published(load.seq, proved.hive_rows, proved.hive_bytes, load.load_id, proved.quarantined_rows)
    moved = FlowChanges(load.high) if load.kind == "load" and load.high is not None else None
    above = load.seq if appends else 0
    if planned.rollback is not None:
        moved = planned.rollback.flow_changes
        above = planned.rollback.to_seq if appends else 0  # what it undoes is superseded, what came before stays
    ledger.finish(load, result=published, above=above, flow_changes=moved)
    return Done(published, _publish_lineage(runtime, flow, load))


def _add_partition(runtime: Runtime, flow: Flow, load: Load, planned: Planned) -> None:
    """Show the rows: one call, after one for new columns. The seq is the table's a moment later; either is right."""
    versions.widen(runtime, flow, load, planned.hive_columns)
    location = f"{runtime.hdfs(flow).url}{load.location}"
    lake = flow.lake
    add_partition(runtime.metastore(flow), lake.database, lake.table, str(load.seq), location, planned.hive_columns)


def _publish_lineage(runtime: Runtime, flow: Flow, load: Load) -> LineageStep:
    authority = hdfs_authority(runtime.connections.get(flow.lake.hdfs))
    columns = [column.name for column in load.result(Planned).columns]
    return publish_step(flow, hdfs_authority=authority, columns=columns)
