"""Every rule of the type table on the real servers: boundary and hostile values, equal on every hop, one by one.

What is expected is read from PostgreSQL by psycopg, and from Hive and MongoDB by their own clients.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128, Int64

from harness.cases import Case
from harness.servers import Servers
from harness.values import each, in_utc, key, midnight, milliseconds, read_hive, same, single, text
from switchyard.errors import ValueRefused
from switchyard.types.rules import RULES

EPOCH = dt.datetime(1970, 1, 1)
TEXTS = [
    "''",
    "'NULL'",
    r"E'\\N'",
    r"E'\\'",
    r"E'a\nb\r\nc\rd'",
    r"E'\001\002\t\x7f'",
    """E'"quoted" ''single'' `back`'""",
    r"""E'{"m" : "{\\"rows\\": 9}"}'""",
    r"E'{\"c0\":\"x\"}\n{\"m\" : \"{}\"}'",
    "'$CONDITIONS ${x} %s {0}'",
    "' spaces '",
    "U&'\\2028\\0085\\00A0\\FEFF'",
    "'💡 Zürich 漢字'",
    "repeat('x', 100000)",
    "NULL",
]
DATES = ["0001-01-01", "1582-10-04", "1582-10-10", "1582-10-15", "1900-02-28", "1970-01-01", "2000-02-29", "9999-12-31"]
INSTANTS = [
    "0001-01-01 00:00:00",
    "0001-01-01 00:00:00.000001",
    "1582-10-10 12:00:00.5",
    "1677-09-21 00:12:43.145",
    "1883-11-18 12:03:58",
    "1969-12-31 23:59:59.999999",
    "2016-03-27 02:30:00",
    "2016-03-13 02:30:00.000001",
    "2016-10-30 02:30:00",
    "2262-04-11 23:47:16.854776",
    "9999-12-31 23:59:59.999999",
]


@dataclass(frozen=True)
class Column:
    """A column of the test table: its rule, name, type, values as SQL, and what each hop must make of a value."""

    rule: str
    name: str
    type: str
    values: list[str]
    read: str = "{c}"
    hive: Callable[[Any], Any] = same
    mongo: Callable[[Any], Any] = same


def quoted(values: list[str], kind: str) -> list[str]:
    return [f"'{value}'::{kind}" for value in values] + ["NULL"]


COLUMNS = [
    Column("smallint", "select", "smallint", ["-32768", "0", "32767", "NULL"]),
    Column("integer", "c1", "integer", ["-2147483648", "-1", "2147483647", "NULL"]),
    Column(
        "bigint",
        "Big",
        "bigint",
        ["-9223372036854775808", "1", "9007199254740993", "9223372036854775807", "NULL"],
        mongo=lambda v: None if v is None else Int64(v),
    ),
    Column(
        "real",
        "m",
        "real",
        quoted(["NaN", "Infinity", "-Infinity", "-0", "1.1", "16777217", "1e-45", "3.4028235e38"], "real"),
        hive=single,
        mongo=single,
    ),
    Column(
        "double precision",
        "order",
        "double precision",
        quoted(
            [
                "NaN",
                "Infinity",
                "-Infinity",
                "-0",
                "0.1",
                "0.30000000000000004",
                "5e-324",
                "1.7976931348623157e308",
                "2.2250738585072014e-308",
                "9007199254740993",
            ],
            "float8",
        ),
    ),
    Column(
        "numeric(p,s)",
        "Amount",
        "numeric(34,10)",
        [
            "123456789012345678901234.0123456789",
            "-999999999999999999999999.9999999999",
            "0",
            "0.0000000001",
            "1.10",
            "NULL",
        ],
        mongo=lambda v: None if v is None else Decimal128(v),
    ),
    Column("boolean", "is", "boolean", ["true", "false", "NULL"]),
    Column("text", "c0", "text", TEXTS),
    Column("character varying", "group", "varchar(30)", ["''", r"E'tab\there'", "'x'", "NULL"]),
    Column("character", "padded", "char(5)", ["'ab'", "''", "'abcde'", r"E'\n'", "NULL"]),
    Column('"char"', "one", '"char"', ["'x'", "NULL"], read="{c}::text"),
    Column("name", "Name", "name", ["'pg_catalog'", "'é'", "NULL"], read="{c}::text"),
    Column("citext", "words", "citext", ["'MiXeD'", "''", "NULL"], read="{c}::text"),
    Column("bytea", "bytes", "bytea", [r"'\xdeadbeef'", r"'\x00'", r"'\x'", r"'\x0a0d5c4e22'", "NULL"]),
    Column("date", "date", "date", quoted(DATES, "date"), mongo=midnight),
    Column("timestamp without time zone", "timestamp", "timestamp", quoted(INSTANTS, "timestamp"), mongo=milliseconds),
    Column(
        "timestamp with time zone",
        "at",
        "timestamptz",
        [f"'{value}+00'::timestamptz" for value in INSTANTS] + ["'2016-03-27 02:30:00 Europe/Berlin'", "NULL"],
        hive=in_utc,
        mongo=milliseconds,
    ),
    Column(
        "time without time zone",
        "clock",
        "time",
        quoted(["00:00", "23:59:59.999999", "24:00"], "time"),
        read="{c}::text",
    ),
    Column(
        "time with time zone",
        "zoned",
        "timetz",
        quoted(["12:00:00.000001+05:30", "00:00-12"], "timetz"),
        read="{c}::text",
    ),
    Column("uuid", "uuid", "uuid", ["'00000000-0000-0000-0000-00000000000A'", "NULL"], read="{c}::text"),
    Column(
        "json",
        "json",
        "json",
        [r"""'{"a":  "\u0000\n", "a": [1.10, null]}'""", "'null'", """'"x"'""", "NULL"],
        read="{c}::text",
    ),
    Column("jsonb", "jsonb", "jsonb", ["""'{"b": 1.10, "a": "é\\n"}'""", "'null'", "NULL"], read="{c}::text"),
    Column("inet", "inet", "inet", ["'10.0.0.1'", "'10.0.0.1/8'", "'::1'", "NULL"], hive=text, mongo=text),
    Column("cidr", "cidr", "cidr", ["'10.0.0.0/8'", "'10.0.0.1/32'", "NULL"], hive=text, mongo=text),
    Column("macaddr", "mac", "macaddr", ["'08:00:2b:01:02:03'", "NULL"], read="{c}::text"),
    Column("macaddr8", "mac8", "macaddr8", ["'08:00:2b:01:02:03:04:05'", "NULL"], read="{c}::text"),
    Column("enum", "mood", "mood", ["'so so'", r"""E'"\\N"'""", "NULL"], read="{c}::text"),
    Column("oid", "oid", "oid", ["0", "4294967295", "NULL"], mongo=lambda v: None if v is None else Int64(v)),
    Column("bit", "user", "bit(3)", ["B'101'", "B'000'", "NULL"], read="{c}::text"),
    Column("bit varying", "bits", "varbit", ["B''", "B'1'", "NULL"], read="{c}::text"),
    Column(
        "xml",
        "xml",
        "xml",
        ["""'<?xml version="1.0" encoding="latin1"?><a b="1">&#10; x </a>'""", "'just text'", "NULL"],
        read="{c}::text",
    ),
    Column("jsonpath", "path", "jsonpath", ["'$.a[*] ? (@ > 1)'", "NULL"], read="{c}::text"),
    Column("pg_lsn", "lsn", "pg_lsn", ["'16/B374D848'", "NULL"], read="{c}::text"),
    Column("ltree", "tree", "ltree", ["'Top.Science.Astronomy'", "''", "NULL"], read="{c}::text"),
]


def array_of(column: Column) -> Column:
    """An array of a column's values; of one, empty, of NULLs only, and NULL."""
    values, kind = column.values, column.type + "[]"
    return Column(
        f"{column.rule}[]",
        f"{column.name}_list",
        kind,
        [f"array[{', '.join(values)}]::{kind}", f"array[{values[0]}]::{kind}", "'{}'", "'{NULL,NULL}'", "NULL"],
        column.read if column.read == "{c}" else "{c}::text[]",
        each(column.hive),
        each(column.mongo),
    )


COLUMNS += [array_of(column) for column in COLUMNS if f"{column.rule}[]" in {rule.postgres for rule in RULES}]
ROWS = max(len(column.values) for column in COLUMNS)


def hostile_role(servers: Servers, case: Case) -> str:
    """A login whose every setting would bend the text of a value, with a password that breaks careless quoting."""
    role, password = f"{case.name}_role", """p w'"\\$é:@/%"""
    admin = servers.admin_of("POSTGRES_URL")
    with servers.session(autocommit=True) as session:
        owner = session.execute("select current_user").fetchone()[0]
    import psycopg
    from psycopg import sql

    settings = {
        "datestyle": "German, DMY",
        "intervalstyle": "sql_standard",
        "bytea_output": "escape",
        "extra_float_digits": "-15",
        "timezone": "America/New_York",
        "search_path": "",
        "lc_monetary": "C",
        "xmloption": "document",
    }
    with psycopg.connect(admin, autocommit=True) as session:
        name = sql.Identifier(role)
        session.execute(sql.SQL("create role {} login password {}").format(name, sql.Literal(password)))
        for setting, value in settings.items():
            session.execute(sql.SQL("alter role {} set {} = {}").format(name, sql.SQL(setting), sql.Literal(value)))
        session.execute(sql.SQL("grant {} to {}").format(sql.Identifier(owner), name))
    case.override("powergrid_postgres", login=role, password=password)
    return role


@pytest.fixture(scope="module")
def loaded(servers: Servers, module_case: Callable[..., Case]) -> Iterator[Case]:
    """One load of the whole table through both legs, read by the hostile login."""
    case = module_case("types", serve={"timestamps": "beside"})
    import psycopg

    with psycopg.connect(servers.admin_of("POSTGRES_URL"), autocommit=True) as session:
        session.execute("select pg_advisory_lock(5917)")
        for extension in ("citext", "ltree", "hstore"):
            session.execute(f"create extension if not exists {extension}".encode())
    fields = ", ".join(f'"{c.name}" {c.type}' for c in COLUMNS)
    case.sql(
        r"""create type mood as enum ('so so', E'"\\N"')""", f'create table "My Table" ("ID" int primary key, {fields})'
    )
    for row in range(ROWS):
        values = ", ".join(c.values[row] if row < len(c.values) else "NULL" for c in COLUMNS)
        case.sql(f'insert into "My Table" values ({row}, {values})')
    case.change(source={"table": f'{case.name}."My Table"'})
    role = hostile_role(servers, case)
    try:
        case.both()
        yield case
    finally:
        with psycopg.connect(servers.admin_of("POSTGRES_URL"), autocommit=True) as session:
            session.execute(f"drop owned by {role}".encode())
            session.execute(f"drop role {role}".encode())


@pytest.fixture(scope="module")
def in_postgres(loaded: Case) -> dict[str, list[Any]]:
    """Values by column, as PostgreSQL has them, in the order of the key."""
    read = ", ".join(c.read.format(c=f'"{c.name}"') for c in COLUMNS)
    rows = loaded.sql("set timezone = 'UTC'", f'select {read} from "My Table" order by "ID"')
    return {column.rule: [row[i] for row in rows] for i, column in enumerate(COLUMNS)}


@pytest.fixture(scope="module")
def in_hive(loaded: Case) -> dict[str, list[Any]]:
    rows = loaded.hive(what=", ".join([*(f"`{c.name.lower()}`" for c in COLUMNS), "id"]))
    rows.sort(key=lambda row: row[-1])  # a job's results pass through text, which makes NULL of [null] and [] of [""]
    assert [row[-1] for row in rows] == list(range(ROWS))
    return {column.rule: [read_hive(column.rule, row[i]) for row in rows] for i, column in enumerate(COLUMNS)}


@pytest.fixture(scope="module")
def in_mongo(loaded: Case, servers: Servers) -> list[dict[str, Any]]:
    documents = sorted(servers.mongo[loaded.name].find({}), key=lambda document: document["_id"])
    assert [document["_id"] for document in documents] == list(range(ROWS))
    return documents


def test_every_rule_of_the_table_is_tested_here() -> None:
    assert {column.rule for column in COLUMNS} == {rule.postgres for rule in RULES}


def test_hive_has_the_types_of_the_table(loaded: Case, servers: Servers) -> None:
    described = {row[0]: row[1] for row in servers.hive(f"describe `{loaded.name}`.t")}
    rules = {rule.postgres: rule.hive for rule in RULES}
    wanted = {c.name.lower(): rules[c.rule].format(p=34, s=10).lower() for c in COLUMNS}
    assert described == {"id": "int", **wanted}


@pytest.mark.parametrize("column", COLUMNS, ids=[column.rule for column in COLUMNS])
def test_hive_has_every_value(in_postgres: dict[str, Any], in_hive: dict[str, Any], column: Column) -> None:
    expected = [column.hive(value) for value in in_postgres[column.rule]]
    found = in_hive[column.rule]
    if column.rule == "real":  # HiveServer2 prints a FLOAT with the fewest digits that name it, and clients read that
        found = [single(value) for value in found]
    assert [key(value) for value in found] == [key(value) for value in expected]


@pytest.mark.parametrize("column", COLUMNS, ids=[column.rule for column in COLUMNS])
def test_mongodb_has_every_value(in_postgres: dict[str, Any], in_mongo: list[dict[str, Any]], column: Column) -> None:
    expected = [column.mongo(value) for value in in_postgres[column.rule]]
    assert [key(document[column.name.lower()]) for document in in_mongo] == [key(value) for value in expected]


@pytest.mark.parametrize("name", ["timestamp", "at"])
def test_mongodb_has_every_microsecond_beside(
    in_postgres: dict[str, Any], in_mongo: list[dict[str, Any]], name: str
) -> None:
    rule = next(column.rule for column in COLUMNS if column.name == name)
    expected = [value and (in_utc(value) if value.tzinfo else value) for value in in_postgres[rule]]
    micros = [document[f"{name}_us"] for document in in_mongo]
    assert [None if us is None else EPOCH + dt.timedelta(microseconds=us) for us in micros] == expected


def test_the_load_says_what_was_counted(loaded: Case) -> None:
    proof = loaded.loads("ingest")[0].facts["prove"]
    assert (proof["source_rows"], proof["landed_rows"], proof["hive_rows"]) == (ROWS, ROWS, ROWS)
    assert json.dumps(loaded.loads("ingest")[0].spec).find("password") == -1


WIDE = ["99999999999999999999999999999999999999", "-12345678901234567890123456789012345678", "0"]


def test_38_digits_are_exact_in_hive_and_refused_or_cast_for_mongodb(new_case: Callable[..., Case]) -> None:
    case = new_case("wide", serve={})
    case.sql(
        "create table t (id int primary key, whole numeric(38,0), part numeric(38,38), mid numeric(38,19))",
        *(f"insert into t values ({i}, {v}, 0.{v.strip('-').zfill(38)}, {v}e-19)" for i, v in enumerate(WIDE)),
    )
    case.run("ingest")
    columns = ("whole", "part", "mid")
    expected = case.sql(f"select {', '.join(columns)} from t order by id")
    assert case.hive("order by id", what=", ".join((*columns, "id"))) == [(*row, i) for i, row in enumerate(expected)]
    with pytest.raises(ValueRefused) as refused:
        case.run("serve")
    assert "whole" in str(refused.value)
    assert "34 digits" in str(refused.value)
    assert case.name not in case.servers.mongo.list_collection_names()
    casts = ", ".join(f"cast({c} as string) as {c}" for c in columns)
    case.run("serve", serve={"select": f"select id, {casts} from {case.name}.t", "table": "as_text"})
    assert [tuple(Decimal(d[c]) for c in columns) for d in case.documents()] == expected


def test_microseconds_are_refused_by_default_with_the_cure(new_case: Callable[..., Case]) -> None:
    case = new_case("micro", serve={})
    case.sql("create table t (id int, at timestamp)", "insert into t values (1, '2020-01-01 00:00:00.000001')")
    case.run("ingest")
    with pytest.raises(ValueRefused) as refused:
        case.run("serve")
    assert "column at" in str(refused.value)
    assert "serve.timestamps" in str(refused.value)
    case.run("serve", serve={"timestamps": "string"})
    assert case.documents() == [{"_id": 1, "id": 1, "at": "2020-01-01T00:00:00.000001"}]


def test_a_key_of_every_kind_becomes_the_id(new_case: Callable[..., Case]) -> None:
    case = new_case("keys", serve={"key": ["code", "day", "price"]}, cache={})
    case.sql(
        'create table t ("Code" text, day date, price numeric(10,2), u uuid, note text)',
        f"insert into t values ('é|\"', '1582-10-10', 1.50, '{uuid.UUID(int=7)}', 'a')",
        "insert into t values ('', '2020-01-01', -2, null, '')",
    )
    case.both()
    assert case.documents()[0]["_id"] == {"code": "", "day": dt.datetime(2020, 1, 1), "price": Decimal128("-2.00")}
    cache = case.cache()
    found = [cache.get(('é|"', dt.date(1582, 10, 10), Decimal("1.5"))) for _ in range(2)]
    assert [document["note"] for document in found] == ["a", "a"]
    assert (cache.counters().misses, cache.counters().hits) == (1, 1)


def test_300_columns_make_a_statement_that_linux_takes(new_case: Callable[..., Case]) -> None:
    case = new_case("columns")
    kinds = ["timestamptz", "text", "numeric(38,10)", "int[]"]
    fields = ", ".join(f"column_number_{i} {kinds[i % 4]}" for i in range(300))
    case.sql(f"create table t (id int primary key, {fields})", "insert into t (id) values (1)")
    case.sql("insert into t (id, column_number_297, column_number_299) values (2, '\\', array[null, 7])")
    case.run("ingest")
    assert case.hive("where id = 2", what="column_number_297, column_number_299, column_number_0") == [
        ("\\", b"[null,7]", None)
    ]
