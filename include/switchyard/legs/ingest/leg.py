"""The ingest leg: preflight → plan → land → convert → prove → publish → tidy. Each step takes a load_id only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Flow
from switchyard.handover import ORDINARY, LoadRequest, StepReport
from switchyard.ledger import outcomes
from switchyard.ledger.loads import Load
from switchyard.ledger.reports import LandedCounts, NothingNew, Tidied
from switchyard.ledger.results import Converted, Proved, Published
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest import convert as ingest_convert
from switchyard.legs.ingest import land as ingest_land
from switchyard.legs.ingest import plan as ingest_plan
from switchyard.legs.ingest import prove as ingest_prove
from switchyard.legs.ingest import publish as ingest_publish
from switchyard.legs.ingest.prune import prune
from switchyard.legs.runtime import Delivery, Runtime, require_finished, run_step
from switchyard.legs.tables import vacuum
from switchyard.legs.truth.check import require_agreement
from switchyard.records import Record

Result = TypeVar("Result", bound=Record)


def plan(runtime: Runtime, flow: Flow, request: LoadRequest = ORDINARY) -> Load | NothingNew:
    """Settle what an earlier run left, then write the new load down with its frozen flow (protocol step 0).

    When the source has nothing new, nothing is written.
    """
    with runtime.ledger() as ledger:
        ledger.migrate()
        with ledger.lock(flow.flow, "ingest"):
            return ingest_plan.plan(runtime, ledger, flow, request)


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
    """Delete debris and versions that are no longer needed (protocol step 7), of a load that was published."""

    def body(runtime: Runtime, ledger: Ledger, load: Load) -> Delivery[Tidied]:
        require_finished(load)
        outcomes.prune(ledger)
        flow = thaw(load.spec)
        tidied = vacuum.vacuum(runtime, ledger, flow, "ingest")
        return Delivery(replace(tidied, pruned=prune(runtime, ledger, flow)))

    return _checked_step(runtime, "tidy", load_id, body)


def _checked_step(
    runtime: Runtime, step: str, load_id: str, body: Callable[[Runtime, Ledger, Load], Delivery[Result]]
) -> StepReport[Result]:
    """Run a step of a load, if the ledger knows what the table shows: one restored meanwhile would go on wrongly."""

    def checked(ledger: Ledger, load: Load) -> Delivery[Result]:
        if load.kind != "adopt":  # the table is not ours yet
            require_agreement(runtime, ledger, thaw(load.spec))
        return body(runtime, ledger, load)

    return run_step(runtime, step, load_id, "ingest", checked)
