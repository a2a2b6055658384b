"""A column of another type: rows that nobody wrote have other values, and a key may find no row any more."""

from dataclasses import replace

import pytest

from harness.postgres_types import postgres_type
from switchyard.flow.proof import Contract
from switchyard.prove.contract import apply_contract
from switchyard.prove.known_columns import KnownColumn
from switchyard.prove.retyped import is_retyped, keeps_keys
from switchyard.types.carry import CarriedColumn, SourceColumn, carry

EVOLVE = Contract()


def column(kind: str, choice: str | None = None) -> CarriedColumn:
    carried = carry(SourceColumn("k", postgres_type(kind)), choice)
    assert isinstance(carried, CarriedColumn)
    return carried


def enum(name: str) -> CarriedColumn:
    return replace(column("text"), postgres_type=name, labels=("a", "b"))


RETYPED = [
    ("character(3)", "character(5)", False),
    ("character(5)", "text", False),
    ("text", "character(5)", False),
    ("text", "uuid", False),
    ("uuid", "text", True),
    ("character varying(5)", "character varying(9)", True),
    ("character varying(5)", "text", True),
    ("text", "character varying(5)", True),
    ("bit varying(5)", "bit varying(9)", True),
    ("bit(3)", "bit(5)", False),
    ("timestamp(0) without time zone", "timestamp without time zone", True),
    ("timestamp(3) with time zone", "timestamp(6) with time zone", True),
    ("timestamp without time zone", "timestamp(3) without time zone", False),
    ("time without time zone", "time(0) without time zone", False),
    ("time without time zone", "time with time zone", False),
    ("inet", "cidr", False),
    ("integer", "bigint", True),
    ("smallint", "numeric(9,2)", True),
    ("numeric(6,2)", "numeric(8,2)", True),
    ("json", "jsonb", False),
]
"""A type, another one, and whether a key may become it."""


@pytest.mark.parametrize(("before", "now", "keeps"), RETYPED)
def test_another_type_at_the_source_is_read_in_every_row(before: str, now: str, keeps: bool) -> None:
    known = KnownColumn.of(column(before))
    assert is_retyped(known, column(now))
    assert keeps_keys(known, column(now)) is keeps
    agreed = apply_contract(EVOLVE, [known], [column(now)])
    assert (agreed.refused, agreed.unread) == ((), ("k",))
    settled = apply_contract(EVOLVE, [KnownColumn.of(agreed.columns[0])], [column(now)])
    assert settled.unread == ()


@pytest.mark.parametrize(
    ("kind", "keeps"),
    [("boolean", False), ("timestamp with time zone", False), ("bytea", False), ("date", False), ("bigint", True)],
)
def test_text_that_the_flow_asks_for_is_read_in_every_row(kind: str, keeps: bool) -> None:
    known = KnownColumn.of(column(kind))
    agreed = apply_contract(EVOLVE, [known], [column(kind, "string")])
    assert (agreed.refused, agreed.unread) == ((), ("k",))
    assert keeps_keys(known, column(kind, "string")) is keeps


@pytest.mark.parametrize("kind", ["text", "character(5)", "numeric(9,2)", "integer[]", "uuid"])
def test_the_same_type_is_not_read_again(kind: str) -> None:
    known = KnownColumn.of(column(kind))
    assert not is_retyped(known, column(kind))
    assert keeps_keys(known, column(kind))
    assert apply_contract(EVOLVE, [known], [column(kind)]).unread == ()


def test_a_schema_that_is_shown_or_left_out_is_no_other_type() -> None:
    known = KnownColumn.of(enum("mood"))
    assert not is_retyped(known, enum("public.mood"))
    assert is_retyped(known, enum("feeling"))
    assert keeps_keys(known, enum("feeling"))
    assert keeps_keys(known, column("text"))


def test_a_type_that_is_not_known_and_a_contract_that_keeps_the_old_one_read_nothing_again_for_ever() -> None:
    unknown = replace(KnownColumn.of(column("text")), postgres_type="")
    assert not is_retyped(unknown, column("character(5)"))
    stays = Contract(types="quarantine")
    first = apply_contract(stays, [KnownColumn.of(column("integer"))], [column("bigint")])
    assert first.unread == ("k",)
    second = apply_contract(stays, [KnownColumn.of(first.columns[0])], [column("bigint")])
    assert second.unread == ()
