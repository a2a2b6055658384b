"""The nightly `diff` judges the age of flows that ask for it, whether or not anything ran."""

from __future__ import annotations

import re
import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from harness.checkout import CHECKOUT
from switchyard.airflow.freshness import FreshnessOperator
from switchyard.airflow.verdict import VerdictOperator
from switchyard.errors import MOST_LINES


@pytest.fixture
def diff(tmp_path: Path) -> DAG:
    """The DAG over four flows: only telemetry has `freshness`, the file of grid_loads cannot be used."""
    shutil.copytree(CHECKOUT / "dags", tmp_path / "dags")
    flows = tmp_path / "dags" / "flows"
    for path in flows.glob("*.yaml"):
        wanted = "freshness: 26h\n" if path.stem == "telemetry" else ""
        path.write_text(re.sub(r"^freshness: .*\n", wanted, path.read_text(), flags=re.MULTILINE))
    with (flows / "grid_loads.yaml").open("a") as file:
        file.write("fresh: 26h\n")
    dag: DAG = runpy.run_path(str(tmp_path / "dags" / "diff.py"))["dag"]
    return dag


def verdict_of(dag: DAG, reports: dict[str, Any], states: dict[str, str] | None = None, **params: Any) -> Any:
    """The verdict's answer to these reports of its tasks."""
    verdict = dag.get_task("verdict")
    ti = SimpleNamespace(
        xcom_pull=lambda task_ids: reports.get(task_ids), get_task_states=lambda **_: {"run": states or {}}
    )
    run = SimpleNamespace(dag_id="diff", run_id="run", conf=None)
    values = {"plan": False, "flows": None, **params}
    context: Any = {"ti": ti, "dag": dag, "dag_run": run, "params": values}
    return verdict.execute(context)


EQUAL = {"flow": "telemetry", "equal": True, "found": ["equal"]}
DIFFERENT = {"flow": "telemetry", "equal": False, "found": ["1 of 64 buckets differ"]}
FRESH = {"flow": "telemetry", "fresh": True, "found": ["Hive table t is as of now"]}
STALE = {"flow": "telemetry", "fresh": False, "found": ["Hive table t is as of 2d ago", "collection c is, too"]}
ALL_USABLE = {"flows": ["telemetry"]}


def test_only_flows_that_ask_for_it_are_judged_and_by_the_ledger_alone(diff: DAG) -> None:
    (task,) = [task for task in diff.tasks if isinstance(task, FreshnessOperator)]
    assert (task.task_id, list(task.connections)) == ("fresh__telemetry", ["switchyard_ledger"])
    assert task.flow["freshness"] == "26h"
    assert task.downstream_task_ids == {"verdict"}


def test_a_flow_whose_file_cannot_be_used_fails_the_verdict(diff: DAG) -> None:
    """No run of it begins, so nothing else would say that its data grows old."""
    with pytest.raises(AirflowFailException, match=r"flow files cannot be used.*\n.*grid_loads: .*unknown key `fresh`"):
        verdict_of(diff, {"compare__telemetry": EQUAL})
    assert verdict_of(diff, {"compare__telemetry": EQUAL}, flows=["telemetry"]) == {"telemetry": True}
    with pytest.raises(AirflowSkipException):
        verdict_of(diff, {}, plan=True)


@pytest.mark.parametrize(
    ("reports", "states", "sentences"),
    [
        ({"compare__telemetry": DIFFERENT}, {}, ["stores differ:", "telemetry: 1 of 64 buckets differ"]),
        (
            {"compare__telemetry": EQUAL, "fresh__telemetry": STALE},
            {},
            ["data is older than its flow allows:", "telemetry: Hive table t is as of 2d ago; collection c is, too"],
        ),
        (
            {"compare__telemetry": DIFFERENT, "fresh__telemetry": STALE},
            {},
            ["stores differ:", "data is older than its flow allows:"],
        ),
        ({}, {"compare__telemetry": "failed"}, ["stores differ:", "compare__telemetry: could not be compared"]),
        (
            {"compare__telemetry": EQUAL},
            {"fresh__telemetry": "failed"},
            ["data is older than its flow allows:", "fresh__telemetry: could not be judged"],
        ),
        ({"fresh__telemetry": STALE}, {"compare__telemetry": "skipped"}, ["data is older than its flow allows:"]),
    ],
)
def test_the_verdict_says_all_that_is_wrong(
    diff: DAG, reports: dict[str, Any], states: dict[str, str], sentences: list[str]
) -> None:
    with pytest.raises(AirflowFailException) as failed:
        verdict_of(diff, reports, states, **ALL_USABLE)
    assert [sentence for sentence in sentences if sentence not in str(failed.value)] == []
    headings = [each for each in sentences if each.endswith(":")]
    assert ("several things are wrong:" in str(failed.value)) is (len(headings) > 1)
    assert len(str(failed.value).splitlines()) <= MOST_LINES


def test_a_fresh_flow_whose_stores_are_equal_is_well(diff: DAG) -> None:
    reports = {"compare__telemetry": EQUAL, "fresh__telemetry": FRESH}
    assert verdict_of(diff, reports, **ALL_USABLE) == {"telemetry": True}


@pytest.mark.parametrize(("given", "why"), [({"plan": True}, "plan only"), ({"only": ["grid_nodes"]}, "not among")])
def test_a_dry_run_and_other_flows_judge_nothing(diff: DAG, given: dict[str, Any], why: str) -> None:
    task = diff.get_task("fresh__telemetry")
    assert isinstance(task, FreshnessOperator)
    task.dry_run_only, task.only = given.get("plan", False), given.get("only")
    run = SimpleNamespace(conf=None)
    with pytest.raises(AirflowSkipException, match=why):
        task.execute({"dag": diff, "dag_run": run, "params": {}})  # type: ignore[typeddict-item]


def test_the_verdict_is_the_only_leaf(diff: DAG) -> None:
    assert [type(task) for task in diff.leaves] == [VerdictOperator]
