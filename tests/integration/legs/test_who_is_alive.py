"""A second run of a leg fails fast and names the owner, also between two steps; a dead run's load is taken over."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

from harness.cases import Case
from harness.matrix import record
from harness.stop_points import wait_for
from switchyard.airflow.operators import StepOperator
from switchyard.errors import LoadInProgress
from switchyard.flow.frozen import frozen_spec
from switchyard.flow.spec import Flow
from switchyard.handover import DagRun, StepCall, StepOutcome
from switchyard.ledger.drivers import AirflowLoadUnfinished, Driver
from switchyard.legs.ingest import leg as ingest_leg
from switchyard.legs.ingest.adopt import adopt
from switchyard.legs.ingest.rollback import rollback
from switchyard.legs.runtime import Runtime
from switchyard.legs.steps import run_leg

NewCase = Callable[..., Case]
MINE = DagRun("ingest__x", "manual__1")
OTHER = DagRun("ingest__x", "backfill__2")


@pytest.fixture
def case(new_case: NewCase) -> Case:
    made = new_case("alive")
    made.sql("create table t (id int primary key)", "insert into t values (1)")
    return made


def in_airflow(case: Case, dag_run: DagRun, *take_over: str) -> Runtime:
    owner = f"Airflow run {dag_run.run_id} of {dag_run.dag_id}"
    return replace(case.runtime, owner=owner, driver=Driver(dag_run, take_over=frozenset(take_over)))


def test_between_two_steps_a_second_run_is_refused(case: Case) -> None:
    steps = run_leg(case.runtime, "ingest", case.flow())
    before_the_plan = next(steps)
    assert before_the_plan.step == "preflight"
    with pytest.raises(LoadInProgress, match=f"test of {case.name}, is at work"):
        case.run("ingest")
    next(step for step in steps if step.step == "land")
    load = case.loads("ingest")[0]
    code, said = case.switchyard("run", "ingest", case.name)
    assert code == 1
    assert f"flow {case.name}, leg ingest: load {load.load_id}, run by test of {case.name}, is at work" in said
    code, said = case.switchyard("step", "ingest", "plan", "--flow", case.name)
    assert (code, "is at work" in said) == (4, True)
    for act in (rollback, adopt):
        with pytest.raises(LoadInProgress, match="is at work"):
            act(case.runtime, case.flow())
    with pytest.raises(LoadInProgress, match="is at work"):
        ingest_leg.plan(in_airflow(case, MINE), case.flow())
    assert [step.step for step in steps][-1] == "tidy", "the first run is not disturbed"
    assert case.states("ingest") == ["published"]
    record("ingest", "between two steps of another run", "second run", "refused at once, names the owner")


def test_a_run_that_ended_between_two_steps_is_taken_over(case: Case) -> None:
    steps = run_leg(case.runtime, "ingest", case.flow())
    next(step for step in steps if step.step == "land")
    steps.close()
    case.run("ingest")
    assert case.states("ingest") == ["abandoned", "published"]


def test_a_run_killed_between_two_steps_is_taken_over(case: Case) -> None:
    """It is stopped while it holds no step's lock, and then killed: PostgreSQL frees the run's."""
    program = (
        "import sys, time; sys.path[:0] = sys.argv[3:]\n"
        "from pathlib import Path; from switchyard.connections import EnvironmentConnections\n"
        "from switchyard.flow.loader import load_flow; from switchyard.legs.runtime import Runtime\n"
        "from switchyard.legs.steps import run_leg\n"
        "flow = load_flow(Path(sys.argv[1]))\n"
        "for step in run_leg(Runtime(EnvironmentConnections(), 'the killed one'), 'ingest', flow):\n"
        "    if step.step == 'land': print('between', flush=True); time.sleep(600)\n"
    )
    file = case.write_file() / f"{case.name}.yaml"
    with subprocess.Popen([sys.executable, "-c", program, str(file), ""], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "between\n"
        with pytest.raises(LoadInProgress, match="run by the killed one, is at work"):
            case.run("ingest")
        child.kill()
    wait_for(lambda: _runs(case), "the killed run's lock to be free", 10)
    assert case.states("ingest") == ["abandoned", "published"]


def _runs(case: Case) -> bool:
    try:
        case.run("ingest")
    except LoadInProgress:
        return False
    return True


def test_what_an_airflow_run_left_is_taken_over_by_those_who_know(case: Case) -> None:
    first = ingest_leg.plan(in_airflow(case, MINE), case.flow())
    code, said = case.switchyard("run", "ingest", case.name)
    assert code == 1
    assert f"load {first.load_id} is planned, begun by Airflow run manual__1 of ingest__x" in said
    assert "--take-over" in said
    with pytest.raises(AirflowLoadUnfinished) as caught:
        ingest_leg.plan(in_airflow(case, OTHER), case.flow())
    assert (caught.value.load_id, caught.value.dag_run) == (first.load_id, MINE)
    again = ingest_leg.plan(in_airflow(case, MINE), case.flow())
    assert case.states("ingest") == ["abandoned", "planned"], "the same run's task was cleared"
    ingest_leg.plan(in_airflow(case, OTHER, again.load_id), case.flow())
    assert case.states("ingest") == ["abandoned", "abandoned", "planned"], "Airflow said that the other had ended"
    code, said = case.switchyard("run", "ingest", case.name, "--take-over")
    assert code == 0, said
    assert case.states("ingest")[-2:] == ["abandoned", "published"]


def test_a_step_tells_its_task_whom_to_ask_for(case: Case) -> None:
    """The task's side is the operator's; this is what it goes by."""
    first = ingest_leg.plan(in_airflow(case, MINE), case.flow())
    code, said = step(case, OTHER)
    assert code == 3
    error = StepOutcome.read(said).error
    assert error is not None
    assert (error.kind, error.load_id, error.dag_run) == ("ask_airflow", first.load_id, MINE)
    code, said = step(case, OTHER, first.load_id)
    assert code == 0, said
    assert case.loads("ingest")[0].dag_run == OTHER
    assert case.states("ingest") == ["abandoned", "planned"]


def test_a_run_of_a_backfill_waits_and_any_other_fails(case: Case) -> None:
    """A Backfill begins several runs at once, whatever the DAG's `max_active_runs` says (seen)."""
    flow = case.flow()
    task = StepOperator(task_id="plan", leg="ingest", step="plan", flow=frozen_spec(flow), connections=used(flow))
    with case.runtime.running(case.name, "ingest"):
        with pytest.raises(AirflowFailException, match="is at work"):
            task._run_step("plan", context("manual"))
        with pytest.raises(AirflowRescheduleException):
            task._run_step("plan", context("backfill"))
    assert case.loads("ingest") == []


def context(run_type: str) -> Any:
    ids = {"dag_id": OTHER.dag_id, "run_id": OTHER.run_id}
    ti = SimpleNamespace(**ids, task_id="plan", map_index=-1, try_number=1, id=uuid.uuid4())
    return {"dag_run": SimpleNamespace(run_type=run_type, **ids), "ti": ti, "params": {}}


def test_a_step_waits_for_whoever_looks_whether_he_may_begin(case: Case) -> None:
    steps = run_leg(case.runtime, "ingest", case.flow())
    next(step for step in steps if step.step == "plan")
    with case.runtime.ledger() as other, contextlib.ExitStack() as looking:
        looking.enter_context(other.lock(case.name, "ingest"))
        end = threading.Timer(2, looking.pop_all().close)
        end.start()
        assert next(steps).step == "land"
        end.join()


def used(flow: Flow) -> tuple[str, ...]:
    return (flow.source.connection, flow.lake.hdfs, flow.lake.hive, flow.lake.metastore, "switchyard_ledger")


def step(case: Case, dag_run: DagRun, *take_over: str) -> tuple[int, str]:
    flow = case.flow()
    call = StepCall(
        call_id=f"test-{uuid.uuid4()}",
        leg="ingest",
        step="plan",
        flow=frozen_spec(flow),
        connections={name: case.connections.get(name).fields() for name in used(flow)},
        owner="a task",
        dag_run=dag_run,
        take_over=take_over,
    )
    command = [sys.executable, "-m", "switchyard", "step", "ingest", "plan", "--from-stdin"]
    done = subprocess.run(command, input=call.text(), capture_output=True, text=True)
    return done.returncode, done.stdout
