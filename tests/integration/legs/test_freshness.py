"""How old a flow's stores are, by the real ledger, also when nothing has run; a quiet source is not a stale one."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from harness.cases import Case
from harness.checkout import CHECKOUT
from switchyard.handover import StepReport
from switchyard.ledger.tables import flows, loads
from switchyard.legs.diff.freshness import FreshnessReport, judge_flow

NewCase = Callable[..., Case]


@pytest.fixture
def case(new_case: NewCase) -> Case:
    source = {"cursor": "at", "cursor_clock": "database", "key": ["id"]}
    case = new_case("fresh", serve={"timestamps": "string"}, source=source, lake={"mode": "merge"})
    case.sql("create table t (id int primary key, at timestamptz default now())", "insert into t values (1)")
    return case


def judged(case: Case) -> FreshnessReport:
    report: StepReport[FreshnessReport] = judge_flow(case.runtime, case.flow(freshness="26h"))
    return report.result


def moment(text: str | None) -> dt.datetime:
    assert text is not None
    return dt.datetime.fromisoformat(text)


def let_days_pass(case: Case, days: int) -> None:
    """Everything that the ledger knows of the flow happened so many days earlier."""
    span = dt.timedelta(days=days)
    high = sa.cast(sa.cast(loads.c.high, sa.DateTime(timezone=True)) - span, sa.Text)
    with case.runtime.ledger() as ledger, ledger.session() as session:
        session.execute(
            loads.update().where(loads.c.flow == case.name).values(high=high, created_at=loads.c.created_at - span)
        )
        quiet = flows.c.nothing_new_up_to - span
        session.execute(flows.update().where(flows.c.flow == case.name).values(nothing_new_up_to=quiet))


def test_a_flow_that_nobody_runs_grows_old(case: Case) -> None:
    never = judged(case)
    assert not never.fresh
    assert [finding.split(" holds nothing")[0] for finding in never.findings] == [
        f"Hive table {case.name}.t",
        f"collection {case.name} of powergrid_mongo",
    ]

    case.both()
    (load,) = case.loads("ingest")
    loaded = judged(case)
    assert loaded.fresh, loaded.findings
    assert loaded.lake_as_of == loaded.served_as_of
    assert abs(moment(loaded.lake_as_of) - moment(load.high)) < dt.timedelta(seconds=1)

    let_days_pass(case, 3)
    old = judged(case)
    assert not old.fresh
    assert all("3d 0h ago, and 26h is allowed; no later load" in finding for finding in old.findings), old.findings

    case.run("ingest")
    assert case.states("ingest") == ["published"], "nothing was new: no load was made"
    quiet = judged(case)
    assert quiet.fresh, quiet.findings
    assert moment(quiet.served_as_of) > moment(loaded.lake_as_of) - dt.timedelta(seconds=2)


def test_a_collection_is_as_old_as_the_version_that_it_shows(case: Case) -> None:
    case.both()
    let_days_pass(case, 3)
    case.sql("insert into t values (2)")
    case.run("ingest")
    behind = judged(case)
    assert not behind.fresh
    assert ["is allowed" in finding for finding in behind.findings] == [False, True]

    case.change(freshness="26h")
    code, output = case.ask("status", "--format", "json")
    assert code == 0, output
    (row,) = (row for row in json.loads(output) if row["flow"] == case.name)
    assert (row["served age"], row["freshness"]) == ("3d 0h", "LATE, 26h allowed")
    assert row["age"].endswith("m")  # of minutes

    case.change(freshness="7d")
    code, output = case.switchyard("step", "diff", "freshness", "--flow", case.name)
    assert code == 0, output
    assert '"fresh": true' in output


def test_a_rollback_makes_nothing_newer_and_says_that_the_flow_is_held(case: Case) -> None:
    case.both()
    let_days_pass(case, 3)
    case.sql("insert into t values (2)")
    case.both()
    assert judged(case).fresh
    code, output = case.switchyard("rollback", case.name, "--why", "a test")
    assert code == 0, output
    held = judged(case)
    assert not held.fresh
    assert "3d 0h ago, and 26h is allowed; " in held.findings[0]
    assert "a test" in held.findings[0]


def test_the_nightly_dag_says_it_though_nothing_has_run(case: Case, own_airflow: dict[str, str]) -> None:
    """As Airflow runs it. The conf of such a run is refused by the same DAG if it has a key that is no Param."""
    case.change(freshness="26h")
    shutil.copy(CHECKOUT / "dags" / "diff.py", case.directory)
    case.write_file()
    case.both()
    folder = {"AIRFLOW__CORE__DAGS_FOLDER": str(case.directory)}
    environ = {**os.environ, **own_airflow, **folder, **case.environ}
    fresh = run_airflow(environ, "dags", "test", "diff")
    assert f"collection {case.name} of powergrid_mongo is as of" in fresh, fresh[-4000:]
    assert "state=success" in fresh

    let_days_pass(case, 3)
    stale = run_airflow(environ, "dags", "test", "diff")
    assert "data is older than its flow allows:" in stale, stale[-4000:]
    assert "3d 0h ago, and 26h is allowed; no later load of the ingest leg has begun" in stale
    assert "stores differ" not in stale
    assert "state=failed" in stale

    misspelt = run_airflow(environ, "dags", "test", "diff", "--conf", '{"flow": ["x"]}')
    assert "unknown key `flow`, did you mean `flows`?" in misspelt, misspelt[-4000:]
    assert "state=failed" in misspelt


def run_airflow(environ: dict[str, str], *arguments: str) -> str:
    command = [str(Path(sys.executable).with_name("airflow")), *arguments]
    done = subprocess.run(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240
    )
    return done.stdout
