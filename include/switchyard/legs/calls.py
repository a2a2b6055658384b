"""A call answered: the step is run, and its outcome kept, so that the same call asked again runs nothing."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from switchyard.errors import ConnectionNotHanded, LoadInProgress, NothingToCompare, SwitchyardError
from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Flow
from switchyard.handover import FORECAST, ORDINARY, ErrorKind, StepCall, StepError, StepOutcome, StepReport
from switchyard.ledger import outcomes
from switchyard.ledger.drivers import AirflowLoadUnfinished
from switchyard.ledger.reports import NothingNew
from switchyard.ledger.results import Published, ServePublished
from switchyard.legs.runtime import Runtime
from switchyard.legs.steps import begin, find_step, forecast, go_on
from switchyard.records import Record

log = logging.getLogger(__name__)


def answer(runtime: Runtime, call: StepCall) -> StepOutcome:
    """Run the step of a call, or say again how it ended. An error is an outcome as well; only bugs are raised.

    The outcome is written when all else is done. If this process dies before that, the same call runs the step again,
    which is safe as it always was: every step goes on from what the ledger and the servers say.
    """
    started = time.monotonic()
    try:
        earlier = _earlier(runtime, call)
        if earlier is not None:
            return earlier
        outcome = _run(runtime, call)
        if call.call_id and outcome.is_final:
            with runtime.ledger() as ledger:
                return outcomes.keep(ledger, outcome)
    except SwitchyardError as error:  # the ledger's own: without it no step can be called done
        return _failed(call, error, time.monotonic() - started)
    return outcome


def _earlier(runtime: Runtime, call: StepCall) -> StepOutcome | None:
    if not call.call_id:
        return None
    with runtime.ledger() as ledger:
        ledger.migrate()
        outcome = outcomes.find(ledger, call.call_id)
    if outcome is None:
        return None
    if (outcome.leg, outcome.step) != (call.leg, call.step):
        earlier_step = outcome.step
        raise SwitchyardError(
            f"call {call.call_id} was step {earlier_step} of leg {outcome.leg}, and is step {call.step} of leg "
            f"{call.leg} now: one call id was used for two steps",
            where="the call of this step",
            cure="nothing was run; give every call an id of its own; if Airflow made the call, report it as a bug",
        )
    log.info("call %s has ended already, in another process: nothing is run, its outcome stands", call.call_id)
    return outcome


def _run(runtime: Runtime, call: StepCall) -> StepOutcome:
    started = time.monotonic()
    try:
        report = run_call(runtime, call)
    except NothingToCompare as error:
        outcome = _outcome(call, time.monotonic() - started)
        return replace(outcome, report={}, skipped=error.what)
    except SwitchyardError as error:
        return _failed(call, error, time.monotonic() - started)
    outcome = replace(
        _outcome(call, report.seconds),
        flow=report.flow,
        load_id=report.load_id,
        report=report.facts,
        lineage=report.lineage,
    )
    if isinstance(report.result, NothingNew):
        return _announce(runtime, call, replace(outcome, skipped=report.result.why))
    return outcome


def _announce(runtime: Runtime, call: StepCall, outcome: StepOutcome) -> StepOutcome:
    """Add the load that is published and of which no task has emitted an event; a person's call announces nothing."""
    if call.leg == "diff" or not call.call_id:
        return outcome
    with runtime.ledger() as ledger:
        newest = ledger.last_finished(outcome.flow, call.leg)
        if newest is None or outcomes.is_announced(ledger, newest):
            return outcome
    result = newest.find_result(Published if call.leg == "ingest" else ServePublished)
    if result is None:
        return outcome
    return replace(outcome, load_id=newest.load_id, announces={"load_id": newest.load_id, **result.to_json()})


def run_call(runtime: Runtime, call: StepCall) -> StepReport[Record]:
    """Run the step of a call, whatever its id; raises what the step raises."""
    if (call.leg, call.step) == ("diff", "freshness"):
        from switchyard.legs.diff.freshness import judge_flow

        return judge_flow(runtime, _flow_of(call))
    if call.leg == "diff":
        from switchyard.legs.diff.report import compare_flow, forecast_flow

        if call.step == FORECAST:
            return forecast_flow(runtime, _flow_of(call), call.mode)
        return compare_flow(runtime, _flow_of(call), call.mode)
    request = call.request or ORDINARY
    if call.step == FORECAST:
        return forecast(runtime, call.leg, _flow_of(call), request)
    step = find_step(call.leg, call.step)
    if step.from_load is None:
        return begin(runtime, step, _flow_of(call), request)
    if call.load_id is None:
        raise SwitchyardError(
            f"step {call.step} needs a load to work on, and none was named",
            where=f"leg {call.leg}",
            cure="name it: --load LOAD; switchyard loads FLOW lists those of a flow",
        )
    return go_on(runtime, call.leg, call.step, call.load_id)


def _flow_of(call: StepCall) -> Flow:
    if call.flow is None:
        raise SwitchyardError(
            "this step begins from a flow, and none was named", where=f"step {call.step}", cure="name it: --flow FLOW"
        )
    return thaw(call.flow)


def _outcome(call: StepCall, seconds: float) -> StepOutcome:
    flow = str(call.flow.get("flow", "")) if call.flow else ""
    return StepOutcome(
        call_id=call.call_id,
        leg=call.leg,
        step=call.step,
        flow=flow,
        load_id=call.load_id or "",
        seconds=round(seconds, 3),
    )


def _failed(call: StepCall, error: SwitchyardError, seconds: float) -> StepOutcome:
    met = error if isinstance(error, AirflowLoadUnfinished) else None
    failure = StepError(
        kind=_kind(error),
        what=error.what,
        where=error.where,
        cure=error.cure,
        load_id=met.load_id if met else None,
        dag_run=met.dag_run if met else None,
        conn_id=error.conn_id if isinstance(error, ConnectionNotHanded) else None,
    )
    return replace(_outcome(call, seconds), error=failure)


def _kind(error: SwitchyardError) -> ErrorKind:
    if isinstance(error, AirflowLoadUnfinished):
        return "ask_airflow"
    if isinstance(error, ConnectionNotHanded):
        return "ask_connection"
    if isinstance(error, LoadInProgress):
        return "busy"
    return "retryable" if error.retryable else "refused"
