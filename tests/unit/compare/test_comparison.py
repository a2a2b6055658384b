"""What is the same and what is not: against plain Python, over hostile values."""

from __future__ import annotations

import datetime as dt
import math
import struct
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bson import Binary, DatetimeMS, Decimal128, Int64, ObjectId, Regex, decode, encode
from hypothesis import given, settings
from hypothesis import strategies as st

from switchyard.compare.digests import BUCKETS, DigestSpool, bucket_of
from switchyard.compare.documents import DocumentForm, compare_document, compare_fields
from switchyard.compare.identity import IdForm
from switchyard.compare.join import Comparison, Suspect
from switchyard.compare.rows import ComparedColumn, compare_row
from switchyard.compare.sameness import CODEC, exact, show
from switchyard.compare.source_text import join_elements, source_value, text_elements, typed_elements

NAN_WITH_BITS = struct.unpack("<d", b"\1\0\0\0\0\0\xf8\xff")[0]
SAME = [
    (Decimal128("1.0"), Decimal128("1.00")),
    (Decimal128("1E+2"), Decimal128("100")),
    (Decimal128("0"), Decimal128("0.000")),
    (Decimal128("NaN"), Decimal128("-NaN")),
    (math.nan, NAN_WITH_BITS),
    (DatetimeMS(1), dt.datetime(1970, 1, 1, microsecond=1000)),
    ({"a": [1, None]}, {"a": [1, None]}),
    (b"a", Binary(b"a", 0)),
]
DIFFERENT = [
    (1, Int64(1)),
    (1, 1.0),
    (1, True),
    (1, Decimal128("1")),
    (1.0, Decimal128("1")),
    (0.0, -0.0),
    (Decimal128("0"), Decimal128("-0")),
    (Decimal128("1.00"), Decimal128("1.01")),
    (DatetimeMS(0), DatetimeMS(1)),
    (DatetimeMS(0), 0),
    ("a", b"a"),
    ("é", "e\u0301"),
    ("1", 1),
    (None, ""),
    (None, False),
    (Binary(b"a", 0), Binary(b"a", 5)),
    ([1, 2], [2, 1]),
    ([], None),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, microsecond=1)),
    (dt.date(2020, 1, 1), dt.datetime(2020, 1, 1)),
    (ObjectId("0" * 24), "0" * 24),
    (Regex("a"), "a"),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_the_same(left: Any, right: Any) -> None:
    assert exact(left) == exact(right)


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_not_the_same_and_shown_apart(left: Any, right: Any) -> None:
    assert exact(left) != exact(right)
    assert show(left) != show(right)


def test_a_field_that_is_not_there_is_not_null_and_order_is_no_difference() -> None:
    cells = compare_fields({"a": None, "b": 1}, {"b": 1, "c": 2})
    assert [(c.column, c.left, c.right) for c in cells] == [
        ("a", ("null", None), ("missing", None)),
        ("c", ("missing", None), ("int", "2")),
    ]
    assert compare_fields({"a": 1, "b": 2}, {"b": 2, "a": 1}) == ()


IDS = pa.schema([pa.field("id", pa.int32())])


@pytest.mark.parametrize("stored", [1, Int64(1), 1.0, Decimal128("1.00")])
def test_a_key_of_another_type_is_the_same_key(stored: Any) -> None:
    form = IdForm(IDS, ["id"])
    assert form.of(encode({"_id": stored, "id": 1})) == encode({"_id": 1})[4:-1]
    assert form.value(form.of(encode({"_id": stored}))) == 1


@pytest.mark.parametrize("stored", [1.5, "1", True, None, Int64(2**40), Decimal128("NaN"), math.inf, {"id": 1}])
def test_a_key_of_another_value_is_another_key(stored: Any) -> None:
    form = IdForm(IDS, ["id"])
    assert form.of(encode({"_id": stored})) == encode({"_id": stored})[4:-1]


def test_keys_of_several_columns_and_of_decimals_meet() -> None:
    schema = pa.schema([pa.field("n", pa.decimal128(12, 2)), pa.field("k", pa.int64()), pa.field("t", pa.string())])
    form = IdForm(schema, ["n", "k", "t"])
    wanted = {"n": Decimal128("1.50"), "k": Int64(7), "t": "x"}
    for stored in (wanted, {"n": 1.5, "k": 7, "t": "x"}, {"n": Decimal128("1.5"), "k": 7.0, "t": "x"}):
        assert form.of(encode({"_id": stored})) == encode({"_id": wanted})[4:-1]
    moved = {"k": Int64(7), "n": Decimal128("1.50"), "t": "x"}
    assert form.of(encode({"_id": moved})) == encode({"_id": moved})[4:-1], "another order is another _id in MongoDB"


def test_a_key_that_is_not_utf8_stands_for_itself() -> None:
    document = encode({"_id": "a?"}).replace(b"a?", b"a\xff")
    assert IdForm(IDS, ["id"]).of(document) == document[4:-1]


def test_repeated_missing_and_extra_documents() -> None:
    form = DocumentForm(pa.schema([pa.field("id", pa.int32())]), ("id",), "refuse")

    def kind(left_n: int, documents: list[dict[str, Any]]) -> str | None:
        found = compare_document(Suspect(b"", 0, left_n, 0, {"id": 1} if left_n else None, None), 1, documents, form)
        return found.kind if found else None

    good = {"_id": 1, "id": 1}
    assert [kind(1, []), kind(0, [good]), kind(0, []), kind(1, [good])] == ["missing", "extra", None, None]
    assert [kind(2, [good]), kind(1, [good, good]), kind(1, [{**good, "id": Int64(1)}])] == [
        "repeated", "repeated", "changed",
    ]  # fmt: skip


KEYS = st.binary(min_size=1, max_size=2)
SIDES = st.dictionaries(KEYS, st.sampled_from([b"", b"a", b"b"]), max_size=30)


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.sets(KEYS, max_size=4), st.integers(1, 7))
def test_exactly_the_differing_buckets_and_keys(
    left: dict[bytes, bytes], right: dict[bytes, bytes], moved: set[bytes], buckets: int
) -> None:
    """Against plain dictionaries; rows that moved take no part on either side."""
    with TemporaryDirectory() as name:
        scratch = Path(name)
        for side, rows in (("left", left), ("right", right)):
            with DigestSpool(scratch / side, buckets) as spool:
                spool.add(list(rows), rows.values(), left_out=[side == "left" and key in moved for key in rows])
        gone = moved & left.keys()
        expected = {k for k in left.keys() | right.keys() if left.get(k) != right.get(k)} - gone
        with Comparison(scratch / "left", scratch / "right", scratch) as compared:
            assert compared.buckets() == sorted({bucket_of(key, buckets) for key in expected})
            found = {s.key: (s.left_n, s.right_n) for batch in compared.suspects([]) for s in batch}
            assert compared.rows() == (len(left.keys() - gone), len(right.keys() - gone))
            assert compared.left_out() == len(gone)
        assert found == {key: (int(key in left), int(key in right)) for key in expected}


def test_two_errors_that_cancel_out_in_a_sum_are_found(tmp_path: Path) -> None:
    for side, rows in (("left", {b"1": b"a", b"2": b"b"}), ("right", {b"1": b"b", b"2": b"a"})):
        with DigestSpool(tmp_path / side, 1) as spool:
            spool.add(list(rows), [key + row for key, row in rows.items()])
    with Comparison(tmp_path / "left", tmp_path / "right", tmp_path) as compared:
        assert sorted(s.key for batch in compared.suspects([]) for s in batch) == [b"1", b"2"]


def test_rows_come_from_the_files_that_they_are_in(tmp_path: Path) -> None:
    files = []
    for number in range(3):
        table = pa.table({"id": [number * 10 + i for i in range(5)], 'it\'s "x"': [f"{number}{i}" for i in range(5)]})
        pq.write_table(table, tmp_path / f"it's {number}.parquet", row_group_size=2)
        files.append(tmp_path / f"it's {number}.parquet")
    with DigestSpool(tmp_path / "left") as spool:
        for number in range(3):
            keys = [str(number * 10 + i).encode() for i in range(5)]
            spool.add(keys, keys, file=number)
    with DigestSpool(tmp_path / "right") as spool:
        spool.add([b"3"], [b"3"])
    with Comparison(tmp_path / "left", tmp_path / "right", tmp_path) as compared:
        found = [s for batch in compared.suspects(files) for s in batch]
    assert len(found) == 14
    assert all(s.left == {"id": int(s.key), 'it\'s "x"': f"{int(s.key) // 10}{int(s.key) % 10}"} for s in found)


def float_text(value: float) -> str:
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(repr(value), repr(value))


COLUMNS: dict[str, tuple[Any, Any, Any]] = {
    "i": (pa.int32(), st.integers(-(2**31), 2**31 - 1), str),
    "l": (pa.int64(), st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)]), str),
    "f": (pa.float64(), st.floats(width=64), float_text),
    "g": (pa.float32(), st.floats(width=32), float_text),
    "d": (pa.decimal128(20, 4), st.decimals(-(10**15), 10**15, places=4), str),
    "s": (pa.string(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4), str),
    "b": (pa.binary(), st.binary(max_size=3), bytes.hex),
    "o": (pa.bool_(), st.booleans(), lambda v: str(v).lower()),
    "y": (pa.date32(), st.dates(), dt.date.isoformat),
    "t": (pa.timestamp("us"), st.datetimes(), lambda v: v.isoformat(" ")),
}


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(sorted(COLUMNS)))
def test_a_text_of_postgresql_equals_the_value_it_is_and_no_other(data: st.DataObject, name: str) -> None:
    kind, values, text = COLUMNS[name]
    left, right = data.draw(st.none() | values), data.draw(st.none() | values)
    if data.draw(st.booleans()):
        right = left
    texts = pa.array([None if left is None else text(left)], pa.string())
    typed = pa.array([right], kind)
    equal = exact(pa.array([left], kind).to_pylist()[0]) == exact(typed.to_pylist()[0])
    assert (join_elements([text_elements(texts, kind)]) == join_elements([typed_elements(typed)])) is equal
    assert (exact(source_value(texts[0].as_py(), kind)) == exact(typed.to_pylist()[0])) is equal


@pytest.mark.parametrize("text", ["unfit", "NaN", "infinity", "", "99999999999"])
def test_a_text_that_the_type_does_not_hold_differs_from_every_value(text: str) -> None:
    for kind in (pa.int32(), pa.decimal128(10, 2), pa.timestamp("us"), pa.date32(), pa.bool_()):
        if text == "99999999999" and pa.types.is_decimal(kind):
            continue
        elements = text_elements(pa.array([text, None], pa.string()), kind)
        assert elements.to_pylist()[1] == typed_elements(pa.array([None], kind)).to_pylist()[0]
        assert elements.to_pylist()[0][:1] == b"\2"


def test_lists_are_compared_by_their_elements() -> None:
    kind = pa.list_(pa.float64())
    for text, value, equal in (("[1,2.5,null]", [1.0, 2.5, None], True), ("[1]", [1.5], False), ("[]", [], True)):
        same = text_elements(pa.array([text]), kind).to_pylist() == typed_elements(pa.array([value], kind)).to_pylist()
        assert same is equal
        assert (exact(source_value(text, kind)) == exact(value)) is equal


def test_a_microsecond_and_a_cent_are_named() -> None:
    columns = [
        ComparedColumn("id", "integer", "int", pa.int32()),
        ComparedColumn("at", "timestamp without time zone", "timestamp", pa.timestamp("us")),
        ComparedColumn("price", "numeric(12,2)", "decimal(12,2)", pa.decimal128(12, 2)),
    ]
    source = {"id": "1", "at": "2020-01-01 00:00:00.000001", "price": "1.01"}
    hive = {"id": 1, "at": dt.datetime(2020, 1, 1), "price": Decimal("1.00")}
    found = compare_row(Suspect(b"k", 3, 1, 1, source, hive), columns, ["id"])
    assert found is not None
    assert (found.key, found.kind, [c.column for c in found.cells]) == ("1", "changed", ["at", "price"])
    assert compare_row(Suspect(b"k", 3, 1, 0, source, None), columns, ["id"]).kind == "missing"
    assert compare_row(Suspect(b"k", 3, 0, 1, None, hive), columns, ["id"]).kind == "extra"


def test_buckets_spread() -> None:
    counts = [0] * BUCKETS
    for i in range(100 * BUCKETS):
        counts[bucket_of(encode({"_id": i})[4:-1])] += 1
    assert 40 < min(counts) <= max(counts) < 200


def test_what_python_cannot_say_is_still_read() -> None:
    late = encode({"_id": 1, "at": DatetimeMS(2**60), "u": Binary(b"0" * 16, 4)})
    shown = {name: show(value) for name, value in decode(late, CODEC).items()}
    assert shown["at"] == ("date", f"{2**60} ms since 1970")
    assert shown["u"] == ("binData(4)", (b"0" * 16).hex())
