"""Columns under names of the flow's choice, and columns that are left out, through both legs on real servers."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
import yaml
from bson import Decimal128
from psycopg import sql

from harness.awkward_names import AWKWARD
from harness.cases import Case
from harness.servers import Servers
from switchyard.errors import PreflightRefused
from switchyard.legs.diff.run import diff_stores
from switchyard.legs.ingest import leg as ingest_leg
from switchyard.legs.ingest.release import release
from switchyard.legs.ingest.rollback import rollback
from switchyard.types.lake_names import LakeName, name_faults

NewCase = Callable[..., Case]
CANARY = "canary-" + uuid.uuid4().hex
KEY = "the Key"
CURSOR = "changed.$at"
SECRET = "Top Secret"
KINDS = ("integer", "text", "numeric(9,2)", "date", "timestamptz(3)", "boolean", "double precision")
ADDED = "später dazu"
MOVED = "Mixed Case"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def choices() -> dict[str, dict[str, Any]]:
    """The names that the preflight itself suggests, with those of key and cursor and without the secret."""
    faults = name_faults([LakeName.of(name, None) for name in AWKWARD])
    names = {fault.source: yaml.safe_load(re.search(r"\{.*\}\}", fault.cure)[0])[fault.source] for fault in faults}  # type: ignore[index]
    own = {KEY: {"name": "the_key"}, CURSOR: {"name": "changed_at"}, SECRET: {"leave_out": True}}
    return {**names, **own}


def lake(name: str, chosen: dict[str, dict[str, Any]]) -> str:
    return str(chosen.get(name, {}).get("name", name.lower()))


def value(column: int, row: int, round_: int = 0) -> tuple[str, Any]:
    """SQL of a value, and the value as Hive has it: another one in every column, row and round."""
    number = 1000 * column + 10 * row + round_
    match KINDS[column % len(KINDS)]:
        case "integer":
            return str(number), number
        case "text":
            return f"'it''s {number} ü'", f"it's {number} ü"
        case "numeric(9,2)":
            return f"{number}.25", Decimal(f"{number}.25")
        case "date":
            day = dt.date(1990, 1, 1) + dt.timedelta(days=number % 9000)
            return f"'{day}'", day
        case "timestamptz(3)":
            moment = dt.datetime(2001, 1, 1) + dt.timedelta(seconds=number)
            return f"'{moment}+00'", moment
        case "boolean":
            return str(number % 2 == 0).lower(), number % 2 == 0
    return f"{number}.5", number + 0.5


def fill(case: Case, rows: range, round_: int = 0) -> None:
    names = ", ".join(map(quoted, (KEY, SECRET, *AWKWARD)))
    for row in rows:
        values = ", ".join(value(number, row, round_)[0] for number in range(len(AWKWARD)))
        case.sql(f"insert into t ({names}) values ({row}, '{CANARY}', {values})")


def create(case: Case) -> None:
    fields = ", ".join(f"{quoted(name)} {KINDS[i % len(KINDS)]}" for i, name in enumerate(AWKWARD))
    case.sql(
        f"create table t ({quoted(KEY)} int primary key, {quoted(SECRET)} text not null, {quoted(CURSOR)} timestamptz"
        f" not null default clock_timestamp(), {fields})"
    )


def in_mongodb(written: Any) -> Any:
    match written:
        case Decimal():
            return Decimal128(written)
        case dt.datetime():
            return written
        case dt.date():
            return dt.datetime(written.year, written.month, written.day)
    return written


def assert_rows(case: Case, chosen: dict[str, dict[str, Any]], rows: dict[int, int]) -> None:
    """Both stores hold every value of these rows, by row its round, under the chosen names."""
    names = [lake(name, chosen) for name in AWKWARD]
    listed = ", ".join(f"`{name}`" for name in names)
    expected = [[value(i, row, round_)[1] for i in range(len(AWKWARD))] for row, round_ in sorted(rows.items())]
    assert [list(row[1:]) for row in case.hive("order by the_key", what=f"the_key, {listed}")] == expected
    documents = sorted(case.documents(), key=lambda document: document["_id"])
    assert [d["_id"] for d in documents] == sorted(rows)
    assert [[d[name] for name in names] for d in documents] == [[in_mongodb(v) for v in row] for row in expected]


def assert_equal_stores(case: Case) -> None:
    for between in ("postgres-hive", "hive-mongodb"):
        result = diff_stores(case.runtime, case.flow(), "values", between)
        assert result.equal, result


def words_in_hdfs(case: Case) -> Iterator[str]:
    """Everything that the case has in HDFS, as text: Parquet decoded."""
    scratch = case.directory / "read"
    scratch.mkdir(exist_ok=True)
    hdfs = case.runtime.hdfs(case.flow())
    for number, path in enumerate(case.files()):
        content = b"".join(hdfs.read_chunks(path))
        yield content.decode("utf-8", "replace")
        if content[:4] == b"PAR1":
            local = Path(scratch / str(number))
            local.write_bytes(content)
            yield str(pq.read_table(local).to_pylist())


def assert_nowhere(case: Case, log: str) -> None:
    """The value of the column that is left out is in no store and in no log; another column's is."""
    texts = list(words_in_hdfs(case))
    assert any("it's 1010 ü" in text for text in texts)
    assert not [text[:200] for text in texts if CANARY in text]
    for table in case.runtime.metastore(case.flow()).list_tables(case.name):
        assert CANARY not in str(case.hive(table=table)), table
    assert "it's 1010 ü" in str(case.documents())
    assert CANARY not in str(case.documents())
    with case.servers.session("LEDGER_URL") as session:
        for kept in ("loads", "outcomes"):
            rows = session.execute(f"select t::text from {kept} t").fetchall()  # type: ignore[arg-type]
            assert CANARY not in str(rows), kept
    assert "sqoop: " in log
    assert CANARY not in log


def test_fifty_awkward_names_through_both_legs(new_case: NewCase, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    case = new_case(
        "names",
        source={"key": [KEY], "cursor": CURSOR, "cursor_clock": "database"},
        lake={"mode": "merge"},
        serve={"key": ["the_key"], "indexes": [["changed_at"]], "timestamps": "beside"},
        checks=[{"unique": "the_key"}, {"not_null": lake("$where", choices())}],
        contract={"quarantine_threshold": "1"},
        columns={SECRET: {"leave_out": True}},
    )
    create(case)
    fill(case, range(1, 4))
    with pytest.raises(PreflightRefused) as refused:
        case.run("ingest")
    for name in ("Mixed Case", "a.b", "cafe\u0301", "Twin", "_id", CURSOR):
        assert f"column {name!r} " in refused.value.whole()
    chosen = choices()
    case.change(columns=chosen)
    load = ingest_leg.plan(case.runtime, case.flow())
    ingest_leg.land(case.runtime, load.load_id)  # type: ignore[union-attr]
    landed = "".join(words_in_hdfs(case))
    assert "it's 1010 ü" in landed
    assert not [name for name in (MOVED, "cost in $", SECRET, CANARY) if name in landed]
    # A row is refused: its whole text goes into quarantine, by the lake's names.
    case.sql(f"update t set {quoted(AWKWARD[3])} = 'infinity', {quoted(CURSOR)} = default where {quoted(KEY)} = 3")
    code, log = case.switchyard("run", "ingest", case.name)
    assert code == 0, log
    case.run("serve")
    assert_rows(case, chosen, {1: 0, 2: 0})
    ((column, row),) = case.hive(what="column_name, raw_row", table="t__quarantine")
    assert column == lake(AWKWARD[3], chosen)
    assert set(json.loads(row)) == {lake(name, chosen) for name in (KEY, CURSOR, *AWKWARD)}
    assert_nowhere(case, log + caplog.text)
    case.sql(f"delete from t where {quoted(KEY)} = 3")
    assert_equal_stores(case)
    drift_and_rollback(case, chosen)
    assert_nowhere(case, caplog.text)


def drift_and_rollback(case: Case, chosen: dict[str, dict[str, Any]]) -> None:
    """A column is added, another gets a new name, and a rollback goes back over both."""
    case.sql(f"alter table t add column {quoted(ADDED)} int default 7")
    fill(case, range(4, 5))
    with pytest.raises(PreflightRefused, match=f"name: {lake(ADDED, {ADDED: {'name': 'später_dazu'}})}"):
        case.run("ingest")
    renamed = {**chosen, ADDED: {"name": "dazu"}, MOVED: {"name": "renamed"}}
    case.change(columns=renamed)
    code, forecast = case.ask("plan", case.name, "--format", "json")
    assert code == 0, forecast
    expected = json.loads(forecast)
    assert expected["from"] is None
    assert "everything is read again, once" in str(expected["warnings"])
    old_name = lake(MOVED, chosen)
    assert f"column {old_name} is called renamed from now on" in str(expected["schema_changes"])
    case.both()
    assert_rows(case, renamed, {1: 0, 2: 0, 4: 0})
    assert set(case.hive(what=f"`{old_name}`, dazu")) == {(None, 7)}
    assert_equal_stores(case)
    rollback(case.runtime, case.flow())
    case.run("serve")
    assert_rows(case, chosen, {1: 0, 2: 0})
    release(case.runtime, case.flow())
    case.both()
    assert_rows(case, renamed, {1: 0, 2: 0, 4: 0})
    assert_equal_stores(case)


def test_a_login_needs_no_right_to_a_column_that_is_left_out(new_case: NewCase, servers: Servers) -> None:
    case = new_case("granted", columns={"secret": {"leave_out": True}})
    case.sql("create table t (id int primary key, secret text, n int)")
    role = sql.Identifier(f"{case.name}_role")
    with psycopg.connect(servers.admin_of("POSTGRES_URL"), autocommit=True) as session:
        schema = sql.Identifier(case.name)
        session.execute(sql.SQL("create role {} login password 'x'").format(role))
        try:
            session.execute(sql.SQL("grant usage on schema {} to {}").format(schema, role))
            session.execute(sql.SQL("grant select (id, n) on {}.t to {}").format(schema, role))
            case.override("powergrid_postgres", login=f"{case.name}_role", password="x")
            code, said = case.ask("preflight", case.name)
            assert (code, "secret: left out, as the flow asks; never read" in said) == (0, True), said
            case.change(columns=None)
            code, said = case.ask("preflight", case.name)
            assert (code, "permission denied" in said) == (1, True), said
        finally:
            session.execute(sql.SQL("drop owned by {}").format(role))
            session.execute(sql.SQL("drop role {}").format(role))


@pytest.mark.kin
def test_a_merge_empties_a_column_that_is_left_out_and_reads_both_columns_that_swap(new_case: NewCase) -> None:
    case = new_case("swap", source={"cursor": "at", "cursor_clock": "database"}, lake={"mode": "merge"}, serve={})
    case.sql(
        "create table t (id int primary key, a text, b text, s text, at timestamptz not null default "
        "clock_timestamp())",
        f"insert into t (id, a, b, s) select g, 'a' || g, 'b' || g, '{CANARY}' from generate_series(1, 3) g",
    )
    case.run("ingest")
    case.sql("delete from t where id = 3", f"insert into t (id, a, b, s) values (4, 'a4', 'b4', '{CANARY}')")
    case.change(columns={"a": {"name": "b"}, "b": {"name": "a"}, "s": {"leave_out": True}})
    case.both(serve={"timestamps": "beside"})
    rows = [(1, "b1", "a1", None), (2, "b2", "a2", None), (3, None, None, None), (4, "b4", "a4", None)]
    assert case.hive("order by id", what="id, a, b, s") == rows
    case.sql("update t set a = 'new', at = default where id = 1")
    case.run("ingest")
    assert case.hive("where id = 1", what="a, b") == [("b1", "new")]
    assert case.loads("ingest")[0].low is not None, "only what is new"


@pytest.mark.kin
def test_append_refuses_another_name_and_takes_leaving_out(new_case: NewCase) -> None:
    case = new_case("unnamed", source={"cursor": "at", "cursor_clock": "database"}, lake={"mode": "append"})
    case.sql(
        "create table t (id int primary key, a text, s text, at timestamptz not null default clock_timestamp())",
        "insert into t (id, a, s) values (1, 'one', 'told')",
    )
    case.run("ingest")
    case.sql("insert into t (id, a, s) values (2, 'two', 'kept')")
    case.change(columns={"a": {"name": "b"}})
    with pytest.raises(PreflightRefused, match=r"keep the names, or set lake\.table to a new name"):
        case.run("ingest")
    case.sql("alter table t rename column a to other")
    case.change(columns={"a": None, "other": {"name": "a"}, "s": {"leave_out": True}})
    case.run("ingest")
    assert case.hive("order by id", what="id, a, s") == [(1, "one", "told"), (2, "two", None)]
