"""The type table: every type has a rule or a refusal with its cure."""

import pytest

from switchyard.lake.type_rules import REFUSALS, RULES, Refusal
from switchyard.lake.types import SourceColumn, carry, unusable_names


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
    carried = carry(SourceColumn("a column", postgres), 0)
    assert not isinstance(carried, Refusal)
    assert carried.hive_type == hive
    assert '"a column"' in carried.carry


@pytest.mark.parametrize(
    "postgres",
    ["numeric", "numeric(39,0)", "numeric(3,-2)", "integer[]", "interval", "money", "point", "hstore", "xml"],
)
def test_the_others_are_refused_with_a_cure(postgres: str) -> None:
    refusal = carry(SourceColumn("c", postgres), 0)
    assert isinstance(refusal, Refusal)
    assert '"c"' in refusal.cure


@pytest.mark.parametrize(("kind", "name"), [("c", "composite"), ("r", "range"), ("m", "range")])
def test_kinds_decide_before_names(kind: str, name: str) -> None:
    refusal = carry(SourceColumn("c", "mine.text", kind), 0)
    assert isinstance(refusal, Refusal)
    assert name in refusal.why


def test_an_enum_of_any_name_is_carried() -> None:
    carried = carry(SourceColumn("c", "mine.integer", "e"), 0)
    assert not isinstance(carried, Refusal)
    assert carried.hive_type == "STRING"


def test_the_table_names_each_type_once() -> None:
    names = [row.postgres for row in (*RULES, *REFUSALS)]
    assert len(names) == len(set(names))


def test_names_that_cannot_travel_are_told_apart() -> None:
    bad = unusable_names(["id", "ID", "a b", "a.b", "$x", "_id", "naïve", "select"])
    assert set(bad) == {"ID", "a b", "a.b", "$x", "_id"}
