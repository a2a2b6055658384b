"""The ingest leg: preflight → plan → land → convert → prove → publish → tidy. Each step takes a load_id only."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from switchyard.catalog.chain import hdfs_authority
from switchyard.catalog.lineage import publish_step
from switchyard.errors import PreflightRefused, PublishConflict
from switchyard.extract import postgres
from switchyard.extract.preflight import Examined, examine_values
from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Flow
from switchyard.lake.hive import LIST_READER
from switchyard.lake.partitions import add_partition
from switchyard.ledger.drivers import require_driver_gone
from switchyard.ledger.flow_state import read_state, require_released
from switchyard.ledger.loads import UNFINISHED, Load, NewLoad
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest import convert as ingest_convert
from switchyard.legs.ingest import land as ingest_land
from switchyard.legs.ingest import prove as ingest_prove
from switchyard.legs.ingest import window as ingest_window
from switchyard.legs.ingest.load_request import ORDINARY, Request
from switchyard.legs.ingest.planned import Planned, draft
from switchyard.legs.runtime import Runtime, require_state, run_step
from switchyard.legs.tables import vacuum, versions
from switchyard.report import StepReport

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


def plan(runtime: Runtime, flow: Flow, request: Request = ORDINARY) -> Load | str:
    """Recover what an earlier run left, then write the new load down with its frozen flow (protocol step 0).

    Returns a sentence instead of a load when the source has nothing new.
    """
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
                    return f"the source has no rows that are new: {window.told}"
            planned_columns = versions.hive_columns(agreed.columns)
            before = versions.ensure_table(runtime, flow, flow.lake.table, planned_columns)
            planned = draft(flow, examined, agreed, before, window.bounds, sweep=window.sweep)
            load = ledger.plan(
                NewLoad(
                    flow=flow,
                    leg="ingest",
                    previous_seq=before.seq,
                    kind=request.kind,
                    low=window.low,
                    high=window.high,
                    facts={"plan": {**planned.facts(), "replays": request.replays}},
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


def land(runtime: Runtime, load_id: str) -> StepReport:
    """Extract into a staging directory of its own and count what arrived (protocol step 1)."""
    return run_step(runtime, "land", load_id, "ingest", lambda ledger, load: ingest_land.land(runtime, ledger, load))


def convert(runtime: Runtime, load_id: str) -> StepReport:
    """Make typed Parquet of the landed text, in a landing of its own."""
    return run_step(
        runtime, "convert", load_id, "ingest", lambda ledger, load: ingest_convert.convert(runtime, ledger, load)
    )


def prove(runtime: Runtime, load_id: str) -> StepReport:
    """Compare what the source statement read with what Hive reads (protocol step 2)."""
    return run_step(runtime, "prove", load_id, "ingest", lambda ledger, load: ingest_prove.prove(runtime, ledger, load))


def publish(runtime: Runtime, load_id: str) -> StepReport:
    """Publish by one metastore call and record it (protocol steps 3 to 5)."""
    return run_step(runtime, "publish", load_id, "ingest", lambda ledger, load: _publish(runtime, ledger, load))


def tidy(runtime: Runtime, load_id: str) -> StepReport:
    """Delete debris and versions that nobody needs any more (protocol step 7)."""

    def body(ledger: Ledger, load: Load) -> dict[str, Any]:
        return vacuum.vacuum(runtime, ledger, thaw(load.spec), "ingest")

    return run_step(runtime, "tidy", load_id, "ingest", body)


def _publish(runtime: Runtime, ledger: Ledger, load: Load) -> dict[str, Any]:
    flow = thaw(load.spec)
    if load.state == "published":
        return {**load.facts["publish"], "lineage": _publish_lineage(runtime, flow, load)}
    require_state(load, "proved", "publishing")
    load = ledger.advance(load, "publishing", expected=["proved", "publishing"])
    proved, planned = load.facts["prove"], Planned.of(load)
    assert load.location is not None  # noqa: S101 - a proved load has a landing
    appends = flow.lake.mode == "append"
    try:
        if load.kind == "rollback":
            versions.rollback_version(runtime, flow, load, planned.hive_columns, proved)
        elif load.kind == "adopt":
            versions.adopt_version(runtime, flow, load, proved)
        else:
            if appends:
                _add_partition(runtime, flow, load, planned)
            target = versions.Target(flow.lake.database, flow.lake.table, planned.hive_columns, load.location)
            versions.publish(runtime, flow, target, load, proved, moves=not appends)
    except PublishConflict as error:
        ledger.advance(load, "abandoned", expected=["publishing"], error=f"superseded: {error.what}")
        raise
    facts = {"seq": load.seq, "rows": proved["hive_rows"], "bytes": proved["hive_bytes"], "load_id": load.load_id}
    facts["quarantined"] = proved.get("quarantined_rows", 0)
    moved = {"bookmark": load.high} if load.kind == "load" and load.high is not None else None
    went = load.facts["plan"].get("rollback", {})  # what it undoes is superseded; the rest of an append table stays
    above, moved = went.get("to_seq", load.seq) if appends else 0, went.get("flow_changes", moved)
    ledger.finish(load, step="publish", facts=facts, above=above, flow_changes=moved)
    return {**facts, "lineage": _publish_lineage(runtime, flow, load)}


def _add_partition(runtime: Runtime, flow: Flow, load: Load, planned: Planned) -> None:
    """Show the rows: one call, after one for new columns. The seq is the table's a moment later; either is right."""
    versions.widen(runtime, flow, load, planned.hive_columns)
    location = f"{runtime.hdfs(flow).url}{load.location}"
    lake = flow.lake
    add_partition(runtime.metastore(flow), lake.database, lake.table, str(load.seq), location, planned.hive_columns)


def _publish_lineage(runtime: Runtime, flow: Flow, load: Load) -> dict[str, Any]:
    authority = hdfs_authority(runtime.connections.get(flow.lake.hdfs))
    columns = [column.name for column in Planned.of(load).columns]
    return publish_step(flow, hdfs_authority=authority, columns=columns).facts()
