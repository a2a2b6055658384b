"""One cache key for every Python value that MongoDB takes for the same _id; none for what has no exact form."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from bson import Binary, Decimal128, Int64
from hypothesis import given
from hypothesis import strategies as st

from switchyard.errors import ValueRefused
from switchyard.serve.cache.gate import Gate, script, value, value_seq
from switchyard.serve.cache.keys import cache_key, id_values

UTC_PLUS_2 = dt.timezone(dt.timedelta(hours=2))


@pytest.mark.parametrize(
    "alike",
    [
        [1, Int64(1), Decimal(1), Decimal("1.00"), Decimal128("1.0"), Decimal("1E0")],
        [Decimal("0.50"), Decimal("0.5"), Decimal128("5E-1")],
        [0, Decimal("-0.0"), Decimal128("0E+3")],
        [10**33, Decimal("1E33")],
        [dt.date(2024, 1, 1), dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, 2, tzinfo=UTC_PLUS_2)],
        [b"x", Binary(b"x")],
    ],
)
def test_what_mongodb_takes_for_one_id_is_one_cache_key(alike: list[object]) -> None:
    assert len({cache_key("f", [same]) for same in alike}) == 1


def test_what_mongodb_tells_apart_is_told_apart() -> None:
    different = [
        1,
        True,
        "1",
        "true",
        b"1",
        Decimal("1.1"),
        "1.1",
        dt.date(2024, 1, 1),
        "2024-01-01",
        '{"$binary":"MQ=="}',
    ]
    assert len({cache_key("f", [one]) for one in different}) == len(different)
    assert len({cache_key("f", k) for k in ([1, 2], ["1,2"], ["[1,2]"], [12])}) == 4


@given(st.lists(st.tuples(st.text(), st.integers() | st.text()), min_size=2, max_size=2, unique=True))
def test_different_keys_have_different_texts(keys: list[tuple[object, ...]]) -> None:
    assert cache_key("f", keys[0]) != cache_key("f", keys[1])


@pytest.mark.parametrize("bad", [1.0, None, [1], {"a": 1}, Decimal("NaN"), dt.datetime(2024, 1, 1, microsecond=1)])
def test_what_cannot_be_a_key_is_refused(bad: object) -> None:
    with pytest.raises(ValueRefused):
        cache_key("f", [bad])


def test_a_subdocument_gives_its_values_in_order() -> None:
    assert id_values({"b": 1, "a": 2}) == [1, 2]
    assert id_values(7) == [7]


@pytest.mark.parametrize("text", [b"", b"1|2", b"1|2|ajar", b"x|1|open", b"1|2|open ", b"-1|0|open"])
def test_what_is_no_gate_counts_as_lost(text: bytes) -> None:
    assert Gate.parse(text) is None


def test_only_values_between_floor_and_seq_of_an_open_gate_are_used() -> None:
    gate = Gate.parse(b"7|5|open")
    assert gate is not None
    assert gate.text() == b"7|5|open"
    used = {seq: gate.payload(value(seq, b"p|q")) for seq in (4, 5, 6, 7, 8)}
    assert used == {4: None, 5: b"p|q", 6: b"p|q", 7: b"p|q", 8: None}
    assert gate.payload(value(7, b"")) == b""
    assert gate.payload(b"rubbish") is None
    assert Gate(7, 5, False).payload(value(6, b"p")) is None
    assert value_seq(value(12, b"x" * 50)[:21]) == 12


def test_the_scripts_ship_with_the_package() -> None:
    assert all("KEYS[1]" in script(name) for name in ("close", "open", "floor", "fill"))
