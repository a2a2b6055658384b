"""A task that somebody marked as a success in Airflow: the run does not end well, and what readers see is as before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cases import Case
from switchyard.errors import LedgerStateError, SwitchyardError
from switchyard.flow.naming import Leg
from switchyard.flow.steps import LEG_STEPS, steps_of
from switchyard.legs.steps import begin, find_step, go_on

NewCase = Callable[..., Case]


def served_case(new_case: NewCase, **cache: Any) -> Case:
    case = new_case("marked", serve={}, **cache)
    case.sql("create table t (id int primary key, v int)", "insert into t values (1, 1)")
    case.both()
    case.sql("update t set v = 2")
    return case


def run_without(case: Case, leg: Leg, marked: str) -> str:
    """Run the steps of a leg as its DAG does after `marked` was made a success by hand; the load's id."""
    load_id = ""
    for step in steps_of(leg, case.flow()):
        if step.name == marked:
            continue
        if step.begins:
            load_id = begin(case.runtime, find_step(leg, step.name), case.flow()).load_id or load_id
        else:
            go_on(case.runtime, leg, step.name, load_id)
    return load_id


@pytest.mark.parametrize(
    "marked", [step.name for step in LEG_STEPS["ingest"] if not step.begins and step.name != "tidy"]
)
def test_an_ingest_step_that_was_not_run_leaves_no_green_run(new_case: NewCase, marked: str) -> None:
    case = served_case(new_case)
    with pytest.raises(LedgerStateError) as refused:
        run_without(case, "ingest", marked)
    assert f"switchyard run ingest {case.name}" in refused.value.cure
    if marked == "publish":
        assert "is proved and was never published" in refused.value.what
        assert "somebody marked so by hand" in refused.value.what
    assert case.hive() == [(1, 1)]
    case.run("ingest")
    assert case.hive() == [(1, 2)]


@pytest.mark.parametrize("marked", ["stage", "publish", "refresh_cache"])
def test_a_serve_step_that_was_not_run_leaves_no_green_run(new_case: NewCase, marked: str) -> None:
    case = served_case(new_case, cache={})
    case.run("ingest")
    with pytest.raises(SwitchyardError) as refused:
        run_without(case, "serve", marked)
    assert f"switchyard run serve {case.name}" in refused.value.cure
    if marked == "refresh_cache":
        assert "is refreshing and was never served" in refused.value.what
    case.run("serve")
    assert [document["v"] for document in case.documents()] == [2]
    assert case.cache().get(1)["v"] == 2


def test_a_publish_without_a_cache_is_missed_by_the_last_step(new_case: NewCase) -> None:
    case = served_case(new_case)
    case.run("ingest")
    with pytest.raises(LedgerStateError, match="is staged and was never served"):
        run_without(case, "serve", "publish")
    assert [document["v"] for document in case.documents()] == [1]


def test_the_cache_of_an_old_run_is_left_alone_and_that_of_the_last_one_is_void(new_case: NewCase) -> None:
    """Tidy has deleted the files of changes of both."""
    case = served_case(new_case, cache={})
    case.both()
    newest, oldest = case.loads("serve")
    reader = case.cache()
    assert [reader.get(1)["v"], reader.get(1)["v"]] == [2, 2]
    with pytest.raises(LedgerStateError, match=f"and load {newest.load_id} after it") as refused:
        go_on(case.runtime, "serve", "refresh_cache", oldest.load_id)
    assert "do nothing" in refused.value.cure
    report = go_on(case.runtime, "serve", "refresh_cache", newest.load_id).facts
    assert report["floor_raised"] is True
    assert reader.get(1)["v"] == 2


def test_a_step_that_the_loads_flow_does_not_have_does_nothing(new_case: NewCase) -> None:
    """The DAG of a broken file has all steps."""
    case = served_case(new_case)
    (load,) = case.loads("serve")
    for step in ("select", "refresh_cache", "diff"):
        assert go_on(case.runtime, "serve", step, load.load_id).facts["not_asked_for"]
    assert case.states("serve") == ["served"]


def test_a_flow_without_a_file_is_in_the_status_while_a_load_is_unfinished(new_case: NewCase, tmp_path: Path) -> None:
    case = served_case(new_case)
    begin(case.runtime, find_step("ingest", "plan"), case.flow())
    code, text = case.ask("status", "--flows", str(tmp_path))
    assert code == 0, text
    row = next(line for line in text.splitlines() if case.name in line)
    assert "ingest planned" in row
    assert "its file is gone" in row
    assert "switchyard abandon FLOW --leg LEG" in text
    case.run("ingest")
    assert case.name not in case.ask("status", "--flows", str(tmp_path))[1]
