"""Checks and quarantine on the real servers: rows that are refused are kept, counted, bounded and replayable."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.cases import Case
from switchyard.errors import CheckFailed, PreflightRefused, QuarantineExceeded, ReconcileMismatch
from switchyard.ledger.loads import Load
from switchyard.legs.ingest import leg as ingest_leg
from switchyard.legs.ingest.replay import find_replay
from switchyard.legs.steps import run_leg

NewCase = Callable[..., Case]


def quarantined(case: Case) -> list[tuple[object, ...]]:
    return sorted(case.hive(what="reason, column_name, raw_value, raw_row", table="t__quarantine"), key=str)


def test_a_value_that_does_not_fit_is_quarantined_with_its_reason(new_case: NewCase) -> None:
    case = new_case("unfit", contract={"quarantine_threshold": "50%"})
    case.sql("create table t (id int primary key, d date, n numeric(9,2))")
    case.sql(
        "insert into t values (1, '2020-01-01', 1.5), (2, 'infinity', 2), (3, '0044-03-15 BC', 'NaN'), (4, null, null)"
    )
    proved = case.run("ingest")["prove"]
    assert [proved[n] for n in ("source_rows", "hive_rows", "quarantined_rows")] == [4, 2, 2]
    assert [row[0] for row in sorted(case.hive())] == [1, 4]
    first, second = quarantined(case)
    assert "Infinity" not in str(first)
    assert {first[1], second[1]} == {"d", "d, n"}
    assert {first[2], second[2]} == {"infinity", "0044-03-15 BC"}
    assert '"n":"NaN"' in str(first) + str(second)


def test_too_many_are_refused_before_anything_runs(new_case: NewCase) -> None:
    case = new_case("many", contract={"quarantine_threshold": "1"})
    case.sql(
        "create table t (id int primary key, d date)",
        "insert into t values (1, 'infinity'), (2, 'infinity'), (3, null)",
    )
    with pytest.raises(PreflightRefused, match="infinity"):
        case.run("ingest")
    assert case.loads("ingest") == []


def test_what_comes_after_the_preflight_is_quarantined_and_stops_the_load(new_case: NewCase) -> None:
    case = new_case("after")
    case.sql("create table t (id int primary key, d date)", "insert into t values (1, 'infinity'), (2, null)")
    load = ingest_leg.plan(case.runtime, case.flow())
    assert isinstance(load, Load)
    ingest_leg.land(case.runtime, load.load_id)
    ingest_leg.convert(case.runtime, load.load_id)
    with pytest.raises(QuarantineExceeded, match="1 of 2 rows were refused, more than"):
        ingest_leg.prove(case.runtime, load.load_id)
    version = case.version()
    assert version is not None
    assert version.seq == 0
    assert len(quarantined(case)) == 1


CHECKS = [
    {"unique": "code", "severity": "quarantine"},
    {"not_null": "code", "severity": "quarantine"},
    {"between": {"column": "n", "min": 0, "max": 10}, "severity": "quarantine"},
    {"regex": {"column": "code", "pattern": "^[a-z]+$"}, "severity": "quarantine"},
    {"row_count": {"min": 1}},
    {"sql": "n <> 5 or code = 'e'", "severity": "warn", "name": "no five"},
]


def test_checks_keep_rows_out_and_name_every_reason(new_case: NewCase) -> None:
    case = new_case("checks", checks=CHECKS, contract={"quarantine_threshold": "100%"}, serve={})
    case.sql("create table t (id int primary key, code text, n int)")
    case.sql("insert into t values (1,'a',1),(2,'b',11),(3,'b',2),(4,null,3),(5,'X',-1),(6,'c',null),(7,'f',5)")
    reports = case.run("ingest")
    assert [row[0] for row in sorted(case.hive())] == [1, 6, 7]
    assert reports["prove"]["quarantined_rows"] == 4
    reasons = {row[3]: row[0] for row in quarantined(case)}
    assert any("unique code; between n" in str(reason) for reason in reasons.values())
    assert "check `no five` (warn)" in reports["prove"]["warnings"][0]
    case.run("serve")
    assert [document["_id"] for document in case.documents()] == [1, 6, 7]


def test_a_failed_check_publishes_nothing_and_names_rows(new_case: NewCase) -> None:
    case = new_case("fails", checks=[{"between": {"column": "n", "max": 10}}])
    case.sql("create table t (id int primary key, n int)", "insert into t values (1, 1), (2, 11)")
    with pytest.raises(CheckFailed, match=r"between n.*1 of 2 rows.*id 2"):
        case.run("ingest")
    assert "published" not in case.states("ingest")


MERGED = {
    "source": {"cursor": "at", "cursor_clock": "database"},
    "lake": {"mode": "merge"},
    "checks": [{"between": {"column": "n", "max": 10}, "severity": "quarantine"}],
    "contract": {"quarantine_threshold": "100%"},
}


def test_in_a_merge_the_old_row_stays_and_a_replay_brings_the_new_one(new_case: NewCase) -> None:
    case = new_case("replay", **MERGED)
    case.sql("create table t (id int primary key, n int, at timestamptz not null default now())")
    case.sql("insert into t values (1, 1), (2, 2)")
    case.run("ingest")
    case.sql("update t set n = 20, at = now() where id = 2", "insert into t values (3, 3)")
    counted = case.run("ingest")["prove"]
    assert [counted[n] for n in ("source_rows", "inserted", "updated", "unchanged", "quarantined_rows")] == [
        2,
        1,
        0,
        0,
        1,
    ]
    assert sorted(case.hive(what="id, n")) == [(1, 1), (2, 2), (3, 3)]
    case.change(checks=[{"between": {"column": "n", "max": 100}, "severity": "quarantine"}])
    found = find_replay(case.runtime, case.flow(), None)
    reports = {r.step: r.facts for r in run_leg(case.runtime, "ingest", case.flow(), found.request)}
    assert [reports["prove"][n] for n in ("source_rows", "updated")] == [1, 1]
    assert sorted(case.hive(what="id, n")) == [(1, 1), (2, 20), (3, 3)]


def test_a_table_that_shrinks_too_much_is_refused(new_case: NewCase) -> None:
    case = new_case("shrink", reconcile={"max_shrink": "50%"})
    case.sql("create table t (id int primary key)", "insert into t select generate_series(1, 10)")
    case.run("ingest")
    case.sql("delete from t where id > 4")
    with pytest.raises(ReconcileMismatch, match=r"10 rows and this one 4: 6 fewer, and .*max_shrink allows 50%"):
        case.run("ingest")
    assert len(case.hive()) == 10
