"""A column that is another one than the plan saw is a change, whatever of it is another; a new one is none; pure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from switchyard.legs.ingest.unmoved import column_changes
from switchyard.types.carry import CarriedColumn, SourceColumn, carry
from switchyard.types.postgres_type import PostgresType

TEXTS = ("integer", "bigint", "real", "double precision", "numeric(10,2)", "numeric(12,4)", "text", "timestamp(3)")
MOOD = PostgresType("mood", kind="e", labels=("sad", "glad"))
SEEN = SourceColumn("a", PostgresType("integer", "int4"), place="77:16400.1")


def planned(column: SourceColumn) -> CarriedColumn:
    carried = carry(replace(column, type=replace(column.type, text="text", catalog="text")), None)
    assert isinstance(carried, CarriedColumn)
    shown = column.type.element or column.type
    return replace(carried, postgres_type=column.type.text, labels=shown.labels)


@pytest.mark.parametrize("now", TEXTS)
@pytest.mark.parametrize("before", TEXTS)
def test_another_type_is_a_change_and_the_same_is_none(before: str, now: str) -> None:
    columns = [replace(SEEN, type=PostgresType(text)) for text in (before, now)]
    sentence = [] if before == now else [f"column a was {before} and is {now}"]
    assert column_changes([planned(columns[0])], [columns[1]]) == sentence


@pytest.mark.parametrize(
    ("place", "changed"),
    [
        ("77:16400.1", False),
        ("77:16400.2", True),
        ("77:16999.1", True),
        ("", False),
    ],
    ids=["the same", "dropped and added again", "its table was made anew", "computed, so that nobody knows"],
)
def test_a_column_has_a_place(place: str, changed: bool) -> None:
    assert bool(column_changes([planned(SEEN)], [replace(SEEN, place=place)])) == changed
    assert column_changes([planned(replace(SEEN, place=""))], [replace(SEEN, place=place)]) == []


def test_a_column_that_is_gone_is_a_change_and_a_new_one_is_none() -> None:
    other = replace(SEEN, name="b", place="77:16400.2")
    assert column_changes([planned(SEEN), planned(other)], [SEEN]) == ["column b is gone"]
    assert column_changes([planned(SEEN)], [other, SEEN]) == []


def test_a_column_that_the_source_lost_before_the_plan_is_not_looked_for() -> None:
    assert column_changes([replace(planned(SEEN), source="")], []) == []


@pytest.mark.parametrize("labels", [("sad", "happy"), ("glad", "sad"), ("sad", "glad", "mad")])
@pytest.mark.parametrize("is_array", [False, True])
def test_labels_are_part_of_a_type(labels: tuple[str, ...], is_array: bool) -> None:
    def column(of: tuple[str, ...]) -> SourceColumn:
        mood = replace(MOOD, labels=of)
        return replace(SEEN, type=PostgresType("mood[]", element=mood) if is_array else mood)

    before = planned(column(MOOD.labels))
    assert column_changes([before], [column(MOOD.labels)]) == []
    assert column_changes([before], [column(labels)]) == [
        "column a: the labels, fields or locale of its type have changed"
    ]


def test_labels_that_the_plan_did_not_carry_are_not_compared() -> None:
    money = replace(SEEN, type=PostgresType("money", "money", labels=("C",)))
    assert column_changes([replace(planned(money), labels=())], [money]) == []
