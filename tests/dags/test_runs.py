"""A flow's `runs` as Airflow's scheduler reads them: from the DAG as it was serialised."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowRescheduleException
from airflow.serialization.serialized_objects import DagSerialization

from switchyard.airflow.dags import ingest_dag, serve_dag
from switchyard.airflow.operators import StepOperator
from switchyard.flow.spec import Flow

RUNS: dict[str, Any] = {
    "retries": 4,
    "retry_delay": "1m",
    "backoff": 3,
    "longest_delay": "20m",
    "timeout": "6h",
    "step_timeout": "2h",
    "priority": 7,
    "pool_slots": 2,
    "max_active": 3,
}


def flow_of(runs: dict[str, Any]) -> Flow:
    return Flow.model_validate(
        {
            "flow": "f",
            "source": {"connection": "c", "table": "s.t"},
            "lake": {"database": "d", "table": "t"},
            "serve": {"connection": "m", "collection": "t", "key": ["id"]},
            "runs": runs,
        }
    )


def as_scheduled(dag: DAG) -> Any:
    return DagSerialization.from_dict(DagSerialization.to_dict(dag))


@pytest.mark.parametrize("make", [ingest_dag, serve_dag])
def test_the_scheduler_reads_what_the_flow_says(make: Any) -> None:
    dag = as_scheduled(make(flow_of(RUNS)))
    assert (dag.max_active_runs, dag.dagrun_timeout) == (3, timedelta(hours=6))
    for task in dag.task_dict.values():
        assert (task.retries, task.retry_delay, task.retry_exponential_backoff) == (4, timedelta(minutes=1), 3)
        assert (task.max_retry_delay, task.execution_timeout) == (timedelta(minutes=20), timedelta(hours=2))
        assert task.weight_rule.get_weight(SimpleNamespace(task=task, priority_weight=7)) == 7


@pytest.mark.parametrize("make", [ingest_dag, serve_dag])
def test_without_runs_a_step_is_tried_twice_and_waits_the_same_time(make: Any) -> None:
    dag = as_scheduled(make(flow_of({})))
    assert (dag.max_active_runs, dag.dagrun_timeout) == (1, timedelta(hours=12))
    for task in dag.task_dict.values():
        assert (task.retries, task.retry_delay, task.retry_exponential_backoff) == (1, timedelta(seconds=15), 0)
        assert (task.max_retry_delay, task.execution_timeout) == (None, None)


def test_only_steps_that_read_the_source_take_slots_of_its_pool() -> None:
    slots = {task.label: (task.pool, task.pool_slots) for task in ingest_dag(flow_of(RUNS)).tasks}
    reading = ("connection__c", 2)
    assert {name for name, taken in slots.items() if taken == reading} == {"preflight", "land"}
    assert {taken for taken in slots.values() if taken != reading} == {("default_pool", 1)}


@pytest.mark.parametrize(
    ("max_active", "step", "run_type", "error"),
    [
        (1, "plan", "manual", AirflowFailException),
        (1, "plan", "scheduled", AirflowFailException),
        (1, "plan", "backfill", AirflowRescheduleException),
        (2, "plan", "manual", AirflowRescheduleException),
        (2, "plan", "scheduled", AirflowRescheduleException),
        (2, "land_and_prove.land", "scheduled", AirflowFailException),
    ],
)
def test_a_run_that_meets_another_waits_only_if_several_may_be_active(
    max_active: int, step: str, run_type: str, error: type[AirflowException]
) -> None:
    task = ingest_dag(flow_of({"max_active": max_active})).get_task(step)
    assert isinstance(task, StepOperator)
    context: Any = {"dag_run": SimpleNamespace(run_type=run_type)}
    with pytest.raises(error):
        task._give_way(context, "another run is at work")
