"""Random schemas and rows through both legs: equal in PostgreSQL, Hive and MongoDB, value by value.

Many rows and columns make one load of each example, so that the stack is asked a few times only.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bson import Decimal128, Int64
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.types.json import Json, Jsonb

from harness.cases import open_cases
from harness.servers import Servers
from harness.values import each, in_utc, key, midnight, milliseconds, read_hive, same, single, text

ROWS = 150
MIN, MAX = dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


@dataclass(frozen=True)
class Kind:
    """A type, its values, how PostgreSQL is read, and what each hop must make of a value."""

    rule: str
    type: str
    values: st.SearchStrategy[Any]
    read: str = "{c}"
    hive: Callable[[Any], Any] = same
    mongo: Callable[[Any], Any] = same


def long(value: int | None) -> Int64 | None:
    return None if value is None else Int64(value)


def decimal128(value: Any) -> Any:
    return None if value is None else Decimal128(value)


def integers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


SCALARS = [
    Kind("smallint", "smallint", integers(16)),
    Kind("integer", "integer", integers(32)),
    Kind("bigint", "bigint", integers(64), mongo=long),
    Kind("real", "real", st.floats(width=32), hive=single, mongo=single),
    Kind("double precision", "double precision", st.floats()),
    Kind("boolean", "boolean", st.booleans()),
    Kind("text", "text", TEXT),
    Kind("character varying", "varchar(30)", TEXT),
    Kind("character", "char(7)", st.text("ab é\n\\", max_size=7)),
    Kind("bytea", "bytea", st.binary(max_size=40)),
    Kind("date", "date", st.dates(), mongo=midnight),
    Kind("timestamp without time zone", "timestamp", st.datetimes(MIN, MAX), mongo=milliseconds),
    Kind(
        "timestamp with time zone",
        "timestamptz",
        st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30), timezones=st.timezones()),
        hive=in_utc,
        mongo=milliseconds,
    ),
    Kind("time without time zone", "time", st.times(), read="{c}::text"),
    Kind("uuid", "uuid", st.uuids(), hive=text, mongo=text),
    Kind("json", "json", st.recursive(st.none() | TEXT | st.floats(allow_nan=False, allow_infinity=False), st.lists)
         .map(Json), read="{c}::text"),
    Kind("jsonb", "jsonb", st.dictionaries(TEXT, integers(32)).map(Jsonb), read="{c}::text"),
    Kind("inet", "inet", st.ip_addresses().map(ipaddress.ip_interface), read="host({c})"),
]  # fmt: skip
LISTS = {"smallint", "integer", "bigint", "double precision", "boolean", "text", "character varying", "date", "uuid"}


@st.composite
def numerics(draw: st.DrawFn) -> Kind:
    digits = draw(st.integers(1, 34))
    scale = draw(st.integers(0, digits))
    limit = 10**digits - 1
    values = st.integers(-limit, limit).map(lambda whole: f"{whole}e-{scale}")
    return Kind("numeric(p,s)", f"numeric({digits},{scale})", values, mongo=decimal128)


def list_of(kind: Kind) -> Kind:
    elements = st.lists(st.none() | kind.values, max_size=6)
    return Kind(f"{kind.rule}[]", f"{kind.type}[]", elements, kind.read, each(kind.hive), each(kind.mongo))


@st.composite
def tables(draw: st.DrawFn) -> list[Kind]:
    """Every scalar type, and some numerics and arrays, in any order."""
    lists = draw(st.lists(st.sampled_from([kind for kind in SCALARS if kind.rule in LISTS]), min_size=3, max_size=5))
    decimals = [draw(numerics()) for _ in range(4)]
    return draw(st.permutations([*SCALARS, *decimals[:3], *map(list_of, [*lists, decimals[3]])]))


@settings(
    max_examples=2,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(kinds=tables(), data=st.data())
def test_random_tables_are_equal_everywhere(
    servers: Servers, tmp_path_factory: Any, kinds: list[Kind], data: st.DataObject
) -> None:
    rows = data.draw(rows_of(kinds))
    with open_cases(servers, tmp_path_factory.mktemp("flows")) as new_case:
        case = new_case("random", serve={"timestamps": "beside"})
        names = [f"v{i}" for i in range(len(kinds))]
        fields = ", ".join(f"{name} {kind.type}" for name, kind in zip(names, kinds, strict=True))
        case.sql(f"create table t (id int primary key, {fields})")
        insert(servers, case.name, kinds, rows)
        case.both()
        read = ", ".join(kind.read.format(c=name) for name, kind in zip(names, kinds, strict=True))
        source = case.sql("set timezone = 'UTC'", f"select {read} from t order by id")
        in_hive = sorted(case.hive(what=", ".join(["id", *names])), key=lambda row: row[0])
        in_mongo = sorted(servers.mongo[case.name].find({}), key=lambda document: document["_id"])
    assert len(source) == len(in_hive) == len(in_mongo) == len(rows)
    for i, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        hive = [read_hive(kind.rule, row[i + 1]) for row in in_hive]
        hive = [single(value) for value in hive] if kind.rule == "real" else hive
        same_values(f"Hive {kind.type}", source, hive, i, kind.hive)
        same_values(f"MongoDB {kind.type}", source, [document[name] for document in in_mongo], i, kind.mongo)


@st.composite
def rows_of(draw: st.DrawFn, kinds: list[Kind]) -> list[list[Any]]:
    """A few values of each column, drawn, in many combinations."""
    pools = [[None, *draw(st.lists(kind.values, min_size=2, max_size=12, unique_by=repr))] for kind in kinds]
    return [
        [pool[(row * (i + 1) + row // len(pool)) % len(pool)] for i, pool in enumerate(pools)] for row in range(ROWS)
    ]


def insert(servers: Servers, schema: str, kinds: list[Kind], rows: list[list[Any]]) -> None:
    values = sql.SQL(", ").join(sql.SQL("%s::") + sql.SQL(kind.type) for kind in kinds)
    statement = sql.SQL("insert into {}.t values (%s, {})").format(sql.Identifier(schema), values)
    with servers.session() as session, session.cursor() as cursor:
        cursor.executemany(statement, [[i, *row] for i, row in enumerate(rows)])


def same_values(where: str, source: list[Any], found: list[Any], i: int, expected: Callable[[Any], Any]) -> None:
    wanted = [expected(row[i]) for row in source]
    wrong = [(json.dumps(repr(a)), repr(b)) for a, b in zip(wanted, found, strict=True) if key(a) != key(b)]
    assert wrong == [], where
