"""Every step by leg and name, in order: what `switchyard step` offers, what `switchyard run` runs, what the DAGs draw."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from switchyard.flow.naming import Leg
from switchyard.flow.spec import Flow
from switchyard.legs import forecast, ingest, serve
from switchyard.legs.runtime import Runtime
from switchyard.ledger.store import Load
from switchyard.report import StepReport

FlowStep = Callable[[Runtime, Flow], dict[str, Any]]
LoadStep = Callable[[Runtime, str], StepReport]


@dataclass(frozen=True)
class Step:
    """One step: begun from a flow (`from_flow`), or gone on with by load_id (`from_load`)."""

    name: str
    from_flow: FlowStep | None = None
    from_load: LoadStep | None = None
    wanted: Callable[[Flow], bool] = lambda flow: True


def _preflight(runtime: Runtime, flow: Flow) -> dict[str, Any]:
    examined = ingest.preflight(runtime, flow)
    return {"columns": len(examined.columns), "key": list(examined.shape.primary_key)}


def _plan_ingest(runtime: Runtime, flow: Flow) -> dict[str, Any]:
    return _planned(ingest.plan(runtime, flow))


def _plan_serve(runtime: Runtime, flow: Flow) -> dict[str, Any]:
    planned = serve.plan(runtime, flow)
    return {"nothing_to_do": planned} if isinstance(planned, str) else _planned(planned)


def _planned(load: Load) -> dict[str, Any]:
    return {"load_id": load.load_id, "seq": load.seq, "previous_seq": load.previous_seq, "version": load.version}


STEPS: dict[Leg, tuple[Step, ...]] = {
    "ingest": (
        Step("preflight", from_flow=_preflight),
        Step("plan", from_flow=_plan_ingest),
        Step("land", from_load=ingest.land),
        Step("convert", from_load=ingest.convert),
        Step("prove", from_load=ingest.prove),
        Step("publish", from_load=ingest.publish),
        Step("tidy", from_load=ingest.tidy),
    ),
    "serve": (
        Step("plan", from_flow=_plan_serve),
        Step("select", from_load=serve.select, wanted=lambda flow: flow.serve is not None and flow.serve.select is not None),
        Step("stage", from_load=serve.stage),
        Step("publish", from_load=serve.publish),
        Step("refresh_cache", from_load=serve.refresh_cache, wanted=lambda flow: flow.cache is not None),
        Step("tidy", from_load=serve.tidy),
    ),
}

FORECASTS: dict[Leg, FlowStep] = {"ingest": forecast.forecast_ingest, "serve": forecast.forecast_serve}
"""What `plan` (dry run) says of a leg."""


def find_step(leg: Leg, name: str) -> Step:
    """The step of a leg; raises KeyError."""
    return next(step for step in STEPS[leg] if step.name == name)


def begin(runtime: Runtime, step: Step, flow: Flow) -> StepReport:
    """Run a step that begins from a flow."""
    assert step.from_flow is not None  # noqa: S101 - the caller chose a beginning step
    started = time.monotonic()
    facts = step.from_flow(runtime, flow)
    return StepReport(step.name, flow.flow, str(facts.pop("load_id", "")), time.monotonic() - started, facts)


def run_leg(runtime: Runtime, leg: Leg, flow: Flow) -> Iterator[StepReport]:
    """Run all steps of a leg, one after another; ends early when there is nothing to do."""
    load_id = ""
    for step in STEPS[leg]:
        if not step.wanted(flow):
            continue
        report = begin(runtime, step, flow) if step.from_load is None else step.from_load(runtime, load_id)
        load_id = report.load_id or load_id
        yield report
        if "nothing_to_do" in report.facts:
            return
