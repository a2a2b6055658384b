"""Step preflight: what is looked at on the live servers before anything moves. Writes nothing."""

from __future__ import annotations

from dataclasses import replace

from switchyard.errors import PreflightRefused, StepFailed
from switchyard.extract import postgres
from switchyard.extract.notes import describe_extras, describe_threshold
from switchyard.extract.preflight import Examined, examine_values, refuse
from switchyard.flow.servable import find_unservable
from switchyard.flow.spec import Flow
from switchyard.handover import ORDINARY, LoadRequest
from switchyard.lake.hive import LIST_READER, HiveSession
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest import earlier_release
from switchyard.legs.ingest import window as ingest_window
from switchyard.legs.ingest.start import choose_start, read_now
from switchyard.legs.runtime import Runtime
from switchyard.legs.tables import versions
from switchyard.legs.tables.namenode import describe_move
from switchyard.legs.truth.check import require_agreement
from switchyard.prove.checks import pattern_probe


def preflight(runtime: Runtime, flow: Flow, request: LoadRequest = ORDINARY) -> Examined:
    """Look at the live source; raises PreflightRefused with every finding and its cure."""
    with runtime.ledger() as ledger:
        ledger.migrate()
        version = shown_version(runtime, ledger, flow, request)
        before = ingest_window.known_columns(ledger, flow, version)
    source = runtime.connections.get(flow.source.connection)
    with postgres.connect(source) as session:
        examined = ingest_window.examine_all(session, flow)
        agreed = ingest_window.agree(flow, examined, before)
        judged = tuple(column for column in (*agreed.columns, *agreed.left_out) if column.source)
        start = choose_start(session, flow, version, read_now(runtime, session, flow, examined.shape), request)
        looked = examine_values(session, ingest_window.since(flow, start), replace(examined, columns=judged))
    if flow.serve is not None and flow.serve.select is None:
        refuse(flow, list(find_unservable(flow.serve, versions.hive_columns(agreed.columns))))
    _require_list_reader(runtime, flow, examined)
    _look_at_patterns(runtime, flow)
    moved = describe_move(version, runtime.hdfs(flow).url, flow.lake.hdfs)
    return replace(examined, notes=(*looked.notes, *describe_extras(source), *describe_threshold(flow), *moved))


def shown_version(runtime: Runtime, ledger: Ledger, flow: Flow, request: LoadRequest) -> TableVersion | None:
    """The table's version, for a caller that changes nothing; raises TruthConflict when the ledger does not know it."""
    from_beginning = request.start == "beginning"
    inspection = require_agreement(runtime, ledger, flow, from_beginning=from_beginning)
    return earlier_release.with_memory(runtime, ledger, inspection)


def _require_list_reader(runtime: Runtime, flow: Flow, examined: Examined) -> None:
    lists = [column.source for column in examined.columns if column.hive_type.is_list]
    if lists and (hive := runtime.hive(flow)).readers_setting(LIST_READER) != "false":
        raise PreflightRefused(
            f"Hive's readers would see other values in the arrays {', '.join(lists)}: its vectorized reader turns a "
            "NULL in an array into 0, and an empty array into [0] or NULL",
            where=f"flow {flow.flow}, connection {hive.connection.conn_id}",
            cure=f"set {LIST_READER} to false in HiveServer2's hive-site.xml and restart it; or store the arrays as "
            "text: `columns: {COLUMN: {as: string}}`",
        )


def _look_at_patterns(runtime: Runtime, flow: Flow) -> None:
    """Let Hive itself judge the patterns of `regex` checks: its syntax is Java's, which nothing else here knows."""
    patterns = [check.regex.pattern for check in flow.checks if check.regex is not None]
    if not patterns:
        return
    with runtime.hive(flow).session() as session:
        if _fault_of(session, patterns) is None:
            return
        faults = {pattern: _fault_of(session, [pattern]) for pattern in patterns}
    misfits = [f"check regex: Hive cannot read {p!r}: {fault}" for p, fault in faults.items() if fault]
    refuse(flow, misfits)


def _fault_of(session: HiveSession, patterns: list[str]) -> str | None:
    """Say why Hive cannot read one of these patterns; None when it can read all."""
    try:
        session.run(pattern_probe(patterns))
    except StepFailed as error:
        _, is_syntax, fault = error.what.partition("PatternSyntaxException ")
        if not is_syntax:
            raise
        return fault.splitlines()[0]
    return None
