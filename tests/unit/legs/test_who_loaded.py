"""The texts of a key that a person types, as the values that MongoDB may have for them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128
from hypothesis import given
from hypothesis import strategies as st

from switchyard.legs.diff.who_loaded import identities, values_of

VALUES: list[tuple[str, Any]] = [
    ("EHV Load 1", "EHV Load 1"),
    ("1", Decimal128("1")),
    ("-12.50", Decimal128("-12.50")),
    ("true", True),
    ("2024-01-31", dt.datetime(2024, 1, 31)),
    ("2024-01-31 12:00:00.250", dt.datetime(2024, 1, 31, 12, 0, 0, 250_000)),
    ("2024-01-31T12:00:00+02:00", dt.datetime(2024, 1, 31, 10)),
    (r"\x00ff", b"\x00\xff"),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_a_text_is_every_value_that_it_can_be(text: str, value: object) -> None:
    assert value in values_of(text)
    assert text in values_of(text), "a text column may hold it as well"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "9" * 35, r"\x0", r"\xzz", "9999-12-31T23:59:59-12:00", "True"])
def test_what_is_no_value_of_a_key_is_a_text(text: str) -> None:
    assert values_of(text) == [text]


@given(st.text())
def test_no_text_is_refused(text: str) -> None:
    assert values_of(text)[0] == text


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_integer_is_a_number(number: int) -> None:
    assert Decimal128(Decimal(number)) in values_of(str(number))


def test_several_columns_make_a_subdocument_of_every_combination() -> None:
    made = list(identities(["name", "n"], ["a", "7"]))
    assert made == [{"name": "a", "n": "7"}, {"name": "a", "n": Decimal128("7")}]
    assert [list(each) for each in made] == [["name", "n"]] * 2
