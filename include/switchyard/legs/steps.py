"""What each step of `flow.steps` does: what `switchyard step` offers and `switchyard run` runs.

A step is a process of its own, so a leg's modules are imported only when one of its steps is asked for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from switchyard.errors import SwitchyardError, naming_the_flow
from switchyard.flow.frozen import thaw
from switchyard.flow.naming import Leg
from switchyard.flow.spec import Flow
from switchyard.flow.steps import LEG_STEPS, steps_of
from switchyard.handover import FORECAST, ORDINARY, LoadRequest, StepReport
from switchyard.ledger.reports import Examined, LoadPlanned, NotAsked, NothingNew
from switchyard.records import Record

if TYPE_CHECKING:
    from switchyard.ledger.loads import Load
    from switchyard.ledger.results import Compared
    from switchyard.legs.runtime import Runtime

log = logging.getLogger(__name__)

FlowStep = Callable[["Runtime", Flow, LoadRequest], Record]
LoadStep = Callable[["Runtime", str], "StepReport[Record]"]


@dataclass(frozen=True)
class Step:
    """One step: it begins from a flow (`from_flow`), or goes on with a load by its id (`from_load`)."""

    name: str
    from_flow: FlowStep | None = None
    from_load: LoadStep | None = None


def bound_steps(leg: Leg) -> Mapping[str, Step]:
    """The steps of a leg by name, in the order of `flow.steps`."""
    bodies = {step.name: step for step in _STEPS[leg]()}
    return {declared.name: bodies[declared.name] for declared in LEG_STEPS[leg]}


def find_step(leg: Leg, name: str) -> Step:
    """A step of a leg; raises SwitchyardError that lists the leg's steps."""
    steps = bound_steps(leg)
    if name not in steps:
        raise SwitchyardError(
            f"leg {leg} has no step {name!r}",
            where="switchyard step",
            cure=f"name one of its steps: {', '.join(steps)}",
        )
    return steps[name]


def begin(runtime: Runtime, step: Step, flow: Flow, request: LoadRequest = ORDINARY) -> StepReport[Record]:
    """Run a step that begins from a flow."""
    assert step.from_flow is not None  # noqa: S101 - the caller chose a beginning step
    started = time.monotonic()
    with naming_the_flow(flow.flow):
        result = step.from_flow(runtime, flow, request)
    load_id = result.load_id if isinstance(result, LoadPlanned) else ""
    report = StepReport(step.name, flow.flow, load_id, time.monotonic() - started, result)
    log.info("%s", report.line())
    return report


def go_on(runtime: Runtime, leg: Leg, name: str, load_id: str) -> StepReport[Record]:
    """Run a step that goes on with a load. One that the load's flow does not have does nothing.

    The DAG is drawn from the flow file as it is now, and a load goes on with the flow that it was planned with.
    """
    step = find_step(leg, name)
    assert step.from_load is not None  # noqa: S101 - the caller chose a step that goes on
    declared = next(each for each in LEG_STEPS[leg] if each.name == name)
    if declared.is_optional:
        with runtime.ledger() as ledger:
            load = ledger.get(load_id)
        if not declared.is_in(thaw(load.spec)):
            return StepReport(name, load.flow, load_id, 0.0, NotAsked(f"the load's flow has no step {name}"))
    return step.from_load(runtime, load_id)


def run_leg(runtime: Runtime, leg: Leg, flow: Flow, request: LoadRequest = ORDINARY) -> Iterator[StepReport[Record]]:
    """Run all steps of a leg, one after another; ends early when there is nothing to do."""
    load_id = ""
    steps = bound_steps(leg)
    with runtime.running(flow.flow, leg) as driving:
        for declared in steps_of(leg, flow):
            step = steps[declared.name]
            report = begin(driving, step, flow, request) if step.from_load is None else step.from_load(driving, load_id)
            load_id = report.load_id or load_id
            yield report
            if isinstance(report.result, NothingNew):
                return


def forecast(runtime: Runtime, leg: Leg, flow: Flow, request: LoadRequest = ORDINARY) -> StepReport[Record]:
    """The dry run of a leg: what it would do now."""
    from switchyard.legs.ingest.forecast import forecast_ingest
    from switchyard.legs.serve.forecast import forecast_serve

    started = time.monotonic()
    with naming_the_flow(flow.flow):
        expected = forecast_ingest(runtime, flow, request) if leg == "ingest" else forecast_serve(runtime, flow)
    return StepReport(FORECAST, flow.flow, "", time.monotonic() - started, expected)


def _ingest_steps() -> tuple[Step, ...]:
    from switchyard.legs.ingest import leg as ingest_leg
    from switchyard.legs.ingest.preflight import preflight as look

    def preflight(runtime: Runtime, flow: Flow, request: LoadRequest) -> Record:
        examined = look(runtime, flow, request)
        return Examined(len(examined.columns), tuple(examined.shape.primary_key), tuple(examined.notes))

    def plan(runtime: Runtime, flow: Flow, request: LoadRequest) -> Record:
        return _planned(ingest_leg.plan(runtime, flow, request))

    return (
        Step("preflight", from_flow=preflight),
        Step("plan", from_flow=plan),
        Step("land", from_load=ingest_leg.land),
        Step("convert", from_load=ingest_leg.convert),
        Step("prove", from_load=ingest_leg.prove),
        Step("publish", from_load=ingest_leg.publish),
        Step("tidy", from_load=ingest_leg.tidy),
    )


def _serve_steps() -> tuple[Step, ...]:
    from switchyard.legs.serve import leg as serve_leg

    def plan(runtime: Runtime, flow: Flow, request: LoadRequest) -> Record:
        return _planned(serve_leg.plan(runtime, flow))

    return (
        Step("plan", from_flow=plan),
        Step("select", from_load=serve_leg.select),
        Step("stage", from_load=serve_leg.stage),
        Step("publish", from_load=serve_leg.publish),
        Step("refresh_cache", from_load=serve_leg.refresh_cache),
        Step("diff", from_load=_diff_after_serve),
        Step("tidy", from_load=serve_leg.tidy),
    )


def _diff_after_serve(runtime: Runtime, load_id: str) -> StepReport[Compared]:
    from switchyard.legs.diff import run

    return run.after_serve(runtime, load_id)


def _planned(load: Load | NothingNew) -> LoadPlanned | NothingNew:
    if isinstance(load, NothingNew):
        return load
    return LoadPlanned(load.load_id, load.seq, load.previous_seq, load.version)


_STEPS: dict[Leg, Callable[[], tuple[Step, ...]]] = {"ingest": _ingest_steps, "serve": _serve_steps}
