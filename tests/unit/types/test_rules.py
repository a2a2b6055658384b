"""The type table: every type has a rule or a refusal with its cure."""

import re
from collections.abc import Iterator

import pytest

from harness.postgres_types import postgres_type
from switchyard.types.aggregates import source_aggregates
from switchyard.types.as_string import AS_STRING
from switchyard.types.carry import CarriedColumn, SourceColumn, carry
from switchyard.types.hive_type import STRING
from switchyard.types.postgres_type import PostgresType
from switchyard.types.rules import REFUSALS, RULES, Refusal


@pytest.mark.parametrize(
    ("postgres", "hive"),
    [
        ("smallint", "SMALLINT"),
        ("integer", "INT"),
        ("bigint", "BIGINT"),
        ("numeric(12,3)", "DECIMAL(12,3)"),
        ("numeric(38,38)", "DECIMAL(38,38)"),
        ("double precision", "DOUBLE"),
        ("real", "FLOAT"),
        ("boolean", "BOOLEAN"),
        ("character varying(255)", "STRING"),
        ("character(3)", "STRING"),
        ("bytea", "BINARY"),
        ("date", "DATE"),
        ("timestamp(3) without time zone", "TIMESTAMP"),
        ("timestamp with time zone", "TIMESTAMP"),
        ("time(3) without time zone", "STRING"),
        ("uuid", "STRING"),
    ],
)
def test_types_have_a_rule(postgres: str, hive: str) -> None:
    carried = carry(SourceColumn("a column", postgres_type(postgres)))
    assert not isinstance(carried, Refusal)
    assert carried.hive_type.shown == hive
    assert '"a column"' in carried.carry


@pytest.mark.parametrize(
    "postgres",
    ["numeric", "numeric(39,0)", "numeric(3,-2)", "interval day to second(3)", "money", "point", "hstore", "tsvector"],
)
def test_the_others_are_refused_with_a_cure(postgres: str) -> None:
    refusal = carry(SourceColumn("c", postgres_type(postgres)))
    assert isinstance(refusal, Refusal)
    assert "columns: {c: {as: string}}" in refusal.cure
    by_choice = carry(SourceColumn("c", postgres_type(postgres)), "string")
    assert not isinstance(by_choice, Refusal)
    assert by_choice.hive_type == STRING


@pytest.mark.parametrize(
    ("element", "kind", "hive"),
    [
        ("integer", "b", "ARRAY<INT>"),
        ("numeric(10,2)", "b", "ARRAY<DECIMAL(10,2)>"),
        ("character(3)", "b", "ARRAY<STRING>"),
        ("mine.integer", "e", "ARRAY<STRING>"),
        ("timestamp(3) with time zone", "b", None),
        ("numeric", "b", None),
        ("mine.pair", "c", None),
        ("integer[]", "b", None),
    ],
)
def test_an_array_takes_the_rule_of_its_elements(element: str, kind: str, hive: str | None) -> None:
    carried = carry(SourceColumn("c", postgres_type(f"{element}[]", kind)))
    assert (None if isinstance(carried, Refusal) else carried.hive_type.shown) == hive


def test_a_name_that_needs_quotes_is_quoted_in_its_cure() -> None:
    refusal = carry(SourceColumn('A "b"', postgres_type("interval")))
    assert isinstance(refusal, Refusal)
    assert """columns: {'A "b"': {as: string}}""" in refusal.cure


@pytest.mark.parametrize(
    ("kind", "name"), [("c", "type of its own"), ("r", "type of its own"), ("m", "type of its own")]
)
def test_kinds_decide_before_names(kind: str, name: str) -> None:
    refusal = carry(SourceColumn("c", postgres_type("mine.text", kind)))
    assert isinstance(refusal, Refusal)
    assert name in refusal.why


def test_an_enum_of_any_name_is_carried() -> None:
    carried = carry(SourceColumn("c", postgres_type("mine.integer", "e")))
    assert not isinstance(carried, Refusal)
    assert carried.hive_type == STRING


def test_the_table_names_each_type_once() -> None:
    names = [row.postgres for row in (*RULES, *REFUSALS)]
    assert len(names) == len(set(names))


def written(choice: str | None) -> Iterator[tuple[str, str]]:
    """Every piece of SQL that a type's rule makes, by the type."""
    for rule in (*RULES, *AS_STRING, *REFUSALS):
        for name in rule.postgres.split(", "):
            shaped = name.replace("(p,s)", "(20,4)").removesuffix(" beyond DECIMAL(38)")
            kind = {"enum": "e", "composite": "c", "range": "r", "multirange": "m"}.get(shaped.removesuffix("[]"), "b")
            column = carry(SourceColumn("c", postgres_type(shaped, kind)), choice)
            if isinstance(column, CarriedColumn):
                yield name, "; ".join([column.carry, column.raw, column.unfit, *source_aggregates(column).values()])


COMPARED = re.compile(r"!?~\*?\s|(not )?in \('|\blike\b|\bposition\(|(?<!#>)(<|>|=|<>|>=|<=) '(?!\d{4,5}-)")


@pytest.mark.parametrize("choice", [None, "string", "decimal(20,2)"])
def test_every_comparison_of_text_says_its_collation(choice: str | None) -> None:
    pieces = list(written(choice))
    assert pieces
    for name, sql in pieces:
        for found in COMPARED.finditer(sql):
            assert sql[: found.start()].rstrip().endswith('collate pg_catalog."C"'), (name, sql)


def test_what_there_was_is_a_comparison_of_text() -> None:
    for sql in (r"array_dims(c) ~ '\[(?!1:)'", "c::text in ('NaN')", "c::text not in ('NaN')", "c::text = 'NaN'"):
        assert COMPARED.search(sql)


@pytest.mark.parametrize(
    ("kind", "name", "digits"),
    [
        (PostgresType('"numeric"(10,2)', "numeric", modifier=(10 << 16 | 2) + 4), "numeric", (10, 2)),
        (PostgresType("numeric(3,-2)", "numeric", modifier=(3 << 16 | -2 & 0x7FF) + 4), "numeric", (3, -2)),
        (PostgresType("numeric", "numeric"), "numeric", (0, 0)),
        (PostgresType("pg_catalog.uuid", "uuid"), "uuid", (0, 0)),
        (PostgresType("uuid", ""), "", (0, 0)),
        (PostgresType("own.date", "", "e"), "enum", (0, 0)),
        (PostgresType("time(3) with time zone", "timetz", modifier=3), "time with time zone", (0, 0)),
        (PostgresType('"text"[]', "_text", element=PostgresType('"text"', "text")), "text[]", (0, 0)),
    ],
)
def test_a_type_is_known_by_its_row_of_the_catalogue(kind: PostgresType, name: str, digits: tuple[int, int]) -> None:
    assert (kind.name, (kind.precision, kind.scale)) == (name, digits)


def test_a_type_that_is_called_like_a_built_in_one_has_no_rule_of_it() -> None:
    for rule in RULES:
        assert isinstance(carry(SourceColumn("c", PostgresType(rule.postgres))), Refusal)
