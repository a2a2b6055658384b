"""The ingest leg: preflight → plan → land → convert → prove → publish → tidy. Each step takes a load_id only."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from switchyard.extract import postgres
from switchyard.extract.session import begin
from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Flow
from switchyard.handover import ORDINARY, LoadRequest, StepReport
from switchyard.ledger import outcomes
from switchyard.ledger.loads import Load, NewLoad
from switchyard.ledger.reports import LandedCounts, NothingNew, Tidied
from switchyard.ledger.results import Converted, Proved, Published
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest import convert as ingest_convert
from switchyard.legs.ingest import land as ingest_land
from switchyard.legs.ingest import prove as ingest_prove
from switchyard.legs.ingest import publish as ingest_publish
from switchyard.legs.ingest import window as ingest_window
from switchyard.legs.ingest.planned import draft
from switchyard.legs.ingest.prune import prune
from switchyard.legs.ingest.settle import require_released, settle
from switchyard.legs.ingest.start import find_start, next_bookmark, read_now
from switchyard.legs.runtime import Done, Runtime, run_step
from switchyard.legs.tables import vacuum, versions
from switchyard.legs.truth.check import require_agreement
from switchyard.records import Record

log = logging.getLogger(__name__)

Result = TypeVar("Result", bound=Record)


def plan(runtime: Runtime, flow: Flow, request: LoadRequest = ORDINARY) -> Load | NothingNew:
    """Settle what an earlier run left, then write the new load down with its frozen flow (protocol step 0).

    When the source has nothing new, nothing is written.
    """
    with runtime.ledger() as ledger:
        ledger.migrate()
        with ledger.lock(flow.flow, "ingest"):
            version = settle(runtime, ledger, flow, from_beginning=request.start == "beginning")
            require_released(flow, version)
            known = ingest_window.known_columns(ledger, flow, version)
            with postgres.connect(runtime.connections.get(flow.source.connection)) as session:
                examined = ingest_window.examine_all(session, flow)
                agreed = ingest_window.agree(flow, examined, known)
                now = read_now(runtime, session, flow)
                start = find_start(flow, version, now, request)
                window = ingest_window.find_window(session, flow, request, start, agreed)
                ingest_window.require_rows(session, flow, request, window)
                if not ingest_window.has_rows(session, flow, window):
                    return NothingNew(f"the source has no rows that are new: {window.told}")
                seen = begin(session)
            planned_columns = versions.hive_columns(agreed.columns)
            before = versions.ensure_table(runtime, flow, flow.lake.table, planned_columns)
            high = window.high if request.kind == "load" else None
            planned = draft(
                flow,
                examined,
                agreed,
                before,
                window.bounds,
                sweep=window.sweep,
                replays=request.replays,
                bookmark=next_bookmark(flow, version, now, high),
                session=seen,
            )
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


def land(runtime: Runtime, load_id: str) -> StepReport[LandedCounts]:
    """Extract into a staging directory of its own and count what arrived (protocol step 1)."""
    return _checked_step(runtime, "land", load_id, ingest_land.land)


def convert(runtime: Runtime, load_id: str) -> StepReport[Converted]:
    """Make typed Parquet of the landed text, in a landing of its own."""
    return _checked_step(runtime, "convert", load_id, ingest_convert.convert)


def prove(runtime: Runtime, load_id: str) -> StepReport[Proved]:
    """Compare what the source statement read with what Hive reads (protocol step 2)."""
    return _checked_step(runtime, "prove", load_id, ingest_prove.prove)


def publish(runtime: Runtime, load_id: str) -> StepReport[Published]:
    """Publish by one metastore call and record it (protocol steps 3 to 5)."""
    return _checked_step(runtime, "publish", load_id, ingest_publish.publish)


def tidy(runtime: Runtime, load_id: str) -> StepReport[Tidied]:
    """Delete debris and versions that nobody needs any more (protocol step 7)."""

    def body(runtime: Runtime, ledger: Ledger, load: Load) -> Done[Tidied]:
        outcomes.prune(ledger)
        flow = thaw(load.spec)
        tidied = vacuum.vacuum(runtime, ledger, flow, "ingest")
        return Done(replace(tidied, pruned=prune(runtime, ledger, flow)))

    return _checked_step(runtime, "tidy", load_id, body)


def _checked_step(
    runtime: Runtime, step: str, load_id: str, body: Callable[[Runtime, Ledger, Load], Done[Result]]
) -> StepReport[Result]:
    """Run a step of a load, if the ledger knows what the table shows: one restored meanwhile would go on wrongly."""

    def checked(ledger: Ledger, load: Load) -> Done[Result]:
        if load.kind != "adopt":  # the table is not ours yet
            require_agreement(runtime, ledger, thaw(load.spec))
        return body(runtime, ledger, load)

    return run_step(runtime, step, load_id, "ingest", checked)
