"""The type table: every type has a rule or a refusal with its cure."""

import pytest

from switchyard.types.carry import SourceColumn, carry, unusable_names
from switchyard.types.hive_type import STRING
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
    carried = carry(SourceColumn("a column", postgres))
    assert not isinstance(carried, Refusal)
    assert carried.hive_type.shown == hive
    assert '"a column"' in carried.carry


@pytest.mark.parametrize(
    "postgres",
    ["numeric", "numeric(39,0)", "numeric(3,-2)", "interval day to second(3)", "money", "point", "hstore", "tsvector"],
)
def test_the_others_are_refused_with_a_cure(postgres: str) -> None:
    refusal = carry(SourceColumn("c", postgres))
    assert isinstance(refusal, Refusal)
    assert "columns: {c: {as: string}}" in refusal.cure
    by_choice = carry(SourceColumn("c", postgres), "string")
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
    carried = carry(SourceColumn("c", f"{element}[]", element=element, element_kind=kind))
    assert (None if isinstance(carried, Refusal) else carried.hive_type.shown) == hive


def test_a_name_that_needs_quotes_is_quoted_in_its_cure() -> None:
    refusal = carry(SourceColumn('A "b"', "interval"))
    assert isinstance(refusal, Refusal)
    assert """columns: {'A "b"': {as: string}}""" in refusal.cure


@pytest.mark.parametrize(
    ("kind", "name"), [("c", "type of its own"), ("r", "type of its own"), ("m", "type of its own")]
)
def test_kinds_decide_before_names(kind: str, name: str) -> None:
    refusal = carry(SourceColumn("c", "mine.text", kind))
    assert isinstance(refusal, Refusal)
    assert name in refusal.why


def test_an_enum_of_any_name_is_carried() -> None:
    carried = carry(SourceColumn("c", "mine.integer", "e"))
    assert not isinstance(carried, Refusal)
    assert carried.hive_type == STRING


def test_the_table_names_each_type_once() -> None:
    names = [row.postgres for row in (*RULES, *REFUSALS)]
    assert len(names) == len(set(names))


def test_names_that_cannot_travel_are_told_apart() -> None:
    bad = unusable_names(["id", "ID", "a b", "a.b", "$x", "_id", "naïve", "select"])
    assert set(bad) == {"ID", "a b", "a.b", "$x", "_id"}
