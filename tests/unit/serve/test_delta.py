"""Which keys changed between two versions: against a plain comparison of Python rows."""

from __future__ import annotations

import datetime as dt
import math
import struct
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import bson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchyard.errors import ValueRefused
from switchyard.serve.delta import changed_rows, compute_delta, read_changed_ids
from switchyard.serve.documents.align import align_columns
from switchyard.serve.mongo.digest import ContentDigest
from switchyard.serve.mongo.in_place import read_chunks, write_replacements

SCHEMA = pa.schema(
    [
        ("k", pa.string()),
        ("n", pa.int32()),
        ("i", pa.int64()),
        ("f", pa.float64()),
        ("g", pa.float32()),
        ("s", pa.string()),
        ("b", pa.binary()),
        ("d", pa.decimal128(38, 10)),
        ("t", pa.timestamp("us")),
        ("day", pa.date32()),
        ("l", pa.list_(pa.float64())),
        ("m", pa.list_(pa.list_(pa.string()))),
        ("st", pa.struct([("x", pa.float32()), ("y", pa.string())])),
    ]
)
NUMBERS = st.sampled_from([0.0, -0.0, 1.5, math.nan, math.inf])
TEXTS = st.sampled_from(["", "NULL", "a", "a\0", "nan", "-0.0", "[", "'"])
VALUES = {
    "i": st.integers(0, 2),
    "f": NUMBERS,
    "g": NUMBERS,
    "s": TEXTS,
    "b": st.sampled_from([b"", b"\0", b"a"]),
    "d": st.sampled_from([Decimal(0), Decimal("1E-10")]),
    "t": st.sampled_from([dt.datetime(1, 1, 1), dt.datetime(1, 1, 1, microsecond=1)]),
    "day": st.sampled_from([dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
    "l": st.lists(st.none() | NUMBERS, max_size=2),
    "m": st.lists(st.none() | st.lists(st.none() | TEXTS, max_size=2), max_size=2),
    "st": st.fixed_dictionaries({"x": st.none() | NUMBERS, "y": st.none() | TEXTS}),
}
ROWS = st.dictionaries(
    st.tuples(TEXTS, st.integers(0, 2)),
    st.fixed_dictionaries({k: st.none() | v for k, v in VALUES.items()}),
    max_size=5,
)


def exact(value: object) -> object:
    """A form in which == is exact: NaN as one, the sign of zero seen."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    if isinstance(value, list):
        return [exact(v) for v in value]
    return {k: exact(v) for k, v in value.items()} if isinstance(value, dict) else (type(value), value)


def write(path: Path, rows: dict) -> list[Path]:
    pq.write_table(pa.Table.from_pylist([{"k": k, "n": n, **row} for (k, n), row in rows.items()], SCHEMA), path)
    return [path]


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS, st.data())
def test_exactly_the_changed_keys(old: dict, new: dict, data: st.DataObject) -> None:
    if old:  # often one value of a row away
        key = data.draw(st.sampled_from(sorted(old)))
        column = data.draw(st.sampled_from(sorted(VALUES)))
        new = {**old, **new, key: {**old[key], column: data.draw(st.none() | VALUES[column])}}
    expected = {
        "insert": new.keys() - old.keys(),
        "delete": old.keys() - new.keys(),
        "update": {k for k in old.keys() & new.keys() if exact(old[k]) != exact(new[k])},
    }
    with TemporaryDirectory() as name:
        scratch = Path(name)
        files = write(scratch / "n", new)
        report = compute_delta(write(scratch / "o", old), files, ["k", "n"], scratch / "out")
        found = [row for batch in changed_rows(files, report.file, ["k", "n"]) for row in batch.to_pylist()]
        wanted = [k for k in new if k in expected["insert"] | expected["update"]]
        assert [exact(row) for row in found] == [exact({"k": k, "n": n, **new[k, n]}) for k, n in wanted], (
            "whole rows, in the files' order"
        )
        for op, keys in expected.items():
            found = [tuple(i.values()) for i in read_changed_ids(report.file, ["k", "n"], ops=[op])]
            assert sorted(found) == sorted(keys)
    assert (report.inserted, report.updated, report.deleted) == tuple(
        map(len, (expected["insert"], expected["update"], expected["delete"]))
    )
    assert report.unchanged == len(new) - report.inserted - report.updated
    assert report.comparable


EQUAL_KEYS = {
    "0.0 for -0.0": (pa.float64(), -0.0, 0.0),
    "-0.0 for 0.0": (pa.float32(), 0.0, -0.0),
    "in a list": (pa.list_(pa.float64()), [0.0, 1.0], [-0.0, 1.0]),
    "in a struct": (pa.struct([("x", pa.float32())]), {"x": 0.0}, {"x": -0.0}),
}
OTHER_KEYS = {
    "a blank at the end": (pa.string(), "a", "a "),
    "a NUL at the end": (pa.string(), "a", "a\0"),
    "case": (pa.string(), "a", "A"),
    "composed": (pa.string(), "\u00e9", "e\u0301"),
    "bytes": (pa.binary(), b"", b"\0"),
    "decimal": (pa.decimal128(38, 2), Decimal("1.00"), Decimal("1.01")),
    "a microsecond": (pa.timestamp("us"), dt.datetime(1, 1, 1), dt.datetime(1, 1, 1, microsecond=1)),
    "a day": (pa.date32(), dt.date(1, 1, 1), dt.date(1, 1, 2)),
    "boolean": (pa.bool_(), False, True),
    "the smallest double": (pa.float64(), 0.0, 5e-324),
    "NaN": (pa.float64(), 0.0, math.nan),
    "a list of texts": (pa.list_(pa.string()), ["a", None], ["a", ""]),
}


@pytest.mark.parametrize("case", EQUAL_KEYS)
def test_a_key_that_is_equal_and_another_value_is_never_unchanged(case: str, tmp_path: Path) -> None:
    kind, before, after = EQUAL_KEYS[case]
    old = table(tmp_path / "o", k=pa.array([before], kind), n=[1])
    new = table(tmp_path / "n", k=pa.array([after], kind), n=[1])
    report = compute_delta(old, new, ["n", "k"], tmp_path / "out")
    assert not report.comparable
    assert (report.inserted, report.updated, report.deleted, report.unchanged) == (1, 0, 1, 0)
    assert compute_delta(new, new, ["n", "k"], tmp_path / "same").unchanged == 1


@pytest.mark.parametrize("case", OTHER_KEYS)
def test_keys_of_different_values_are_different_keys(case: str, tmp_path: Path) -> None:
    kind, before, after = OTHER_KEYS[case]
    old = table(tmp_path / "o", k=pa.array([before], kind))
    new = table(tmp_path / "n", k=pa.array([after], kind))
    report = compute_delta(old, new, ["k"], tmp_path / "out")
    assert report.comparable
    assert (report.inserted, report.updated, report.deleted, report.unchanged) == (1, 0, 1, 0)


def test_changed_rows_of_several_files_and_batches(tmp_path: Path) -> None:
    files = [
        table(tmp_path / f"n{part}", id=range(part * 20_000, (part + 1) * 20_000), v=[part] * 20_000)[0]
        for part in range(3)
    ]
    changed = [0, 8191, 8192, 19_999, 20_000, 59_999]
    old = table(tmp_path / "o", id=range(1, 60_000), v=[-1 if i in changed else i // 20_000 for i in range(1, 60_000)])
    report = compute_delta(old, files, ["id"], tmp_path / "out")
    batches = list(changed_rows(files, report.file, ["id"]))
    assert [row["id"] for batch in batches for row in batch.to_pylist()] == changed
    assert {batch.schema for batch in batches} == {pa.schema([("id", pa.int64()), ("v", pa.int64())])}


def test_partitions_of_different_ages_are_aligned_to_the_newest(tmp_path: Path) -> None:
    old = table(tmp_path / "a", id=pa.array([1, 2], pa.int32()), gone=["x", "y"], w=pa.array([1.5, None], pa.float32()))
    new = table(tmp_path / "b", id=pa.array([3], pa.int64()), w=pa.array([2.5]), added=["z"])
    found = align_columns([*old, *new], tmp_path / "aligned")
    assert found[1:] == new, "the newest is left as it is"
    rows = [row for file in found for row in pq.read_table(file).to_pylist()]
    assert rows == [
        {"id": 1, "w": 1.5, "added": None},
        {"id": 2, "w": None, "added": None},
        {"id": 3, "w": 2.5, "added": "z"},
    ]
    assert {pq.read_schema(file) for file in found} == {pq.read_schema(new[0])}
    assert align_columns([], tmp_path) == []
    assert align_columns(new * 2, tmp_path) == new * 2


@given(st.lists(st.lists(st.binary(max_size=50), max_size=5), max_size=5))
def test_replacements_are_read_back_as_they_were_written(batches: list[list[bytes]]) -> None:
    with TemporaryDirectory() as name:
        encoded = [[bson.encode({"_id": data, "n": n}) for n, data in enumerate(batch)] for batch in batches]
        made = write_replacements(encoded, Path(name, "f"))
        found = [document.raw for chunk in read_chunks(made.file) for document in chunk]
    assert found == [document for batch in encoded for document in batch]
    digest = ContentDigest()
    digest.add(found)
    assert (made.documents, made.digest) == (len(found), digest.hex)


def table(path: Path, **columns: object) -> list[Path]:
    pq.write_table(pa.table(columns), path)
    return [path]


def ids(file: Path) -> list:
    return sorted(read_changed_ids(file, ["id"]))


@pytest.mark.parametrize(
    "new",
    [
        {"id": [1, 2], "v": [1, 2], "w": pa.nulls(2, pa.int32())},
        {"id": [1, 2]},
        {"id": [1, 2], "v": pa.array([1, 2], pa.int32())},
        {"id": [1, 2], "v2": [1, 2]},
        {"v": [1, 2], "id": [1, 2]},
    ],
    ids=["added", "dropped", "retyped", "renamed", "moved"],
)
def test_a_changed_schema_updates_every_row(tmp_path: Path, new: dict) -> None:
    old = table(tmp_path / "o", id=[1, 2], v=[1, 2])
    report = compute_delta(old, table(tmp_path / "n", **new), ["id"], tmp_path / "out")
    assert (report.inserted, report.updated, report.deleted, report.unchanged) == (0, 2, 0, 0)
    assert ids(report.file) == [1, 2]


def test_a_retyped_or_new_key_cannot_be_compared(tmp_path: Path) -> None:
    old = table(tmp_path / "o", id=["1", "2", "3"])
    for new in (table(tmp_path / "n", id=[1, 2]), table(tmp_path / "m", id=[1, 2], other=["a", "b"])):
        report = compute_delta(old, new, ["id"], tmp_path / "out")
        assert (report.inserted, report.deleted, report.unchanged, report.comparable) == (2, 3, 0, False)
        assert ids(report.file) == [1, 2]


def test_nothing_before_and_nothing_after(tmp_path: Path) -> None:
    some, none = table(tmp_path / "s", id=[1, 2]), table(tmp_path / "e", id=pa.array([], pa.int64()))
    for empty in ([], none):
        assert compute_delta(empty, some, ["id"], tmp_path / "out").inserted == 2
        assert compute_delta(some, empty, ["id"], tmp_path / "out").deleted == 2
        assert ids(tmp_path / "out") == [1, 2]
        assert compute_delta(empty, empty, ["id"], tmp_path / "out").changed == 0
        assert ids(tmp_path / "out") == []


def test_repeated_keys_are_refused_with_examples_and_count(tmp_path: Path) -> None:
    new = table(tmp_path / "n", a=[1, 1, 1, 2, 2, 3], b=["x"] * 6)
    with pytest.raises(ValueRefused, match=r"2 keys occur more than once, e.g. 1, 'x' \(3 rows\); 2, 'x' \(2 rows\)"):
        compute_delta([], new, ["a", "b"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_repeated_key_of_many_characters_is_shown_by_its_beginning(tmp_path: Path) -> None:
    new = table(tmp_path / "n", a=["x" * 50_000, "x" * 50_000])
    with pytest.raises(ValueRefused, match=r"once, e.g. 'x{199}… \(50,002 characters\) \(2 rows\)"):
        compute_delta([], new, ["a"], tmp_path / "out")


def test_null_keys_and_missing_key_columns_are_refused(tmp_path: Path) -> None:
    new = table(tmp_path / "n", a=[1, None], b=[None, None])
    with pytest.raises(ValueRefused, match="2 rows have NULL in the key"):
        compute_delta([], new, ["a", "b"], tmp_path / "out")
    with pytest.raises(ValueRefused, match="key columns missing: c; the columns are a, b"):
        compute_delta([], new, ["a", "c"], tmp_path / "out")


def test_names_with_quotes_and_several_files(tmp_path: Path) -> None:
    odd = tmp_path / "it's"
    odd.mkdir()
    one, two = table(odd / "load=1.parquet", **{'a "b"': [1]}), table(odd / "load=2.parquet", **{'a "b"': [2]})
    assert compute_delta([], one + two, ['a "b"'], odd / "out").inserted == 2


def test_no_scratch_is_left_and_little_memory_is_enough(tmp_path: Path) -> None:
    n = 200_000
    old = table(tmp_path / "o", id=range(n), v=[f"{i} {'x' * 100}" for i in range(n)])
    new = table(tmp_path / "n", id=range(n), v=[f"{i + (i == 7)} {'x' * 100}" for i in range(n)])
    report = compute_delta(old, new, ["id"], tmp_path / "out", memory_limit="64MB")
    assert (report.updated, report.unchanged) == (1, n - 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["n", "o", "out"]


def test_a_timestamp_key_comes_as_it_is_stored(tmp_path: Path) -> None:
    moment = dt.datetime(2024, 1, 1, microsecond=1)
    report = compute_delta(
        [], table(tmp_path / "n", id=pa.array([moment], pa.timestamp("us"))), ["id"], tmp_path / "out"
    )
    assert list(read_changed_ids(report.file, ["id"], timestamps="string")) == ["2024-01-01T00:00:00.000001"]
