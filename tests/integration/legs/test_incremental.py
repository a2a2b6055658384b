"""Modes append and merge on the real servers: what is read, what a load does to the rows, where the bookmark goes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from harness.cases import Case
from switchyard.errors import PreflightRefused, ReconcileMismatch
from switchyard.handover import LoadRequest
from switchyard.ledger.flow_state import read_state
from switchyard.legs.steps import forecast, run_leg

NewCase = Callable[..., Case]

TABLE = """
create table t (id int primary key, v text, gone boolean not null default false,
                updated_at timestamptz not null default now())
"""
TOUCH = """
create function touch() returns trigger language plpgsql as
$$ begin new.updated_at := now(); return new; end $$
"""
TRIGGER = "create trigger touch before update on t for each row execute function touch()"


def make(new_case: NewCase, mode: str, **spec: object) -> Case:
    case = new_case(mode, source={"cursor": "updated_at", **spec.pop("source", {})}, lake={"mode": mode}, **spec)  # type: ignore[dict-item,call-overload]
    case.sql(TABLE, TOUCH, TRIGGER)
    return case


def rows(case: Case) -> list[tuple[int, str]]:
    return sorted(case.hive(what="id, v"))


def bookmark(case: Case) -> str | None:
    with case.runtime.ledger() as ledger:
        return read_state(ledger, case.name).bookmark


def test_append_adds_a_partition_a_load(new_case: NewCase) -> None:
    case = make(new_case, "append", serve={"timestamps": "string"})
    case.sql("insert into t values (1, 'a'), (2, 'b')")
    case.both()
    case.sql("insert into t values (3, 'c')")
    served = case.both()
    assert rows(case) == [(1, "a"), (2, "b"), (3, "c")]
    assert sorted({row[0] for row in case.hive(what="load_seq")}) == [1, 2]
    version = case.version()
    assert version is not None
    assert (version.seq, version.rows, len(version.paths)) == (2, 3, 2)
    assert [document["_id"] for document in case.documents()] == [1, 2, 3]
    assert served["stage"]["inserted"] == 1


def test_a_sweep_finds_what_the_cursor_does_not_tell_and_a_backfill_reads_a_range_again(new_case: NewCase) -> None:
    case = make(new_case, "merge")
    case.sql(
        "insert into t values (1, 'a', false, '2026-01-01Z'), (2, 'b', false, '2026-01-03Z'), (3, 'c', false, "
        "'2026-01-02Z')"
    )
    case.run("ingest")
    case.sql(
        "alter table t disable trigger touch",
        "update t set v = 'A' where id = 1",
        "delete from t where id = 2",
        "insert into t values (4, 'd', false, '2001-01-01Z')",
    )
    counted = case.run("ingest", source={"sweep": "always"})["prove"]
    assert [counted[n] for n in ("inserted", "updated", "unchanged", "deleted")] == [1, 1, 1, 1]
    assert rows(case) == [(1, "A"), (3, "c"), (4, "d")]
    before = bookmark(case)
    case.sql("update t set v = v || '!'", "alter table t enable trigger touch")
    request = LoadRequest("backfill", "2026-01-02", "2026-01-03")
    reports = {report.step: report.facts for report in run_leg(case.runtime, "ingest", case.flow(), request)}
    assert reports["prove"]["source_rows"] == 1
    assert rows(case) == [(1, "A"), (3, "c!"), (4, "d")]
    assert bookmark(case) == before, "a backfill moves no bookmark"


def test_an_open_transaction_holds_the_watermark_back(new_case: NewCase) -> None:
    case = make(new_case, "merge")
    case.sql("insert into t values (1, 'a')")
    case.settle()
    case.settles = False
    with case.servers.session() as slow:
        slow.execute(f"insert into \"{case.name}\".t values (2, 'late')".encode())
        case.sql("insert into t values (3, 'c')")
        case.run("ingest")
        assert rows(case) == [(1, "a")]
        slow.commit()
    case.settles = True
    case.run("ingest")
    assert rows(case) == [(1, "a"), (2, "late"), (3, "c")]


REFUSED = {
    "a cursor that nobody sets": (
        "create table t (id int primary key, at timestamptz)",
        "at",
        "no default and no trigger",
    ),
    "a number": (
        "create table t (id int primary key, n bigint)",
        "n",
        ("only a timestamp that the database's clock sets"),
    ),
    "a cursor that is not there": ("create table t (id int primary key)", "at", "is not a column of the source"),
    "NULL in the cursor": (
        "create table t (id int primary key, at timestamptz default now()); insert into t values (1, null)",
        "at",
        "is NULL in 1 rows",
    ),
    "a cursor in the future": (
        "create table t (id int primary key, at timestamptz default now()); insert into t values (1, '2999-01-01')",
        "at",
        "lies in the future in 1 rows",
    ),
    "a default that an update does not set": (
        "create table t (id int primary key, at timestamptz default now())",
        "at",
        "no trigger sets it for changed rows",
    ),
    "no key": ("create table t (id int, at timestamptz default now())", "at", "set source.key"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_preflight_refuses_a_cursor(new_case: NewCase, what: str) -> None:
    create, cursor, said = REFUSED[what]
    case = new_case("cursor", source={"cursor": cursor}, lake={"mode": "merge"})
    case.sql(*create.split("; "))
    with pytest.raises(PreflightRefused) as refused:
        case.run("ingest")
    assert said in str(refused.value)


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
def test_the_preflight_writes_the_trigger_that_a_cursor_lacks(new_case: NewCase, kind: str) -> None:
    columns = {"Changed At": {"name": "changed_at"}}
    case = new_case("cursor", source={"cursor": "Changed At"}, lake={"mode": "merge"}, columns=columns)
    case.sql(f'create table t (id int primary key, "Changed At" {kind} not null default now())')
    case.sql("insert into t values (1)")
    with pytest.raises(PreflightRefused) as refused:
        case.run("ingest")
    case.sql(str(refused.value).split("the table's owner runs: ")[1].splitlines()[0])
    case.run("ingest")


def test_a_merge_that_does_not_read_its_key_is_refused(new_case: NewCase) -> None:
    case = make(new_case, "merge", source={"columns": ["v", "updated_at"]})
    with pytest.raises(PreflightRefused, match=r"needs the key column 'id': add it to source\.columns"):
        case.run("ingest")


def test_a_key_that_repeats_is_refused(new_case: NewCase) -> None:
    case = new_case("ties", source={"cursor": "at", "cursor_clock": "database", "key": ["id"]}, lake={"mode": "merge"})
    case.sql("create table t (id int, v text, at timestamptz default '2026-01-01Z')")
    case.sql("insert into t values (1, 'a'), (1, 'b')")
    with pytest.raises(ReconcileMismatch) as refused:
        case.run("ingest")
    assert "1 keys are repeated" in str(refused.value)
    case.sql("update t set at = '2026-01-02Z' where v = 'b'")
    assert case.run("ingest")["prove"]["repeated"] == 1
    assert rows(case) == [(1, "b")]


def test_a_merge_does_what_its_plan_says(new_case: NewCase) -> None:
    """Inserts, updates and deletes by key; the bookmark goes to where the load read; nothing new is no load."""
    case = make(new_case, "merge", source={"tombstone": "gone"})
    case.sql("insert into t values (1, 'a'), (2, 'b'), (3, 'c')", "insert into t values (9, 'z', true)")
    first = forecast(case.runtime, "ingest", case.flow()).facts
    assert [first[n] for n in ("source_rows", "inserted", "updated_or_unchanged", "deleted", "rows_after")] == [
        4, 3, 0, 0, 3,
    ]  # fmt: skip
    assert case.run("ingest")["prove"]["inserted"] == 3
    assert rows(case) == [(1, "a"), (2, "b"), (3, "c")]
    case.sql(
        "update t set v = 'B' where id = 2", "update t set gone = true where id = 3", "insert into t values (4, 'd')"
    )
    planned = forecast(case.runtime, "ingest", case.flow()).facts
    assert [planned[n] for n in ("source_rows", "inserted", "updated_or_unchanged", "deleted", "rows_after")] == [
        3, 1, 1, 1, 3,
    ]  # fmt: skip
    counted = case.run("ingest")["prove"]
    counts = ("source_rows", "inserted", "updated", "deleted", "unchanged", "hive_rows")
    assert [counted[n] for n in counts] == [3, 1, 1, 1, 0, 3]
    assert rows(case) == [(1, "a"), (2, "B"), (4, "d")]
    newest, before = case.loads("ingest")
    assert (bookmark(case), newest.low) == (newest.high, before.high)
    assert "nothing new" in str(forecast(case.runtime, "ingest", case.flow()).facts["warnings"])
    assert "nothing_to_do" in case.run("ingest")["plan"]
    assert len(case.loads("ingest")) == 2


def test_the_plan_knows_late_and_repeated_rows(new_case: NewCase) -> None:
    """Of rows with one key the newest counts, tombstones too; a row that is newer in the lake stays."""
    source = {"cursor": "at", "cursor_clock": "database", "key": ["id"], "tombstone": "gone"}
    case = new_case("late", source=source, lake={"mode": "merge"})
    case.sql("create table t (id int, v text, gone boolean, at timestamptz)")
    case.sql("insert into t select g, 'a', false, '2026-01-02Z' from generate_series(1, 5) g")
    case.run("ingest")
    case.sql(
        "insert into t values (1, 'b', true, '2026-01-03Z'), (1, 'c', false, '2026-01-04Z'), (2, 'b', false, "
        "'2026-01-03Z'), (2, 'b', true, '2026-01-04Z'), (6, 'b', true, '2026-01-03Z'), (7, 'b', false, '2026-01-03Z')",
        "update t set at = '2026-01-01Z', gone = true where id = 3",
        "update t set at = '2026-01-01Z', v = 'old' where id = 4",
    )
    names = ("inserted", "updated_or_unchanged", "late", "deleted", "rows_after")
    since = LoadRequest("backfill", "2025-12-31", "2026-01-05")
    said = forecast(case.runtime, "ingest", case.flow(), since).facts
    assert [said[n] for n in names] == [1, 2, 2, 1, 5]
    done = next(r for r in run_leg(case.runtime, "ingest", case.flow(), since) if r.step == "prove").facts
    found = [done["inserted"], done["updated"] + done["unchanged"], done["late"], done["deleted"], done["hive_rows"]]
    assert found == [1, 2, 2, 1, 5]


@pytest.fixture
def writers(new_case: NewCase) -> Iterator[Case]:
    yield make(new_case, "merge", source={"tombstone": "gone"}, serve={"timestamps": "beside"})


def test_writers_that_never_stop_lose_nothing(writers: Case) -> None:
    """Long and short transactions, inserts, updates and tombstones, while loads run; then one quiet load."""
    writers.sql("insert into t values (1, 'n')")
    writers.both()
    writers.settles = False
    stop = threading.Event()

    def write(writer: int) -> None:
        import random

        dice = random.Random(writer)
        number = 0
        with writers.servers.session() as session:
            session.execute(f'set search_path to "{writers.name}"'.encode())
            while not stop.is_set():
                for _ in range(dice.randint(1, 5)):
                    number += 1
                    session.execute("insert into t values (%s, %s)", [writer * 100_000 + number, f"n{number}"])
                    at = writer * 100_000 + dice.randint(1, number)
                    session.execute("update t set v = v || 'x', gone = %s where id = %s", [dice.random() < 0.1, at])
                stop.wait(dice.choice((0.0, 0.01, 0.5, 3.0)))
                session.commit()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            writers.both()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    writers.settles = True
    writers.both()
    expected = sorted(writers.sql("select id, v from t where not gone"))
    assert rows(writers) == expected
    assert [(d["_id"], d["v"]) for d in sorted(writers.documents(), key=lambda d: d["_id"])] == expected
