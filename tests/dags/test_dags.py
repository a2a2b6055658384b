"""Every DAG: it imports, keeps the house's policies, has the graph that was agreed on, and serialises."""

from __future__ import annotations

import datetime as dt
import inspect
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, CronDataIntervalTimetable, CronTriggerTimetable
from airflow.sdk.exceptions import AirflowFailException
from airflow.serialization.serialized_objects import DagSerialization
from jinja2 import Template

from harness.checkout import CHECKOUT
from harness.parsed_dags import all_dags
from switchyard.airflow.dags import ingest_dag, ingest_dags, serve_dags
from switchyard.airflow.operators import StepOperator
from switchyard.airflow.ranges import requested_range
from switchyard.flow.files.loader import load_flows
from switchyard.flow.naming import Leg
from switchyard.flow.spec import Flow
from switchyard.flow.steps import LEG_STEPS
from switchyard.handover import ORDINARY, LoadRequest

FLOWS = CHECKOUT / "dags" / "flows"
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SNAPSHOTS = Path(__file__).parent / "snapshots"


DAGS = all_dags()


def test_every_flow_has_its_legs_and_the_catalog_its_sync() -> None:
    flows, errors = load_flows(FLOWS)
    assert errors == []
    expected = {f"ingest__{name}" for name in flows} | {f"serve__{name}" for name, flow in flows.items() if flow.serve}
    assert set(DAGS) == expected | {"metadata_sync", "diff"}


@pytest.mark.parametrize("dag", DAGS.values(), ids=list(DAGS))
class TestPolicies:
    def test_one_run_at_a_time_and_no_catch_up(self, dag: DAG) -> None:
        assert dag.max_active_runs == 1
        assert dag.catchup is False

    def test_its_clock_is_utc_whatever_the_default_timezone(self, dag: DAG) -> None:
        schedule = dag.schedule
        if isinstance(schedule, CronTriggerTimetable | CronDataIntervalTimetable):
            assert str(schedule.timezone) == "UTC"
        else:
            assert not isinstance(schedule, str)

    def test_it_has_an_owner_a_runbook_and_a_description(self, dag: DAG) -> None:
        assert dag.default_args["owner"] not in ("", "airflow")
        assert "| task | what it does | when it fails |" in (dag.doc_md or "")
        assert dag.description

    def test_the_runbook_names_every_task(self, dag: DAG) -> None:
        missing = [task.label for task in dag.tasks if task.label.split("__")[0] not in (dag.doc_md or "")]
        assert missing == []

    def test_it_can_be_triggered_by_hand_with_a_dry_run(self, dag: DAG) -> None:
        plan = dag.params.get_param("plan")
        assert plan.schema["type"] == "boolean"
        assert plan.value is False
        assert all(param.schema.get("type") for param in (dag.params.get_param(name) for name in dag.params))

    def test_a_passing_outage_is_tried_again(self, dag: DAG) -> None:
        assert all(task.retries >= 1 for task in dag.tasks)

    def test_operators_are_keyword_only_and_templates_are_fields(self, dag: DAG) -> None:
        for task in dag.tasks:
            parameters = list(inspect.signature(type(task).__init__.__wrapped__).parameters.values())[1:]  # type: ignore[attr-defined]
            assert all(p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD) for p in parameters), type(task).__name__
            assert all(hasattr(task, field) for field in task.template_fields)

    def test_no_secret_is_in_the_serialised_dag_and_it_comes_back(self, dag: DAG) -> None:
        serialised = DagSerialization.to_dict(dag)
        assert "password" not in json.dumps(serialised).lower()
        assert DagSerialization.from_dict(serialised).task_dict.keys() == dag.task_dict.keys()

    def test_its_graph_is_the_one_agreed_on(self, dag: DAG) -> None:
        """After a wanted change: SWITCHYARD_SNAPSHOTS=write pytest tests/dags, and read the diff."""
        path = SNAPSHOTS / f"{dag.dag_id}.json"
        graph = json.dumps(_graph(dag), indent=1, sort_keys=True) + "\n"
        if os.environ.get("SWITCHYARD_SNAPSHOTS") == "write":
            path.write_text(graph)
        assert path.read_text() == graph


def test_reads_of_a_source_share_its_pool() -> None:
    flows, _ = load_flows(FLOWS)
    for name, flow in flows.items():
        pools = {task.label: task.pool for task in DAGS[f"ingest__{name}"].tasks}
        assert pools["land"] == pools["preflight"] == f"connection__{flow.source.connection}"


def test_the_serve_leg_is_woken_by_the_table_that_the_ingest_leg_publishes() -> None:
    for name in load_flows(FLOWS)[0]:
        publish = DAGS[f"ingest__{name}"].get_task("publish")
        assert [asset.uri for asset in publish.outlets] == [
            asset.uri for asset in DAGS[f"serve__{name}"].timetable.asset_condition.objects
        ]


def test_a_wrong_flow_file_breaks_only_its_own_dags(tmp_path: Path) -> None:
    for path in FLOWS.iterdir():
        (tmp_path / path.name).write_text(path.read_text())
    good = (tmp_path / "telemetry.yaml").read_text()
    (tmp_path / "telemetry.yaml").write_text(good.replace("schedule:", "sedule:"))
    line = good[: good.index("schedule:")].count("\n") + 1
    for leg, made in (("ingest", ingest_dags), ("serve", serve_dags)):
        dags = {dag.dag_id: dag for dag in made(tmp_path)}
        assert {dag_id for dag_id in DAGS if dag_id.startswith(leg)} == set(dags)
        refused_dag = dags[f"{leg}__telemetry"]
        assert refused_dag.schedule is None
        for task in (each for each in refused_dag.tasks if not isinstance(each, StepOperator)):
            with pytest.raises(Exception, match="sedule") as refused:
                task.execute(context={})  # type: ignore[arg-type]
            assert f"telemetry.yaml:{line}" in str(refused.value)
            assert "`schedule`" in str(refused.value)
        assert all(isinstance(task, StepOperator) for task in dags[f"{leg}__grid_loads"].tasks)


def break_the_defaults(directory: Path) -> None:
    (directory / "defaults.yaml").write_text("ownr: nobody\n")


def break_one_file(directory: Path) -> None:
    (directory / "telemetry.yaml").write_text("flow: [")


@pytest.mark.parametrize("broken", [break_the_defaults, break_one_file])
@pytest.mark.parametrize("leg", LEG_STEPS)
def test_a_run_at_work_keeps_its_tasks_when_the_flow_file_breaks(
    tmp_path: Path, leg: Leg, broken: Callable[[Path], None]
) -> None:
    """A worker parses the file again for every task: what goes on with a load has the same id and place as before."""
    for path in FLOWS.iterdir():
        (tmp_path / path.name).write_text(path.read_text())
    broken(tmp_path)
    made = ingest_dags if leg == "ingest" else serve_dags
    refused = next(dag for dag in made(tmp_path) if dag.dag_id == f"{leg}__telemetry")
    assert isinstance(refused, DAG)
    before = DAGS[f"{leg}__telemetry"]
    assert set(before.task_dict) <= set(refused.task_dict)
    order = [task.label for task in refused.topological_sort()]
    assert order == [step.name for step in LEG_STEPS[leg]]
    begins = {step.name for step in LEG_STEPS[leg] if step.begins}
    for task in refused.tasks:
        assert isinstance(task, StepOperator) is (task.label not in begins)
        if isinstance(task, StepOperator):
            assert task.load_id == before.get_task("publish").load_id  # type: ignore[attr-defined]
            assert task.is_silent, "its publish sends no event, so that the next run announces it"
            assert task.connections == ["switchyard_ledger"]
    assert not any(task.is_silent for task in before.tasks if isinstance(task, StepOperator))


@pytest.mark.parametrize("pulled", [None, {}, {"load_id": ""}])
def test_a_task_without_a_load_says_so(pulled: dict[str, str] | None) -> None:
    """The task plan was marked as a success by hand, or its XCom is gone."""
    template = next(task.load_id for task in DAGS["ingest__telemetry"].tasks if task.label == "land")  # type: ignore[attr-defined]
    rendered = Template(template).render(ti=SimpleNamespace(xcom_pull=lambda task_ids: pulled))
    assert rendered == ""
    land = StepOperator(task_id="land", dag=DAG("d", schedule=None), leg="ingest", step="land", flow={}, connections=[])
    land.load_id = rendered
    with pytest.raises(AirflowFailException, match="task plan has left no load") as refused:
        land.execute(context={})  # type: ignore[arg-type]
    assert "task d.land" in str(refused.value)
    assert "clear the task plan" in str(refused.value)


@pytest.mark.parametrize(
    "params", [{"backfill_from": "2026-01-01"}, {"backfill_from": "2026-01-01", "backfill_to": "x"}]
)
def test_a_backfill_with_a_second_range_is_refused(params: dict[str, str]) -> None:
    """Airflow's dialog has a range of its own, and the Params below it."""
    run = SimpleNamespace(run_type="backfill", dag_id="ingest__t", data_interval_start=NOW, data_interval_end=NOW)
    with pytest.raises(AirflowFailException, match="this run has two ranges") as refused:
        requested_range({"params": params, "dag_run": run})  # type: ignore[typeddict-item]
    assert "trigger DAG ingest__t" in str(refused.value)
    empty: Any = {"params": {"backfill_from": None, "backfill_to": None}, "dag_run": run}
    assert requested_range(empty) == LoadRequest("backfill", NOW.isoformat(), NOW.isoformat())


def _graph(dag: DAG) -> dict[str, Any]:
    return {
        task.task_id: {
            "operator": type(task).__name__,
            "downstream": sorted(task.downstream_task_ids),
            "pool": task.pool,
            "outlets": sorted(getattr(outlet, "uri", outlet.name) for outlet in task.outlets),
        }
        for task in dag.tasks
    }


def test_the_ledger_may_be_another_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker hands its step the ledger that SWITCHYARD_LEDGER names, in every leg."""
    monkeypatch.setenv("SWITCHYARD_LEDGER", "ledger_of_ours")
    for dag in (*ingest_dags(FLOWS), *serve_dags(FLOWS)):
        for task in dag.tasks:
            assert isinstance(task, StepOperator)
            assert "ledger_of_ours" in task.connections
            assert "switchyard_ledger" not in task.connections


@pytest.mark.parametrize(
    ("params", "run_type", "request_of_plan"),
    [
        ({}, "manual", ORDINARY),
        ({"start": "bookmark"}, "manual", ORDINARY),
        ({"start": "beginning"}, "manual", LoadRequest(start="beginning")),
        ({"start": "trusted-bookmark"}, "scheduled", LoadRequest(start="trusted-bookmark")),
        (
            {"backfill_from": "2026-01-01", "backfill_to": "2026-01-02", "start": "bookmark"},
            "manual",
            LoadRequest("backfill", "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"),
        ),
    ],
)
def test_a_run_says_where_its_load_begins(params: dict[str, str], run_type: str, request_of_plan: LoadRequest) -> None:
    source = {"connection": "c", "table": "s.t", "cursor": "at"}
    lake = {"database": "d", "table": "t", "mode": "merge"}
    dag = ingest_dag(Flow.model_validate({"flow": "f", "source": source, "lake": lake}))
    assert dag.params.get_param("start").schema["enum"] == ["bookmark", "beginning", "trusted-bookmark"]
    run = SimpleNamespace(run_type=run_type, data_interval_start=None, data_interval_end=None)
    context: Any = {"params": params, "dag_run": run}
    requests = {task.label: task._request(context) for task in dag.tasks if isinstance(task, StepOperator)}
    assert requests["plan"] == request_of_plan
    assert requests["preflight"] == (request_of_plan if request_of_plan.kind == "load" else ORDINARY)
    assert [requests[step] for step in ("land", "publish", "tidy")] == [ORDINARY] * 3


@pytest.mark.parametrize(("low", "high"), [("xyz", "2026-01-02"), ("2026-02-30", "2026-03-01"), ("2026-01-02", "")])
def test_a_param_that_is_no_moment_fails_before_anything_is_asked(low: str, high: str) -> None:
    source = {"connection": "c", "table": "s.t", "cursor": "at"}
    lake = {"database": "d", "table": "t", "mode": "merge"}
    dag = ingest_dag(Flow.model_validate({"flow": "f", "source": source, "lake": lake}))
    run = SimpleNamespace(run_type="manual", data_interval_start=None, data_interval_end=None)
    context: Any = {"params": {"backfill_from": low, "backfill_to": high, "start": "bookmark"}, "dag_run": run}
    plan = dag.get_task("plan")
    assert isinstance(plan, StepOperator)
    with pytest.raises(AirflowFailException, match=r"backfill_(from|to).*is not a date or a timestamp"):
        plan._request(context)
