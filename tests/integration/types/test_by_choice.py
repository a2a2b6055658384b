"""`as: string` and `as: decimal(p,s)`: what has no exact type of its own arrives as text that says all of it.

Types made for this test only are among them: a domain over an enum, a composite with an array, a range of instants.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from bson import Decimal128

from harness.cases import Case
from harness.servers import Servers
from harness.values import key

AS_TEXT = {
    "bare": ("numeric", ["'NaN'", "'-Infinity'", "1.10", "1e-40", "123456789012345678901234567890123456789012345.5"]),
    "wide": ("numeric(60,2)", ["1e57", "-0.01"]),
    "whole": ("numeric(5,-2)", ["1234567"]),
    "day": ("date", ["'infinity'", "'-infinity'", "'0044-03-15 BC'", "'5874897-12-31'", "'2020-02-29'"]),
    "at": ("timestamp", ["'infinity'", "'0044-03-15 12:00:00.000001 BC'", "'2020-01-01 00:00:00.000001'"]),
    "seen": ("timestamptz", ["'-infinity'", "'0044-03-15 12:00+00 BC'", "'2016-03-27 02:30 Europe/Berlin'"]),
    "gap": ("interval", ["'1 year -2 days 03:04:05.678901'", "'-1 mon +1 day'", "'0'", "'178000000 years'"]),
    "price": ("money", ["12.34", "-92233720368547758.08"]),
    "span": ("tstzrange", ["'[2020-01-01 00:00+02,infinity)'", "'empty'", "'(,)'"]),
    "mine": ("steps", ["'[1.5,NaN]'", "'(-Infinity,1e-300)'"]),
    "spans": ("int4multirange", ["'{[1,3),[5,7)}'", "'{}'"]),
    "words": ("tsvector", ["'a:1A fat:2B,4C ''it''''s'':3'"]),
    "ask": ("tsquery", ["'fat & (rat | !cat:AB)'"]),
    "spot": ("point", ["'(0.1,-0)'", "'(NaN,Infinity)'"]),
    "around": ("circle", ["'<(0.30000000000000004,1e-300),5>'"]),
    "pairs": ("hstore", ["""'"a"=>"1", "b\\"c"=>NULL'"""]),
    "tab": ("regtype", ["'integer'"]),
    "bits": ("bit(4)[]", ["null"]),
    "long": ("numeric(38,2)", ["999999999999999999999999999999999999.99"]),
}
LISTS: dict[str, tuple[str, dict[str, Any]]] = {
    "grid": ("integer[]", {"'{{1,2},{3,NULL}}'": [[1, 2], [3, None]], "'{}'": [], "'{NULL}'": [None]}),
    "deep": ("text[]", {"array[[['a\"b']],[['']]]": [[['a"b']], [[""]]], "null": None}),
    "exact": ("numeric[]", {"'{NaN,1.10,1e-30}'": ["NaN", "1.10", "0.000000000000000000000000000001"]}),
    "when": ("timestamptz[]", {"'{{2020-01-01 00:00+02},{infinity}}'": [["2019-12-31 22:00:00+00"], ["infinity"]]}),
    "blobs": ("bytea[]", {r"array['\xdead'::bytea, null]": ["\\xdead", None]}),
    "objects": ("jsonb[]", {"""array['{"a": [1]}'::jsonb]""": ['{"a": [1]}']}),
    "couples": ("pair[]", {"array[row(1,'x y',array[1,null])::pair]": ['(1,"x y","{1,NULL}")']}),
    "couple": (
        "pair",
        {
            "row(1,'a\"b',array[1,null])": {"a": 1, "b": 'a"b', "c": [1, None]},
            "null": None,
            "row(2,'[0:1]={5,6}',array[1])": {"a": 2, "b": "[0:1]={5,6}", "c": [1]},
        },
    ),
}
AS_THEY_ARE = {"feeling": ("feeling", ["'so so'"]), "code": ("code", ["'x  '"]), "feelings": ("mood[]", ["'{so so}'"])}
DECIMALS = {"number": ("numeric", ["1.005", "-0.001"]), "amount": ("money", ["12.34", "-0.01"])}
TYPES = [
    "create type mood as enum ('so so', 'fine')",
    "create domain feeling as mood check (value <> 'fine')",
    "create domain short as char(3)",
    "create domain code as short",
    "create type pair as (a int, b text, c int[])",
    "create type steps as range (subtype = float8)",
]


@pytest.fixture(scope="module")
def chosen(servers: Servers, module_case: Callable[..., Case]) -> Iterator[Case]:
    """One load of all of it through both legs."""
    case = module_case("chosen", serve={})
    with psycopg.connect(servers.admin_of("POSTGRES_URL"), autocommit=True) as session:
        session.execute("create extension if not exists hstore")
    values = {**AS_TEXT, **{n: (kind, list(v)) for n, (kind, v) in LISTS.items()}, **AS_THEY_ARE, **DECIMALS}
    fields = ", ".join(f'"{name}" {kind}' for name, (kind, _) in values.items())
    case.sql(*TYPES, f"create table t (id int primary key, {fields})")
    for row in range(5):
        line = ", ".join(v[row] if row < len(v) else "null" for _, v in values.values())
        case.sql(f"insert into t values ({row}, {line})")
    text = {name: {"as": "string"} for name in (*AS_TEXT, *LISTS)}
    case.change(columns={**text, "number": {"as": "decimal(20,5)"}, "amount": {"as": "decimal(20,2)"}})
    case.both()
    yield case


def everywhere(case: Case, name: str) -> list[Any]:
    """A column's values as both stores have them, which must agree."""
    hive = [row[1] for row in sorted(case.hive(what=f"id, `{name}`"))]
    mongo = [document[name] for document in case.documents()]
    assert mongo == hive
    return mongo


@pytest.mark.parametrize("name", AS_TEXT)
def test_text_is_postgresqls_own(chosen: Case, name: str) -> None:
    expected = chosen.sql("set timezone = 'UTC'", f"select id, {name}::text from t order by id")
    assert everywhere(chosen, name) == [row[1] for row in expected]
    kind = AS_TEXT[name][0]
    for _, value in expected:  # it says all of the value: cast back, it is the same
        if value is not None:
            assert chosen.sql(f"select '{value.replace(chr(39), chr(39) * 2)}'::{kind}::text") == [(value,)]


@pytest.mark.parametrize("name", LISTS)
def test_arrays_and_composites_are_json(chosen: Case, name: str) -> None:
    expected = list(LISTS[name][1].values())
    found = [None if text is None else json.loads(text) for text in everywhere(chosen, name)]
    assert found == expected + [None] * (len(found) - len(expected))


def test_a_domain_takes_the_rule_of_its_base(chosen: Case) -> None:
    assert everywhere(chosen, "feeling")[0] == "so so"
    assert everywhere(chosen, "code")[0] == "x  "
    assert [document["feelings"] for document in chosen.documents()][:2] == [["so so"], None]


@pytest.mark.parametrize("name", DECIMALS)
def test_decimals_by_choice_are_exact(chosen: Case, name: str) -> None:
    rows = chosen.sql(f"select id, {name}::numeric from t order by id")
    expected = [row[1] for row in rows]
    assert [row[1] for row in sorted(chosen.hive(what=f"id, {name}"))] == expected
    scale = {"number": 5, "amount": 2}[name]
    in_mongo = [None if v is None else Decimal128(f"{v:.{scale}f}") for v in expected]
    assert [key(document[name]) for document in chosen.documents()] == [key(v) for v in in_mongo]
