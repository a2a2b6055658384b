"""Step plan: what an earlier run left is settled, the source is looked at, and the new load is written down."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from switchyard.extract import postgres
from switchyard.extract.preflight import Examined
from switchyard.extract.session import SourceSession, begin
from switchyard.flow.bookmark import Reading
from switchyard.flow.spec import Flow
from switchyard.handover import LoadRequest
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.loads import Load, NewLoad
from switchyard.ledger.publications import note_nothing_new
from switchyard.ledger.reports import NothingNew
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest import window as ingest_window
from switchyard.legs.ingest.planned import draft
from switchyard.legs.ingest.replay_guard import require_replayable
from switchyard.legs.ingest.settle import require_released, settle
from switchyard.legs.ingest.start import choose_start, next_bookmark, read_now
from switchyard.legs.ingest.trust import keep_trusted
from switchyard.legs.ingest.window import Window
from switchyard.legs.runtime import Runtime
from switchyard.legs.tables import versions
from switchyard.legs.truth.missing import require_files
from switchyard.prove.contract import Agreed

log = logging.getLogger(__name__)


def plan(runtime: Runtime, ledger: Ledger, flow: Flow, request: LoadRequest) -> Load | NothingNew:
    """Run the step, under the leg's lock; when the source has nothing new, only that is written down.

    So is a bookmark that somebody vouched for.
    """
    version = settle(runtime, ledger, flow, from_beginning=request.start == "beginning")
    require_released(flow, version)
    if version is not None and version.seq > 0 and flow.lake.mode != "replace":
        require_files(runtime.hdfs(flow), flow, version, ledger.find(version.load_id))
    source = _look_at_source(runtime, ledger, flow, version, request)
    if isinstance(source, NothingNew):
        return source
    load = _write_down(runtime, ledger, flow, version, request, source)
    log.info("planned load %s of flow %s: seq %s after %s", load.load_id, flow.flow, load.seq, load.previous_seq)
    for change in source.agreed.changes:
        log.info("the source changed: %s", change)
    return load


@dataclass(frozen=True)
class _Source:
    """The source as a plan saw it.

    `examined`: names, types and key; `agreed`: the columns under the contract; `reading`: which rows the flow reads;
    `window`: those that this load reads; `session`: the server's settings.
    """

    examined: Examined
    agreed: Agreed
    reading: Reading
    window: Window
    session: SourceSession


def _look_at_source(
    runtime: Runtime, ledger: Ledger, flow: Flow, version: TableVersion | None, request: LoadRequest
) -> _Source | NothingNew:
    """Examine the source and choose the rows to read, in one session.

    Raises PreflightRefused, TruthConflict for a bookmark of another source, SwitchyardError for a replay that finds
    no rows, or rows that were loaded.
    """
    before = ingest_window.known_columns(ledger, flow, version)
    with postgres.connect(runtime.connections.get(flow.source.connection)) as session:
        examined = ingest_window.examine_all(session, flow)
        agreed = ingest_window.agree(flow, examined, before)
        reading = read_now(runtime, session, flow, examined.shape)
        start = choose_start(session, flow, version, reading, request)
        window = ingest_window.find_window(session, flow, request, start, agreed, examined.shape)
        if request.kind == "replay":
            require_replayable(session, flow, request, window, version)
        if not ingest_window.has_rows(session, flow, window):
            if request.kind == "load" and window.high is not None:
                note_nothing_new(ledger, flow.flow, window.high)
            if request.start == "trusted-bookmark":
                keep_trusted(runtime, ledger, flow, version, reading)
            return NothingNew(f"the source has no rows that are new: {window.description}")
        return _Source(examined, agreed, reading, window, begin(session))


def _write_down(
    runtime: Runtime,
    ledger: Ledger,
    flow: Flow,
    version: TableVersion | None,
    request: LoadRequest,
    source: _Source,
) -> Load:
    """Make the table if it is the first load, then write the load into the ledger with its frozen flow."""
    window = source.window
    before = versions.ensure_table(runtime, flow, flow.lake.table, versions.hive_columns(source.agreed.columns))
    high = window.high if request.kind == "load" else None
    planned = draft(
        flow,
        source.examined,
        source.agreed,
        before,
        window.bounds,
        sweep=window.sweep,
        replays=request.replays,
        bookmark=next_bookmark(flow, version, source.reading, high),
        session=source.session,
    )
    return ledger.plan(
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
