"""The ingest leg end to end: what is read, what is refused before anything runs, and what a second load does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.cases import Case
from harness.servers import Servers
from switchyard.errors import PreflightRefused, QuarantineExceeded, ReconcileMismatch, SourceRefused, SwitchyardError
from switchyard.legs.ingest import leg as ingest_leg
from switchyard.legs.steps import forecast

NewCase = Callable[..., Case]


def assert_nothing_published(case: Case) -> None:
    version = case.version()
    assert version is None or version.seq == 0
    assert "published" not in case.states("ingest")


REFUSED = {
    "a bare numeric": ("x numeric", {}, ["'x' is numeric", "decimal(38,10)", "columns: {x: {as: string}}"]),
    "too many digits": ("x numeric(39,1)", {}, ["'x' is numeric(39,1)", "38 digits", "{x: {as: string}}"]),
    "a negative scale": ("x numeric(3,-2)", {}, ["'x' is numeric(3,-2)"]),
    "an array of two dimensions": ("x int[]", {"rows": "(1, '{{1,2}}')"}, ["'x': 1 rows hold", "{x: {as: string}}"]),
    "an interval": ("x interval", {}, ["'x' is interval", "{x: {as: string}}"]),
    "money": ("x money", {}, ["'x' is money", "decimal(20,2)"]),
    "a range": ("x int4range", {}, ["'x' is int4range", "{x: {as: string}}"]),
    "a type without a rule": ("x point", {}, ["'x' is point", "{x: {as: string}}"]),
    "a name with a space": ('"a b" int', {}, ["'a b'", "letters, digits and _ only", "{'a b': {name: a_b}}"]),
    "a name that MongoDB keeps": ('"_id" int', {}, ["'_id'", "columns: {_id: {name: id_2}}"]),
    "two names equal but for case": ('"X" int, x int', {}, ["'x' is the same name as that of column 'X' in Hive"]),
    "no such key column": ("x int", {"source": {"key": ["nope"]}}, ["source.key names 'nope'"]),
    "no such served key": ("x int", {"serve": {"key": ["nope"]}}, ["serve.key names 'nope'", "it has id, x"]),
    "no such column": ("x int", {"source": {"columns": ["id", "y"]}}, ['column "y" does not exist', "source.columns"]),
    "no such column in where": ("x int", {"source": {"where": "nope = 1"}}, ['"nope" does not exist', "source.where"]),
    "where that is no condition": ("x int", {"source": {"where": "x"}}, ["must be type boolean", "source.where"]),
    "where that fails on a value": (
        "x numeric(9,2)",
        {"source": {"where": "1/x = 1"}, "rows": "(1, 0)"},
        ["division by zero", "source.where"],
    ),
    "no column to split by": (
        "x int",
        {"engine": {"mappers": 2, "split_by": "nope"}},
        ["engine.split_by 'nope' is not a column of the source", "id, x"],
    ),
    "a split column that is text": (
        "x text",
        {"engine": {"mappers": 2, "split_by": "x"}},
        ["engine.split_by 'x' is text", "smallint, integer, bigint"],
    ),
    "NULL in the split column": (
        "x int",
        {"engine": {"mappers": 2, "split_by": "x"}, "rows": "(1, 0), (2, null)"},
        ["'x': 1 rows are NULL", "divides the rows among the mappers"],
    ),
    "an infinite date": ("x date", {"rows": "(1, 'infinity')"}, ["'x': 1 rows hold infinity", "{x: {as: string}}"]),
    "a date before Christ": ("x date", {"rows": "(1, '0044-03-15 BC')"}, ["'x': 1 rows hold infinity, BC"]),
    "the year 10000": ("x timestamp", {"rows": "(1, '10000-01-01')"}, ["'x': 1 rows", "year after 9999"]),
    "an instant in year 10000 in UTC": (
        "x timestamptz",
        {"rows": "(1, '9999-12-31 23:30:00-01'), (2, '-infinity')"},
        ["'x': 2 rows hold infinity"],
    ),
    "NaN in numeric": (
        "x numeric(10,2)",
        {"rows": "(1, 'NaN'), (2, 1)"},
        ["'x': 1 rows hold NaN", "{x: {as: string}}"],
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_preflight_refuses(new_case: NewCase, what: str) -> None:
    columns, spec, said = REFUSED[what]
    spec = dict(spec)
    rows = spec.pop("rows", "(1)" if "," in columns else "(1, null)")
    case = new_case("refused", **spec)
    case.sql(f"create table t (id int primary key, {columns})")
    case.sql(f"insert into t values {rows}")
    with pytest.raises((PreflightRefused, SourceRefused)) as refused:
        case.run("ingest")
    for part in (*said, "connection powergrid_postgres"):
        assert part in str(refused.value)
    assert case.loads("ingest") == []
    assert case.version() is None


def test_a_missing_table_is_refused_by_name(new_case: NewCase) -> None:
    case = new_case("missing")
    with pytest.raises(PreflightRefused, match=r'relation "it_missing_\w+\.t" does not exist\n.*correct source\.table'):
        case.run("ingest")
    assert case.loads("ingest") == []


def test_all_findings_are_told_at_once(new_case: NewCase) -> None:
    case = new_case("several")
    case.sql('create table t ("a b" int, x point, y numeric)')
    with pytest.raises(PreflightRefused) as refused:
        case.run("ingest")
    assert [word for word in ("'a b'", "'x'", "'y'") if word not in str(refused.value)] == []


LATE = {
    "numeric(10,2)": "'NaN'",
    "date": "'infinity'",
    "date ": "'0044-03-15 BC'",
    "timestamp": "'0044-03-15 12:00 BC'",
    "timestamptz": "'9999-12-31 23:30:00-01'",
}


def test_values_that_come_after_the_preflight_are_kept_from_the_table(new_case: NewCase) -> None:
    """Hive would read `0044-03-15 12:00:00 BC` as a day of our era, and say nothing."""
    case = new_case("late")
    fields = ", ".join(f"x{i} {kind}" for i, kind in enumerate(LATE))
    case.sql(f"create table t ({fields})", f"insert into t values ({', '.join(LATE.values())})")
    load = ingest_leg.plan(case.runtime, case.flow())
    ingest_leg.land(case.runtime, load.load_id)
    ingest_leg.convert(case.runtime, load.load_id)
    with pytest.raises(QuarantineExceeded, match="1 of 1 rows were refused"):
        ingest_leg.prove(case.runtime, load.load_id)
    reason = case.hive(what="reason", table="t__quarantine")[0][0]
    assert [i for i in range(len(LATE)) if f"x{i}: " not in reason] == []
    with pytest.raises(SwitchyardError, match="is in state converted"):
        ingest_leg.publish(case.runtime, load.load_id)
    assert_nothing_published(case)


def test_columns_where_and_several_mappers(new_case: NewCase, servers: Servers) -> None:
    """Four mappers over a column whose name needs quotes; columns in the flow's order; NULL and '' told apart."""
    case = new_case("where", engine={"mappers": 4, "split_by": "NodeId"})
    case.sql(
        'create table t (dropped int[], "NodeId" bigint, "Größe" text, kept boolean)',
        "insert into t select null, g, case g % 3 when 0 then null when 1 then '' else 'n' || g end, g <= 900"
        " from generate_series(-100, 1000) g",
    )
    case.change(source={"columns": ["Größe", "NodeId"], "where": "kept /* and no more */"})
    report = case.run("ingest")
    assert report["land"]["source_rows"] == report["prove"]["hive_rows"] == 1001
    assert [row[0] for row in servers.hive(f"describe {case.name}.t")] == ["größe", "nodeid"]
    expected = case.sql('select "Größe", "NodeId" from t where kept order by 2')
    assert case.hive("order by nodeid") == expected


def test_a_query_is_a_source(new_case: NewCase) -> None:
    case = new_case("query", source={"table": None, "query": "select 1"})
    case.sql("create table a (id int, tags int[])", "insert into a values (1, '{1,2}'), (2, null)")
    case.change(
        source={"query": f'/* by hand */\nselect id as m, array_to_json(tags)::text as "Tags" from {case.name}.a\n'}
    )
    case.run("ingest")
    assert case.hive("order by m") == [(1, "[1,2]"), (2, None)]


def test_loads_replace_each_other_whole(new_case: NewCase, servers: Servers) -> None:
    """Twice the same; then rows deleted, changed, added, and the table's shape changed: Hive follows, types too."""
    case = new_case("replace", lake={"keep_loads": 2})
    case.sql("create table t (id int primary key, x text)", "insert into t values (1, 'a'), (2, 'b'), (3, null)")
    case.run("ingest")
    first = case.version()
    case.run("ingest")
    second = case.version()
    assert case.hive("order by id") == [(1, "a"), (2, "b"), (3, None)]
    assert (first.seq, second.seq, second.rows) == (1, 2, 3)
    assert first.location != second.location
    case.sql(
        "delete from t where id = 1",
        "update t set x = 'B' where id = 2",
        "insert into t values (4, 'd')",
        "alter table t add y numeric(5,2) default 1.5",
        "alter table t alter id type bigint",
    )
    case.run("ingest")
    assert [tuple(map(str, row)) for row in case.hive("order by id")] == [
        ("2", "B", "1.50"),
        ("3", "None", "1.50"),
        ("4", "d", "1.50"),
    ]
    assert [row[1] for row in servers.hive(f"describe {case.name}.t")] == ["bigint", "string", "decimal(5,2)"]
    assert case.states("ingest") == ["published"] * 3
    assert [load.superseded_at is None for load in case.loads("ingest")] == [True, False, False]
    kept = {path.split("/")[4] for path in case.files()}
    assert {"load=" + load.load_id for load in case.loads("ingest")} >= kept, "nothing but versions is left"
    assert servers.hive(f"show create table {case.name}.t")[0][0].startswith("CREATE EXTERNAL TABLE")


def test_an_empty_source_is_refused_unless_it_is_allowed(new_case: NewCase) -> None:
    case = new_case("empty", serve={}, cache={})
    case.sql("create table t (id int primary key, x text)", "insert into t values (1, 'a')")
    case.both()
    case.sql("delete from t")
    with pytest.raises(ReconcileMismatch, match=r"the source has no rows\n.*reconcile\.allow_empty: true"):
        case.run("ingest")
    assert case.hive() == [(1, "a")]
    cache = case.cache()
    assert cache.get(1) == {"_id": 1, "id": 1, "x": "a"}
    case.both(reconcile={"allow_empty": True})
    assert (case.hive(), case.documents(), cache.get(1)) == ([], [], None)
    case.sql("insert into t values (2, 'b')")
    case.both(reconcile={"allow_empty": True})
    assert (case.hive(), case.documents()) == ([(2, "b")], [{"_id": 2, "id": 2, "x": "b"}])


def test_a_table_of_somebody_else_is_not_touched(new_case: NewCase, servers: Servers) -> None:
    case = new_case("foreign")
    case.sql("create table t (id int primary key)", "insert into t values (1)")
    servers.hive(f"create database {case.name}")
    servers.hive(f"create external table {case.name}.t (precious string) location '/lake/{case.name}/mine'")
    with pytest.raises(SwitchyardError, match=r"was not made by Switchyard\n.*set another lake\.table"):
        case.run("ingest")
    assert servers.hive(f"describe {case.name}.t")[0][0] == "precious"


def test_the_plan_counts_and_changes_nothing(new_case: NewCase) -> None:
    case = new_case("plan", serve={})
    case.sql("create table t (id int primary key)", "insert into t select generate_series(1, 10)")

    def planned(leg: str) -> dict[str, Any]:
        return forecast(case.runtime, leg, case.flow()).facts

    found = planned("ingest")
    assert (found["source_rows"], found["source_rows_are"], found["current_seq"]) == (10, "exact", None)
    assert found["rows_after"] == 10
    assert planned("serve")["warnings"] == ["nothing is published yet: run the ingest leg first"]
    assert case.loads("ingest") + case.loads("serve") == []
    assert (case.version(), case.files()) == (None, [])


def test_names_of_tables_and_columns_may_be_anything_postgresql_takes(new_case: NewCase) -> None:
    case = new_case("names")
    table = "a\"b.c$ 'd' \\ %s ${x} é"
    quoted = '"' + table.replace('"', '""') + '"'
    case.sql(f'create table {quoted} ("Select" int)', f"insert into {quoted} values (7)")
    case.change(source={"table": f"{case.name}.{quoted}"})
    case.run("ingest")
    assert case.hive() == [(7,)]
