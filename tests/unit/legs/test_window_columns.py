"""Columns under which the old rows of a table could not be read, or not be found by their key any more."""

import pytest

from harness.postgres_types import postgres_type
from switchyard.errors import PreflightRefused
from switchyard.extract.postgres import SourceShape
from switchyard.extract.preflight import Examined
from switchyard.flow.spec import Flow
from switchyard.legs.ingest.window import agree
from switchyard.prove.known_columns import KnownColumn
from switchyard.types.carry import CarriedColumn, SourceColumn, carry


def column(name: str, kind: str, choice: str | None = None) -> CarriedColumn:
    carried = carry(SourceColumn(name, postgres_type(kind)), choice)
    assert isinstance(carried, CarriedColumn)
    return carried


def judge(mode: str, before: list[CarriedColumn], now: list[CarriedColumn]) -> tuple[str, ...]:
    """Agree on the columns; what is to be read in every row."""
    source = {"connection": "pg", "table": "public.t", "cursor": "at", "cursor_clock": "database"}
    if mode == "replace":
        source = {"connection": "pg", "table": "public.t"}
    flow = Flow.model_validate(
        {"flow": "f", "owner": "tests", "source": source, "lake": {"database": "d", "table": "t", "mode": mode}}
    )
    examined = Examined(SourceShape((), ("id",)), tuple(now), None)
    known = [KnownColumn.of(each, in_key=each.name == "id") for each in before]
    return agree(flow, examined, known).unread


ID = column("id", "integer")
LISTS = [
    (column("v", "integer[]"), column("v", "bigint[]")),
    (column("v", "smallint[]"), column("v", "integer[]")),
    (column("v", "numeric(5,2)[]"), column("v", "numeric(8,2)[]")),
    (column("v", "text[]"), column("v", "text[]", "string")),
]


@pytest.mark.parametrize("mode", ["merge", "append"])
@pytest.mark.parametrize(("before", "now"), LISTS)
def test_a_list_of_another_type_is_refused_where_old_rows_are_read(
    mode: str, before: CarriedColumn, now: CarriedColumn
) -> None:
    with pytest.raises(PreflightRefused, match=r"column v was ARRAY<.*a new name"):
        judge(mode, [ID, before], [ID, now])


@pytest.mark.parametrize(("before", "now"), LISTS)
def test_a_list_of_another_type_is_taken_where_no_old_row_is_read(before: CarriedColumn, now: CarriedColumn) -> None:
    judge("replace", [ID, before], [ID, now])


def test_a_single_value_of_another_type_is_read_in_every_row_by_a_merge() -> None:
    assert judge("merge", [ID, column("v", "integer")], [ID, column("v", "bigint")]) == ("v",)
    assert judge("merge", [ID, column("v", "bytea")], [ID, column("v", "bytea", "string")]) == ("v",)
    assert judge("merge", [ID, column("v", "integer[]")], [ID, column("v", "integer[]")]) == ()


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (column("id", "character(3)"), column("id", "character(5)")),
        (column("id", "timestamp without time zone"), column("id", "timestamp(0) without time zone")),
        (column("id", "timestamp with time zone"), column("id", "timestamp with time zone", "string")),
        (column("id", "text"), column("id", "uuid")),
    ],
)
def test_a_key_of_a_type_by_which_old_rows_are_not_found_is_refused_by_a_merge_alone(
    before: CarriedColumn, now: CarriedColumn
) -> None:
    with pytest.raises(PreflightRefused, match=r"key column 'id' was .* in the lake\) and is .* a new name"):
        judge("merge", [before], [now])
    judge("replace", [before], [now])


def test_a_key_that_became_a_wider_number_is_kept() -> None:
    assert judge("merge", [ID], [column("id", "bigint")]) == ("id",)
