"""The preflight on a live source: every finding comes with its cure, and what is peculiar is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql

from harness.cases import Case
from harness.servers import Servers
from switchyard.errors import PreflightRefused
from switchyard.extract.preflight import Examined
from switchyard.legs.ingest.preflight import preflight

UNFIT = {
    "dec": ("numeric(10,2)", ["'NaN'"]),
    "day": ("date", ["'infinity'", "'-infinity'", "'0044-03-15 BC'", "'10000-01-01'"]),
    "at": ("timestamp", ["'infinity'", "'-infinity'", "'0044-03-15 BC'", "'10000-01-01'"]),
    "seen": ("timestamptz", ["'infinity'", "'0001-01-01 00:00+05'", "'9999-12-31 23:00-05'", "'0044-03-15+00 BC'"]),
    "one": ('"char"', ['(-3)::"char"']),
    "grid": ("integer[]", ["'{{1,2},{3,4}}'", "'[0:1]={1,2}'", "'{{1,2},{3,4}}'", "'[2:2]={1}'"]),
    "nums": ("numeric(5,2)[]", ["'{1,NaN}'", "'{NaN}'"]),
    "days": ("date[]", ["'{2020-01-01,infinity}'", "'{0044-03-15 BC}'"]),
}
REFUSED = {
    "bare": ("numeric", "numeric"),
    "wide": ("numeric(40,2)", "numeric(40,2)"),
    "whole": ("numeric(5,-2)", "numeric(5,-2)"),
    "bares": ("numeric[]", "numeric[]"),
    "ats": ("timestamptz[]", "timestamp with time zone[]"),
    "couple": ("pair", "pair"),
    "pairs": ("pair[]", "pair[]"),
    "spans": ("tstzrange", "tstzrange"),
    "spanss": ("int4multirange", "int4multirange"),
    "mine": ("steps", "steps"),
    "gap": ("interval day to second(3)", "interval day to second(3)"),
    "price": ("money", "money"),
    "words": ("tsvector", "tsvector"),
    "ask": ("tsquery", "tsquery"),
    "spot": ("point", "point"),
    "shape": ("polygon", "polygon"),
    "pairs_of": ("hstore", "hstore"),
    "blobs": ("bytea[]", "bytea[]"),
    "tab": ("regclass", "regclass"),
    "snap": ("pg_snapshot", "pg_snapshot"),
}


WITHOUT_ENCODING = {
    "bad": ("text", r"E'caf\xe9'"),
    "Mixed Case": ("varchar", r"E'caf\xe9'"),
    "padded": ("char(8)", r"E'caf\xe9'"),
    "named": ("name", r"E'caf\xe9'"),
    "doc": ("json", r"""E'"caf\xe9"'"""),
    "tags": ("text[]", r"array[E'caf\xe9']"),
    "Both Of": ("pair", r"row(E'caf\xe9', 1)::pair"),
}
"""Column → its type, and a value whose text is not in UTF-8."""


def look(case: Case, **over: object) -> Examined:
    return preflight(case.runtime, case.flow(**over))


def refused(case: Case, **over: object) -> str:
    with pytest.raises(PreflightRefused) as found:
        look(case, **over)
    return found.value.whole()


def test_every_value_that_does_not_fit_is_counted_and_has_a_cure(new_case: Callable[..., Case]) -> None:
    case = new_case("unfit")
    case.sql(f"create table t (id int primary key, {', '.join(f'{n} {kind}' for n, (kind, _) in UNFIT.items())})")
    for row in range(4):
        values = [v[row] if row < len(v) else "null" for _, v in UNFIT.values()]
        case.sql(f"insert into t values ({row}, {', '.join(values)})")
    case.sql("insert into t values (9)")
    found = refused(case)
    for name, (_, values) in UNFIT.items():
        assert f"column {name!r}: {len(values)} rows hold" in found
    assert found.count("{as: string}") == len(UNFIT) - 1
    assert "source.query with the column cast to integer" in found
    case.sql("delete from t where id <> 9")
    assert len(look(case).columns) == len(UNFIT) + 1


def test_every_type_without_a_rule_is_refused_with_the_words_that_cure_it(
    new_case: Callable[..., Case], servers: Servers
) -> None:
    case = new_case("refused")
    with psycopg.connect(servers.admin_of("POSTGRES_URL"), autocommit=True) as session:
        session.execute("create extension if not exists hstore")
    case.sql("create type pair as (a int, b text)", "create type steps as range (subtype = float8)")
    case.sql(f"create table t ({', '.join(f'{name} {kind}' for name, (kind, _) in REFUSED.items())})")
    found = refused(case)
    for name, (_, shown) in REFUSED.items():
        line = next(line for line in found.splitlines() if f"column {name!r} is" in line)
        assert shown in line
        assert f"columns: {{{name}: {{as: string}}}}" in line
    chosen = look(case, columns={name: {"as": "string"} for name in REFUSED})
    assert {column.hive_type.shown for column in chosen.columns} == {"STRING"}


def test_decimals_by_choice_never_round(new_case: Callable[..., Case]) -> None:
    case = new_case("chosen")
    case.sql("create table t (a numeric, b numeric, c money)", "insert into t values (1.005, 100, 12.34)")
    found = refused(
        case, columns={"a": {"as": "decimal(5,2)"}, "b": {"as": "decimal(4,2)"}, "c": {"as": "decimal(9,2)"}}
    )
    assert "column 'a': 1 rows hold a value that decimal(5,2) does not hold" in found
    assert "column 'b': 1 rows" in found
    assert "column 'c'" not in found


def test_what_mongodb_would_refuse_is_told_before(new_case: Callable[..., Case]) -> None:
    case = new_case("served", serve={"key": ["id"]})
    case.sql(
        "create table t (id int primary key, at timestamptz, d numeric(38,2))",
        "insert into t values (1, '2020-01-01 00:00:00.000001+00', 1e32), (2, 'epoch', 9e31), (3, null, null)",
    )
    notes = " ".join(look(case).notes)
    assert "column 'at': 1 rows have microseconds, which MongoDB's dates do not hold" in notes
    assert "column 'd': 1 rows have over 34 digits" in notes
    assert look(case, serve=None).notes == ()
    notes = " ".join(look(case, serve={"key": ["at"]}).notes)
    assert "column 'at': 1 rows are NULL, and serve.key names the column" in notes
    for serve, words in (
        ({"key": ["d"], "indexes": [["nope"]]}, "serve.indexes names 'nope'"),
        ({"key": ["f"]}, "serve.key names 'f', which is DOUBLE and identifies no row exactly"),
        ({"indexes": [["one", "two"]]}, "serve.indexes has one index on 'one' and 'two', which are arrays"),
    ):
        case.sql(
            "drop table t", "create table t (id int primary key, d int, at timestamptz, f float8, one int[], two int[])"
        )
        assert words in refused(case, serve=serve)


def test_null_in_the_split_column_and_a_missing_key_for_merge(new_case: Callable[..., Case]) -> None:
    case = new_case("split")
    case.sql("create table t (id int, x int)", "insert into t values (null, 1), (2, 2)")
    assert "column 'id': 1 rows are NULL" in refused(case, engine={"mappers": 2, "split_by": "id"})
    assert "source.key" in refused(case, source={"sweep": "always"}, lake={"mode": "merge"})
    assert "there is no primary key" in " ".join(look(case).notes)


@pytest.fixture
def limited(servers: Servers, new_case: Callable[..., Case]) -> Iterator[Case]:
    """A case whose login is subject to row-level security."""
    case = new_case("policy")
    role = sql.Identifier(f"{case.name}_role")
    case.sql("create table t (id int primary key)", "insert into t select generate_series(1, 10)")
    case.sql("alter table t enable row level security", "create policy visible on t using (id > 5)")
    with psycopg.connect(servers.admin_of("POSTGRES_URL"), autocommit=True) as session:
        session.execute(sql.SQL("create role {} login password 'x'").format(role))
        schema = sql.Identifier(case.name)
        session.execute(sql.SQL("grant usage on schema {} to {}").format(schema, role))
        session.execute(sql.SQL("grant select on all tables in schema {} to {}").format(schema, role))
        case.override("powergrid_postgres", login=f"{case.name}_role", password="x")
        try:
            yield case
        finally:
            case.restore("powergrid_postgres")
            session.execute(sql.SQL("drop owned by {}").format(role))
            session.execute(sql.SQL("drop role {}").format(role))


def test_a_policy_that_hides_rows_is_refused(limited: Case, servers: Servers) -> None:
    assert "row-level security" in refused(limited)
    query = {"table": None, "query": f"select id from {limited.name}.t"}
    assert "row-level security" in " ".join(look(limited, source=query).notes)
    with psycopg.connect(servers.admin_of("POSTGRES_URL"), autocommit=True) as session:
        session.execute(f'alter role "{limited.name}_role" bypassrls'.encode())
    assert look(limited).notes == ()


def test_kinds_of_tables_are_told(new_case: Callable[..., Case]) -> None:
    case = new_case("kinds")
    case.sql(
        'create table t (id int, "Name" text, "order" text) partition by range (id)',
        "create table t1 partition of t for values from (0) to (10)",
        "create table t2 partition of t for values from (10) to (20) partition by range (id)",
        "create table t21 partition of t2 for values from (10) to (20)",
        "insert into t select i, 'x', 'y' from generate_series(0, 19) i",
        "create table parent (id int primary key, twice int generated always as (id * 2) stored)",
        "create table child () inherits (parent)",
        "insert into parent values (1)",
        "insert into child values (2), (3)",
        "create view v as select * from parent",
        "create materialized view m as select * from parent",
        "create materialized view unread as select * from parent with no data",
    )

    def said(table: str) -> Examined:
        return look(case, source={"table": f"{case.name}.{table}"})

    partitioned = said("t")
    told = " ".join(partitioned.notes)
    assert "its 3 partitions are read as one table" in told
    assert "Name becomes name" in told
    assert "order: a reserved word in HiveQL" in told
    parent = said("parent")
    assert parent.shape.primary_key == ("id",)
    assert "1 tables inherit" in " ".join(parent.notes)
    assert "twice: computed by PostgreSQL" in " ".join(parent.notes)
    assert "is a view" in " ".join(said("v").notes)
    assert "last REFRESH" in " ".join(said("m").notes)
    assert "has not been populated" in refused(case, source={"table": f"{case.name}.unread"})
    case.change(source={"table": f"{case.name}.t"})
    case.run("ingest")
    assert case.hive(what="count(*), sum(id), min(`order`)") == [(20, 190, "y")]


def test_a_foreign_table_is_read(new_case: Callable[..., Case], servers: Servers) -> None:
    case = new_case("foreign")
    server = sql.Identifier(f"{case.name}_files")
    with psycopg.connect(servers.admin_of("POSTGRES_URL"), autocommit=True) as session:
        session.execute("create extension if not exists file_fdw")
        session.execute(sql.SQL("create server {} foreign data wrapper file_fdw").format(server))
        try:
            session.execute(
                sql.SQL("create foreign table {}.t (version text) server {} options (filename 'PG_VERSION')").format(
                    sql.Identifier(case.name), server
                )
            )
            session.execute(sql.SQL("grant select on {}.t to public").format(sql.Identifier(case.name)))
            assert "is a foreign table" in " ".join(look(case).notes)
        finally:
            session.execute(sql.SQL("drop server {} cascade").format(server))


def test_text_without_an_encoding_is_refused_where_it_is_no_utf8(
    new_case: Callable[..., Case], servers: Servers
) -> None:
    case = new_case("ascii")
    database = sql.Identifier(case.name)
    with psycopg.connect(servers.admin_of("POSTGRES_URL"), autocommit=True) as session:
        made = sql.SQL("create database {} template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'")
        session.execute(made.format(database))
        try:
            url = servers.admin_of("POSTGRES_URL").rsplit("/", 1)[0] + f"/{case.name}"
            with psycopg.connect(url, autocommit=True, client_encoding="SQL_ASCII") as other:
                other.execute("create type pair as (a text, b int)")
                other.execute("create table t (id int, good text)")
                other.execute(r"insert into t values (1, E'caf\xc3\xa9')")
                for name, (kind, value) in WITHOUT_ENCODING.items():
                    column = sql.Identifier(name)
                    other.execute(sql.SQL("alter table t add {} ").format(column) + sql.SQL(kind))
                    other.execute(sql.SQL("update t set {} = ").format(column) + sql.SQL(value))
                other.execute("grant all on t to public")
            case.override("powergrid_postgres", schema=case.name)
            columns = {"Mixed Case": {"name": "mixed_case"}, "Both Of": {"name": "both_of", "as": "string"}}
            findings = refused(case, source={"table": "public.t"}, columns=columns)
            assert "column 'good'" not in findings
            for name in WITHOUT_ENCODING:
                (finding,) = (line for line in findings.splitlines() if f"column {name!r} has text" in line)
                assert "cannot be written in UTF-8, in a database of encoding SQL_ASCII" in finding
                advice = finding.partition("by source.query: ")[2]
                with psycopg.connect(url) as other:
                    row = other.execute(f"select {advice} from t".encode()).fetchone()
                assert row is not None
                assert isinstance(row[0], bytes) and b"caf\xe9" in row[0], name
        finally:
            session.execute(sql.SQL("drop database {} with (force)").format(database))


COMPOSITES = {
    # a value of type `deep`, and whether JSON would lose an array's bounds
    "row(row('plain', null), null, null, null)": False,
    "row(row('[0:1]={', null), null, null, null)": False,
    "row(row('x [0:1]={5,6} [-2:3]={}', null), null, null, null)": False,
    "row(row('[0:1]={', array[1]), null, null, null)": False,
    "row(null, array['[0:1]={5}'], null, null)": False,
    "row(null, null, array[row('[0:1]={\\\"', null)::flat], null)": False,
    """row(null, null, null, '{"a": "[0:1]={", "b": [1]}')""": False,
    "row(row('plain', '[0:1]={5,6}'), null, null, null)": True,
    "row(row('[0:1]={', '[0:0]={5}'), null, null, null)": True,
    "row(null, '[1:1][2:3]={{a,b}}', null, null)": True,
    "row(null, '[-1:0]={[0:1]=\\{,b}', null, null)": True,
    "row(null, null, array[row('x', '[0:1]={5,6}')::flat], null)": True,
    "row(null, null, '[2:2]={\"(x,)\"}', null)": True,
}


@pytest.mark.parametrize(("value", "loses"), COMPOSITES.items(), ids=list(COMPOSITES))
def test_only_an_array_within_a_composite_has_bounds_to_lose(
    new_case: Callable[..., Case], value: str, loses: bool
) -> None:
    case = new_case("deep")
    case.sql(
        "create type flat as (a text, b int[])",
        "create type deep as (f flat, t text[], r flat[], j jsonb)",
        "create table t (id int primary key, c deep)",
        f"insert into t values (1, {value})",
    )
    columns = {"c": {"as": "string"}}
    if loses:
        assert "an array with bounds of its own inside" in refused(case, columns=columns)
    else:
        look(case, columns=columns)
