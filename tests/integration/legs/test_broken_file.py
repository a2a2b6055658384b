"""A flow file, or the defaults of all, that breaks while a run is at work: the run goes on as its load was planned."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from harness.cases import Case
from switchyard.airflow.dags import ingest_dags, serve_dags
from switchyard.airflow.operators import StepOperator
from switchyard.flow.naming import Leg
from switchyard.ledger import outcomes
from switchyard.legs.steps import begin, find_step

NewCase = Callable[..., Case]


@pytest.fixture
def case(new_case: NewCase) -> Case:
    case = new_case("broken", serve={}, cache={})
    case.sql("create table t (id int primary key, v int)", "insert into t values (1, 1)")
    return case


def context_of(dag: DAG, task_id: str) -> Any:
    ids = {"dag_id": dag.dag_id, "run_id": "manual__1"}
    ti = SimpleNamespace(**ids, task_id=task_id, map_index=-1, try_number=1, id=uuid.uuid4())
    return {"dag_run": SimpleNamespace(run_type="manual", conf={}, **ids), "ti": ti, "params": {}, "dag": dag}


def go_on_in_airflow(dag: DAG, load_id: str) -> dict[str, Any]:
    """Run the tasks that go on with a load, in order, as a worker would; their reports."""
    reports = {}
    for task in dag.topological_sort():
        if isinstance(task, StepOperator):
            task.load_id = load_id
            reports[task.label] = task.execute(context_of(dag, task.task_id))
    return reports


def dag_of(leg: Leg, flows: Path, name: str) -> DAG:
    made = ingest_dags if leg == "ingest" else serve_dags
    return next(dag for dag in made(flows) if dag.dag_id == f"{leg}__{name}")


def test_a_run_at_work_ends_well_and_no_other_begins(case: Case) -> None:
    flows = case.write_file()
    (flows / "defaults.yaml").write_text("ownr: nobody\n")
    for leg in ("ingest", "serve"):
        dag = dag_of(leg, flows, case.name)
        with pytest.raises(AirflowFailException, match="unknown key `ownr`"):
            dag.get_task("plan").execute(context_of(dag, "plan"))
        load_id = begin(case.runtime, find_step(leg, "plan"), case.flow()).load_id
        reports = go_on_in_airflow(dag, load_id)
        assert reports["publish"]["load_id"] == load_id
        (load,) = case.loads(leg)
        assert load.error is None, "that a step asked its task for a connection is no error"
        with case.runtime.ledger() as ledger:
            assert not outcomes.is_announced(ledger, load), "its event is owed: the next plan sends it"
    assert [name for name, report in reports.items() if "not_asked_for" in report] == ["select", "diff"]
    assert (case.states("ingest"), case.states("serve")) == (["published"], ["served"])
    assert [document["v"] for document in case.documents()] == [1]
    assert case.cache().get(1)["v"] == 1
