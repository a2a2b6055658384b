"""What Hive's rows become in MongoDB: the columnar encoder against a plain one, and what is refused."""

from __future__ import annotations

import datetime as dt
import math
import struct
from decimal import Decimal
from pathlib import Path

import bson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchyard.errors import ReconcileMismatch, ValueRefused
from switchyard.serve.documents.encoder import DocumentEncoder, parquet_files, read_batches, read_schema
from switchyard.serve.documents.expected import expected_document, expected_id, row_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
MILLIS = st.datetimes().map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000))


def integers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    limit = 10 ** min(precision, 34) - 1
    return st.integers(-limit, limit).map(lambda n: Decimal(f"{n}E-{scale}"))


def float32(bits: int) -> float:
    return struct.unpack("<f", struct.pack("<I", bits))[0]


SCALARS = [
    (pa.int8(), integers(8)),
    (pa.int16(), integers(16)),
    (pa.int32(), integers(32)),
    (pa.int64(), integers(64)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), st.floats()),
    (pa.bool_(), st.booleans()),
    (pa.string(), TEXT),
    (pa.large_string(), TEXT),
    (pa.binary(), st.binary(max_size=9)),
    (pa.binary(4), st.binary(min_size=4, max_size=4)),
    (pa.date32(), st.dates()),
    (pa.timestamp("us"), MILLIS),
    (pa.timestamp("ms"), MILLIS),
    (pa.decimal128(38, 20), decimals(38, 20)),
    (pa.decimal128(9, 0), decimals(9, 0)),
    (pa.decimal128(38, 38), decimals(34, 38)),
    (pa.null(), st.none()),
]


@st.composite
def columns(draw: st.DrawFn, depth: int = 2) -> tuple[pa.DataType, st.SearchStrategy]:
    """(Arrow type, values of it), NULL among them."""
    shape = draw(st.sampled_from(["scalar", "scalar", "list", "struct"] if depth else ["scalar"]))
    if shape == "list":
        kind, values = draw(columns(depth - 1))
        return pa.list_(kind), st.none() | st.lists(values, max_size=13)
    if shape == "struct":
        fields = [draw(columns(depth - 1)) for _ in range(draw(st.integers(0, 3)))]
        value = st.fixed_dictionaries({f"f{i}": values for i, (_, values) in enumerate(fields)})
        return pa.struct([(f"f{i}", kind) for i, (kind, _) in enumerate(fields)]), st.none() | value
    kind, values = draw(st.sampled_from(SCALARS))
    return kind, st.none() | values


@st.composite
def batches(draw: st.DrawFn) -> pa.RecordBatch:
    kinds = draw(st.lists(columns(), max_size=4))
    rows = draw(st.integers(0, 20))
    made = [pa.array(draw(st.lists(v, min_size=rows, max_size=rows)), type=kind) for kind, v in kinds]
    keys = pa.array(range(rows), pa.int64())
    batch = pa.RecordBatch.from_arrays([keys, *made], names=["id", *(f"c{i}" for i in range(len(made)))])
    return batch.slice(draw(st.integers(0, rows)))


def same(a: object, b: object) -> bool:
    """Equal, with NaN equal to itself and -0.0 different from 0.0."""
    if isinstance(a, float) and isinstance(b, float):
        return struct.pack("<d", a) == struct.pack("<d", b) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@settings(max_examples=200, deadline=None)
@given(batches())
def test_every_value_arrives_and_comes_back(batch: pa.RecordBatch) -> None:
    documents = DocumentEncoder(batch.schema, ["id"]).encode(batch)
    rows = batch.to_pylist()
    assert len(documents) == len(rows)
    for document, row in zip(documents, rows, strict=True):
        stored = bson.decode(document)
        expected = bson.decode(bson.encode(expected_document(batch.schema, ["id"], row)))
        assert same(stored, expected)
        assert same(row_of(batch.schema, stored), row)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.none() | st.datetimes(), min_size=1, max_size=9), st.sampled_from(["us", "ns"]))
def test_microseconds_are_kept_beside_or_as_text(values: list[dt.datetime | None], unit: str) -> None:
    if unit == "ns":
        values = [v and v.replace(year=1700 + v.year % 500) for v in values]
    schema = pa.schema([("id", pa.int64()), ("t", pa.timestamp(unit))])
    batch = pa.RecordBatch.from_arrays(
        [pa.array(range(len(values))), pa.array(values, schema.field(1).type)], schema=schema
    )
    for policy in ("beside", "string"):
        documents = DocumentEncoder(schema, ["id"], timestamps=policy).encode(batch)
        for value, document in zip(values, documents, strict=True):
            stored = bson.decode(document)
            assert row_of(schema, stored, policy)["t"] == value
            row = {"id": stored["id"], "t": value}
            assert document == bson.encode(expected_document(schema, ["id"], row, policy))


def encode_one(kind: pa.DataType, value: object, **options: str) -> dict:
    batch = pa.RecordBatch.from_arrays([pa.array(["k"]), pa.array([value], kind)], names=["id", "v"])
    return bson.decode(DocumentEncoder(batch.schema, ["id"], where="flow f", **options).encode(batch)[0])


def test_beside_rounds_down_before_1970_and_keeps_the_exact_value() -> None:
    found = encode_one(pa.timestamp("us"), dt.datetime(1969, 12, 31, 23, 59, 59, 999_999), timestamps="beside")
    assert found["v"] == dt.datetime(1969, 12, 31, 23, 59, 59, 999_000)
    assert found["v_us"] == -1
    assert isinstance(found["v_us"], bson.Int64)


def test_an_instant_with_zone_is_stored_in_utc() -> None:
    paris = dt.datetime(2024, 7, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert encode_one(pa.timestamp("us", "Europe/Paris"), paris)["v"] == dt.datetime(2024, 7, 1)
    assert (
        encode_one(pa.timestamp("us", "Europe/Paris"), paris, timestamps="string")["v"] == "2024-07-01T00:00:00.000000"
    )


def test_null_is_a_field() -> None:
    assert encode_one(pa.int32(), None) == {"_id": "k", "id": "k", "v": None}


def test_small_int64_stays_int64() -> None:
    assert isinstance(encode_one(pa.int64(), 1)["v"], bson.Int64)
    assert not isinstance(encode_one(pa.int32(), 1)["v"], bson.Int64)


def test_struct_keeps_microseconds_beside_its_own_field() -> None:
    kind = pa.list_(pa.struct([("t", pa.timestamp("us"))]))
    found = encode_one(kind, [{"t": dt.datetime(2024, 1, 1, microsecond=1)}, None], timestamps="beside")
    assert found["v"] == [{"t": dt.datetime(2024, 1, 1), "t_us": 1_704_067_200_000_001}, None]


REFUSED = [
    (
        pa.timestamp("us"),
        dt.datetime(2024, 1, 1, microsecond=1),
        "finer than MongoDB's millisecond",
        "serve.timestamps",
    ),
    (pa.list_(pa.timestamp("us")), [dt.datetime(2024, 1, 1, microsecond=1)], "finer than", "serve.timestamps: string"),
    (pa.timestamp("us"), 253_402_300_800_000_000, "outside the years 1 to 9999", "cast"),
    (pa.timestamp("us"), -62_135_596_800_000_001, "outside the years 1 to 9999", "cast"),
    (pa.timestamp("s"), 2**62, "out of range", "cast"),
    (pa.timestamp("ns"), 1, "finer than a microsecond", "cast"),
    (pa.date32(), 2_932_897, "outside the years 1 to 9999", "cast"),
    (pa.date32(), -719_163, "outside the years 1 to 9999", "cast"),
    (pa.decimal128(38, 2), Decimal(10**36 - 1).scaleb(-2), "has over 34 digits", "cast"),
    (pa.decimal128(38, 0), -Decimal(10**34), "has over 34 digits", "cast"),
]


@pytest.mark.parametrize(("kind", "value", "what", "cure"), REFUSED)
def test_a_value_that_would_bend_is_refused_with_column_row_and_cure(
    kind: pa.DataType, value: object, what: str, cure: str
) -> None:
    with pytest.raises(ValueRefused, match=what) as caught:
        encode_one(kind, value)
    assert "column v" in caught.value.where
    assert "id=k" in caught.value.where
    assert "flow f" in caught.value.where
    assert cure in caught.value.cure


def test_a_finer_list_value_has_no_field_beside() -> None:
    with pytest.raises(ValueRefused, match="finer"):
        encode_one(pa.list_(pa.timestamp("us")), [dt.datetime(2024, 1, 1, microsecond=1)], timestamps="beside")


def test_text_that_is_not_utf8_is_refused() -> None:
    bad = pa.StringArray.from_buffers(1, pa.py_buffer(struct.pack("<ii", 0, 2)), pa.py_buffer(b"\xff\xfe"))
    batch = pa.RecordBatch.from_arrays([pa.array([1]), bad], names=["id", "v"])
    with pytest.raises(ValueRefused, match="UTF-8"):
        DocumentEncoder(batch.schema, ["id"]).encode(batch)


def not_utf8() -> pa.Array:
    """Two texts, the second of which is none; pyarrow takes the bytes as they are."""
    return pa.StringArray.from_buffers(2, pa.py_buffer(struct.pack("<iii", 0, 1, 3)), pa.py_buffer(b"a\xff\xfe"))


KEYS_SHOWN = [
    (pa.array([b"a", b"\x00\xff"]), r"k=\x00ff"),
    (pa.array([b"abcd", b"\x00\xff\n'"], pa.binary(4)), r"k=\x00ff0a27"),
    (pa.array([b"a", b"\xff" * 5_000]), "… (10,002 characters)"),
    (pa.array(["a", "x" * 5_000]), "… (5,000 characters)"),
    (not_utf8(), r"k=\xff\xfe"),
    (pa.array(["a", "a\nb"]), "k=a\nb"),
    (pa.array([True, False]), "k=false"),
    (pa.array([Decimal("1.00"), Decimal("-2.50")]), "k=-2.50"),
    (pa.array([0, -800_000], pa.date32()), "k=-0221-09-04"),
    (pa.array([0, 1], pa.timestamp("us")), "k=1970-01-01 00:00:00.000001"),
]


@pytest.mark.parametrize(("keys", "shown"), KEYS_SHOWN)
def test_a_refused_row_is_named_by_its_key_whatever_the_key_s_type(keys: pa.Array, shown: str) -> None:
    values = pa.array([dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, microsecond=1)], pa.timestamp("us"))
    batch = pa.RecordBatch.from_arrays([keys, values], names=["k", "v"])
    shown_key = DocumentEncoder(batch.schema, ["k"]).show_key(batch, 1)
    assert shown_key.startswith("k=")
    assert shown in shown_key
    assert len(shown_key) < 250
    if not pa.types.is_string(keys.type) and not pa.types.is_date(keys.type) and not pa.types.is_timestamp(keys.type):
        with pytest.raises(ValueRefused) as caught:
            DocumentEncoder(batch.schema, ["k"], where="flow f").encode(batch)
        assert shown in str(caught.value.where)


def test_the_row_whose_text_is_not_utf8_is_named() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1, 2]), not_utf8()], names=["id", "v"])
    with pytest.raises(ValueRefused, match="UTF-8") as caught:
        DocumentEncoder(batch.schema, ["id"], where="flow f").encode(batch)
    assert caught.value.where == "flow f column v, row id=2"


@pytest.mark.parametrize(
    "kind", [pa.time64("us"), pa.map_(pa.string(), pa.int32()), pa.decimal256(50, 0), pa.uint64(), pa.duration("s")]
)
def test_types_without_a_bson_type_are_refused_before_any_row(kind: pa.DataType) -> None:
    for nested in (kind, pa.list_(kind), pa.struct([("x", kind)])):
        with pytest.raises(ValueRefused, match=r"column v.* cast it to string"):
            DocumentEncoder(pa.schema([("id", pa.int64()), ("v", nested)]), ["id"])


@pytest.mark.parametrize(
    ("names", "key", "what", "cure"),
    [
        (["id", "a.b"], ["id"], "'a.b' cannot be a MongoDB field name", "give it another name, columns: "),
        (["id", "$x"], ["id"], "cannot be a MongoDB field name", "give it another name, columns: "),
        (["id", "a", "a"], ["id"], "column a occurs twice", "give it another name, columns: "),
        (["id", "_id"], ["id"], "_id is not in `serve.key`", "set serve.key to _id"),
        (["id"], ["nope"], "key column nope is missing", "name one of the columns that there are (id)"),
        (["id"], [], "one or more", "name each of them once in serve.key"),
        (["id"], ["id", "id"], "one or more", "name each of them once in serve.key"),
        (["id", "t", "t_us"], ["id"], "adds field t_us", "set serve.timestamps to string"),
        (["id", "a.b"], ["nope"], "key column nope is missing", "name one of the columns"),
    ],
)
def test_names_and_keys_are_checked_at_once(names: list[str], key: list[str], what: str, cure: str) -> None:
    schema = pa.schema([(name, pa.timestamp("us") if name == "t" else pa.int64()) for name in names])
    with pytest.raises(ValueRefused, match=what.replace("$", r"\$")) as caught:
        DocumentEncoder(schema, key, timestamps="beside")
    assert cure in str(caught.value), "each fault has a cure of its own"


@pytest.mark.parametrize("kind", [pa.float64(), pa.list_(pa.int32()), pa.struct([("x", pa.int32())]), pa.null()])
def test_what_identifies_no_row_is_no_key(kind: pa.DataType) -> None:
    with pytest.raises(ValueRefused, match="identifies no row exactly"):
        DocumentEncoder(pa.schema([("id", kind)]), ["id"])


def test_null_in_a_key_is_refused_with_its_count() -> None:
    batch = pa.record_batch({"a": [1, None, None], "b": [1, 2, 3]})
    with pytest.raises(ValueRefused, match="2 rows have NULL in key column a"):
        DocumentEncoder(batch.schema, ["b", "a"]).encode(batch)


def test_several_columns_make_a_subdocument_in_key_order() -> None:
    batch = pa.record_batch({"day": pa.array([dt.date(2024, 1, 2)]), "profile": ["H0"], "kw": [1.5]})
    stored = bson.decode(DocumentEncoder(batch.schema, ["profile", "day"]).encode(batch)[0])
    assert list(stored["_id"].items()) == [("profile", "H0"), ("day", dt.datetime(2024, 1, 2))]
    assert list(stored) == ["_id", "day", "profile", "kw"]
    assert stored["_id"] == expected_id(batch.schema, ["profile", "day"], ["H0", dt.date(2024, 1, 2)])


def test_a_key_finer_than_a_millisecond_is_refused_even_beside() -> None:
    batch = pa.record_batch({"t": pa.array([dt.datetime(2024, 1, 1, microsecond=1)], pa.timestamp("us"))})
    with pytest.raises(ValueRefused, match="finer"):
        DocumentEncoder(batch.schema, ["t"], timestamps="beside").encode(batch)
    stored = bson.decode(DocumentEncoder(batch.schema, ["t"], timestamps="string").encode(batch)[0])
    assert stored["_id"] == "2024-01-01T00:00:00.000001"


def test_a_key_column_named_id_is_written_once() -> None:
    batch = pa.record_batch({"v": ["x"], "_id": [1]})
    assert bson.decode(DocumentEncoder(batch.schema, ["_id"]).encode(batch)[0]) == {"_id": 1, "v": "x"}


def test_a_document_over_16_mib_is_refused_with_its_key() -> None:
    batch = pa.record_batch({"id": [1, 77], "v": ["x", "x" * (16 * 1024 * 1024)]})
    with pytest.raises(ValueRefused, match="MongoDB's limit is 16,777,216") as caught:
        DocumentEncoder(batch.schema, ["id"]).encode(batch)
    assert "id=77" in caught.value.where


def test_files_are_read_in_bounded_batches_and_other_files_left_alone(tmp_path: Path) -> None:
    wide = pa.table({"id": range(100), "v": [bytes([i]) * 1_000_000 for i in range(100)]})
    pq.write_table(wide, tmp_path / "000000_0", compression="zstd", use_dictionary=False)
    pq.write_table(wide.slice(0, 0), tmp_path / "000001_0")
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "000002_0").touch()
    (tmp_path / ".000000_0.crc").write_bytes(b"x")
    files = parquet_files(tmp_path)
    assert [f.name for f in files] == ["000000_0", "000001_0"]
    found = list(read_batches(files))
    assert max(batch.num_rows for batch in found) < 20
    schema = read_schema(files)
    assert schema is not None
    assert sum(map(len, DocumentEncoder(schema, ["id"]).encode_all(found))) == 100


def test_a_file_with_other_columns_is_refused() -> None:
    encoder = DocumentEncoder(pa.schema([("id", pa.int64())]), ["id"])
    with pytest.raises(ReconcileMismatch, match="columns differ"):
        encoder.encode(pa.record_batch({"id": pa.array([1], pa.int32())}))
