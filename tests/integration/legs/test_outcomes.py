"""A call that has ended is answered from the ledger; one whose process died before its outcome was kept runs again."""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from harness.cases import Case
from switchyard import __version__
from switchyard.errors import SwitchyardError
from switchyard.flow.frozen import frozen_spec
from switchyard.handover import StepCall, StepOutcome
from switchyard.ledger import outcomes
from switchyard.ledger.migrations import HEAD
from switchyard.ledger.store import Ledger
from switchyard.ledger.tables import outcomes as table
from switchyard.legs.calls import answer

NewCase = Callable[..., Case]


@pytest.fixture
def case(new_case: NewCase) -> Case:
    case = new_case("outcomes")
    case.sql("create table t (id int primary key)", "insert into t values (1), (2)")
    return case


def call(case: Case, step: str, load_id: str | None = None, **more: Any) -> StepCall:
    flow = case.flow()
    used = (flow.source.connection, flow.lake.hdfs, flow.lake.hive, flow.lake.metastore, "switchyard_ledger")
    values: dict[str, Any] = {
        "call_id": f"test-{uuid.uuid4()}",
        "leg": "ingest",
        "step": step,
        "flow": frozen_spec(flow),
        "load_id": load_id,
        "connections": {name: case.connections.get(name).fields() for name in used},
        "owner": "a test",
    }
    return StepCall(**{**values, **more})


def run(call: StepCall, before: str = "") -> subprocess.CompletedProcess[str]:
    """The step as a process of its own; `before`: Python that runs first, in it."""
    program = f"import sys; {before}\nfrom switchyard.cli import main\nmain()"
    command = [sys.executable, "-c", program, "step", call.leg, call.step, "--from-stdin"]
    return subprocess.run(command, input=call.text(), capture_output=True, text=True)


def kept(case: Case, call: StepCall) -> StepOutcome | None:
    with case.runtime.ledger() as ledger:
        return outcomes.find(ledger, call.call_id)


def test_the_same_call_again_is_answered_and_nothing_is_done(case: Case) -> None:
    planning = call(case, "plan")
    first = run(planning)
    assert first.returncode == 0, first.stderr
    outcome = StepOutcome.read(first.stdout)
    assert outcome == kept(case, planning)
    load_id = outcome.load_id
    again = run(planning)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert "has ended already" in again.stderr
    assert case.states("ingest") == ["planned"], "no second load"

    landing = call(case, "land", load_id)
    landed = answer(case.runtime, landing)
    assert (landed.report or {})["source_rows"] == 2
    assert landed.lineage is not None
    tries = case.loads("ingest")[0].facts["land"]["try"]
    assert answer(case.runtime, landing) == landed
    assert case.loads("ingest")[0].facts["land"]["try"] == tries, "nothing was landed a second time"


@pytest.mark.parametrize("step", ["preflight", "forecast"])
def test_steps_without_a_load_have_an_outcome_too(case: Case, step: str) -> None:
    asked = call(case, step)
    first = answer(case.runtime, asked)
    case.sql("drop table t")
    assert first.error is None
    assert answer(case.runtime, asked) == first, "the source was not looked at again"


def test_nothing_new_failure_diff_and_tidy_have_an_outcome(case: Case) -> None:
    case.run("ingest")
    load_id = case.loads("ingest")[0].load_id
    for step in ("publish", "tidy"):
        asked = call(case, step, load_id)
        assert answer(case.runtime, asked) == kept(case, asked)
    compared = call(case, "diff", leg="diff", mode="counts")
    first = answer(case.runtime, compared)
    assert (first.report or {})["equal"] is True
    case.sql("insert into t values (3)")
    assert answer(case.runtime, compared) == first, "not compared again"
    case.sql("drop table t")
    failing = call(case, "plan")
    failed = answer(case.runtime, failing)
    assert failed.error is not None
    assert failed.error.kind == "refused"
    case.sql("create table t (id int primary key)")
    assert answer(case.runtime, failing) == failed == kept(case, failing)


def test_a_plan_with_nothing_new_says_so_again(new_case: NewCase) -> None:
    case = new_case(
        "nothing", source={"cursor": "at", "cursor_clock": "database", "key": ["id"]}, lake={"mode": "merge"}
    )
    case.sql("create table t (id int primary key, at timestamptz default now())", "insert into t values (1)")
    case.run("ingest")
    asked = call(case, "plan")
    first = answer(case.runtime, asked)
    assert first.skipped is not None
    assert "no rows that are new" in first.skipped
    case.sql("insert into t values (2)")
    assert answer(case.runtime, asked) == first
    assert case.states("ingest") == ["published"]


def test_a_plan_with_nothing_new_announces_what_no_task_has_announced(new_case: NewCase) -> None:
    """A shell, or a run that finished another's publish, emits no event: the next plan with nothing to do makes up."""
    case = new_case("owed", source={"cursor": "at", "cursor_clock": "database", "key": ["id"]}, lake={"mode": "merge"})
    case.sql("create table t (id int primary key, at timestamptz default now())", "insert into t values (1)")
    case.run("ingest")
    (load,) = case.loads("ingest")
    first = answer(case.runtime, call(case, "plan"))
    assert first.skipped is not None
    assert (first.announces or {}).items() >= {"load_id": load.load_id, "seq": 1, "rows": 1}.items()
    again = answer(case.runtime, call(case, "plan"))
    assert again.skipped is not None
    assert again.announces is None, "once is enough"


def test_a_plan_with_nothing_new_announces_nothing_that_a_task_has_published(new_case: NewCase) -> None:
    case = new_case("paid", source={"cursor": "at", "cursor_clock": "database", "key": ["id"]}, lake={"mode": "merge"})
    case.sql("create table t (id int primary key, at timestamptz default now())", "insert into t values (1)")
    load_id = answer(case.runtime, call(case, "plan")).load_id
    for step in ("land", "convert", "prove", "publish"):
        assert answer(case.runtime, call(case, step, load_id)).error is None
    planned = answer(case.runtime, call(case, "plan"))
    assert planned.skipped is not None
    assert planned.announces is None


@pytest.mark.parametrize("step", ["plan", "land"])
def test_a_step_killed_between_its_work_and_its_outcome_runs_again(case: Case, step: str) -> None:
    load_id = StepOutcome.read(run(call(case, "plan")).stdout).load_id if step == "land" else None
    asked = call(case, step, load_id)
    kill = (
        "import os, signal; from switchyard.ledger import outcomes;"
        " outcomes.keep = lambda *_: os.kill(os.getpid(), signal.SIGKILL)"
    )
    dead = run(asked, before=kill)
    assert dead.returncode == -signal.SIGKILL
    assert dead.stdout == "", "nobody takes it for done"
    assert kept(case, asked) is None
    again = run(asked)
    assert again.returncode == 0, again.stderr
    assert kept(case, asked) == StepOutcome.read(again.stdout)
    case.run("ingest")
    assert case.states("ingest")[-1] == "published"


def test_a_step_that_met_another_run_asks_anew(case: Case) -> None:
    asked = call(case, "plan")
    with case.runtime.running(case.name, "ingest"):
        busy = answer(case.runtime, asked)
    assert busy.error is not None
    assert busy.error.kind == "busy"
    assert kept(case, asked) is None
    assert answer(case.runtime, asked).error is None


def test_one_id_for_two_steps_is_refused(case: Case) -> None:
    asked = call(case, "preflight")
    assert answer(case.runtime, asked).error is None
    other = answer(case.runtime, replace(asked, step="plan"))
    assert other.error is not None
    twice = f"call {asked.call_id} was step preflight of leg ingest, and is step plan of leg ingest now"
    assert twice in other.error.what
    assert case.loads("ingest") == []


def test_what_libraries_print_is_no_answer(case: Case) -> None:
    done = run(call(case, "preflight"), before="import os; os.write(1, b'')")
    noisy = run(
        call(case, "preflight"),
        before="from switchyard.legs import calls; told = calls.answer;"
        " calls.answer = lambda *a: (print('{\"step\": 1}'), os.write(1, b'raw\\n'), told(*a))[2]; import os",
    )
    assert noisy.stdout.count("\n") == done.stdout.count("\n") == 1
    assert StepOutcome.read(noisy.stdout).error is None
    assert "raw" in noisy.stderr


def test_no_secret_is_kept(case: Case) -> None:
    asked = call(case, "land", "no such load")
    failed = answer(case.runtime, asked)
    assert failed.error is not None
    secret = case.connections.get(case.flow().source.connection).password
    with case.runtime.ledger() as ledger, ledger.session() as session:
        rows = session.execute(sa.select(sa.cast(table.c.outcome, sa.Text))).scalars().all()
    assert secret
    assert not [row for row in rows if secret in row]


def test_old_outcomes_are_deleted_by_tidy(case: Case) -> None:
    old, new = call(case, "preflight"), call(case, "preflight")
    assert (answer(case.runtime, old).error, answer(case.runtime, new).error) == (None, None)
    with case.runtime.ledger() as ledger, ledger.session() as session:
        past = sa.func.now() - outcomes.KEPT - sa.text("interval '1 hour'")
        session.execute(table.update().where(table.c.call_id == old.call_id).values(created_at=past))
    case.run("ingest")
    assert kept(case, old) is None
    assert kept(case, new) is not None


@pytest.fixture
def newer(case: Case) -> Iterator[None]:
    """A ledger that a newer release has migrated: of its own, because everybody uses the stack's."""
    role = case.connections.get("switchyard_ledger").login
    with psycopg.connect(case.servers.admin_of("LEDGER_URL"), autocommit=True) as session:
        session.execute("drop database if exists newer_ledger with (force)")
        session.execute(f"create database newer_ledger owner {role}".encode())
        yield
        session.execute("drop database newer_ledger with (force)")


def test_a_ledger_newer_than_the_code_is_refused(case: Case, newer: None) -> None:
    ledger = Ledger(replace(case.connections.get("switchyard_ledger"), schema="newer_ledger"))
    ledger.migrate()
    with ledger.session() as session:
        session.execute(sa.text("update alembic_version set version_num = '9999'"))
    with pytest.raises(SwitchyardError) as caught:
        ledger.migrate()
    ledger.close()
    assert caught.value.what == f"the ledger has revision 9999, and Switchyard {__version__} knows none after {HEAD}"
