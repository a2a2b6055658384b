"""Kill -9 where the table and the ledger are written one after the other: a rollback of an append table, a release."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from harness.cases import Case
from harness.matrix import record
from harness.stop_points import wait_for
from harness.wires import When, WireStop

pytestmark = pytest.mark.fault

ALTER = b"alter_table_with_environment_context"
DROP = b"drop_partitions_req"
ROLLBACK: dict[str, tuple[bytes, When, list[int]]] = {
    "the table not altered": (ALTER, "before", [1, 2, 3, 4]),
    "altered, the undone partitions still there": (DROP, "before", [1, 2, 3, 4]),
    "the partitions dropped, nothing recorded": (DROP, "after", [1, 2, 3]),
}
RELEASE: dict[str, tuple[When, bool]] = {
    "the table not altered": ("before", True),
    "altered, not copied into the ledger": ("after", False),
}


@pytest.fixture
def case(new_case: Callable[..., Case]) -> Case:
    """An append table of two loads: rows 1 to 3, and row 4."""
    made = new_case("backed", source={"cursor": "at", "cursor_clock": "database"}, lake={"mode": "append"})
    made.sql(
        "create table t (id int primary key, at timestamptz not null default clock_timestamp())",
        "insert into t (id) select generate_series(1, 3)",
    )
    made.run("ingest")
    made.sql("insert into t (id) values (4)")
    made.run("ingest")
    return made


def ids(case: Case) -> list[int]:
    return [row[0] for row in case.hive("order by id", what="id")]


def kill_at(case: Case, pattern: bytes, when: When, *command: str) -> None:
    with WireStop(case, "lake_metastore", pattern, when) as stop:
        child = case.start(*command)
        wait_for(lambda: stop.reached.is_set() or child.poll() is not None, str(pattern))
        assert child.poll() is None, child.stdout and child.stdout.read()
        child.send_signal(signal.SIGKILL)
        child.wait()


@pytest.mark.kin
def test_a_rollback_is_killed(case: Case) -> None:
    for moment, (pattern, when, shown) in ROLLBACK.items():
        kill_at(case, pattern, when, "rollback", case.name, "--to", "1", "--why", moment)
        assert ids(case) == shown, moment
        code, said = case.switchyard("run", "ingest", case.name)
        assert (code, moment in said) == (1, True), "settled, hold and all, and then refused by the hold"
        assert (ids(case), case.version().strays) == ([1, 2, 3], ())
        assert case.loads("ingest")[0].state == "published"
        record("rollback, append", moment, "kill -9", "settled by the next run, on hold")
        code, said = case.switchyard("release", case.name)
        assert code == 0, said
        case.settle()
        code, said = case.switchyard("run", "ingest", case.name)
        assert code == 0, said
        assert ids(case) == [1, 2, 3, 4], "read again, once"


def test_a_release_is_killed(case: Case) -> None:
    code, said = case.switchyard("rollback", case.name, "--to", "1", "--why", "a drill")
    assert code == 0, said
    for moment, (when, held) in RELEASE.items():
        kill_at(case, ALTER, when, "release", case.name)
        assert (case.version().held is not None) == held
        record("release", moment, "kill -9", "on hold" if held else "released: the table says so")
    code, said = case.switchyard("run", "ingest", case.name)
    assert code == 0, said
    assert ids(case) == [1, 2, 3, 4]
