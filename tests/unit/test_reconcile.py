"""Counts, hop by hop: what arrived is compared with what the statement itself said it read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchyard.errors import ReconcileMismatch, SourceMoved
from switchyard.prove.reconcile import Landed, Tally, check_converted, check_landing, tally_lines


def manifest(rows: int, values: list[int]) -> bytes:
    return json.dumps({"m": json.dumps({"rows": rows, "values": values})}).encode() + b"\n"


def chunked(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


@given(st.lists(st.text(), max_size=30), st.integers(1, 50), st.integers(0, 30))
def test_lines_and_manifest_are_counted_wherever_chunks_are_cut(values: list[str], size: int, at: int) -> None:
    rows = [json.dumps({"c0": value}).encode() + b"\n" for value in values]
    rows.insert(min(at, len(rows)), manifest(len(values), [len(values)]))
    landed = tally_lines([chunked(b"".join(rows), size)], 1)
    assert landed.read == Tally(len(values), (len(values),))
    assert landed.lines == len(values)
    assert landed.bytes == sum(map(len, rows))


def test_manifests_of_several_mappers_are_added_up() -> None:
    files = [[manifest(1, [1, 0]) + b'{"c0":"a"}\n'], [manifest(1, [0, 1]) + b'{"c1":"b"}\n']]
    assert tally_lines(files, 2).read == Tally(2, (1, 1))


def test_a_value_that_looks_like_a_manifest_is_a_row() -> None:
    row = json.dumps({"c0": '{"m" : "x"}\n{"m"'}).encode() + b"\n"
    assert tally_lines([[manifest(1, [1]) + row]], 1).lines == 1


def test_a_file_cut_in_the_middle_of_a_line_is_refused() -> None:
    with pytest.raises(ReconcileMismatch, match="middle of a line"):
        tally_lines([[manifest(2, [2]) + b'{"c0":"a"}\n{"c0":']], 1)


@pytest.mark.parametrize("lines", [0, 1, 3])
def test_rows_lost_or_doubled_are_refused_with_both_numbers(lines: int) -> None:
    with pytest.raises(ReconcileMismatch, match=f"read 2 rows and {lines} landed"):
        check_landing(Landed(Tally(2, ()), lines, 0), "f", allow_empty=False, before=None, after=None)


def test_a_source_that_moved_is_named_and_not_blamed_on_the_engine() -> None:
    with pytest.raises(SourceMoved, match="2 rows before, 3 rows after"):
        check_landing(Landed(Tally(2, ()), 2, 0), "f", allow_empty=False, before=2, after=3)


def test_rows_that_the_mappers_did_not_reach_are_refused() -> None:
    with pytest.raises(ReconcileMismatch, match="the source has 3"):
        check_landing(Landed(Tally(2, ()), 2, 0), "f", allow_empty=False, before=3, after=3)


def test_an_empty_source_is_refused_unless_allowed() -> None:
    empty = Landed(Tally(0, ()), 0, 0)
    with pytest.raises(ReconcileMismatch, match="allow_empty"):
        check_landing(empty, "f", allow_empty=False, before=None, after=None)
    check_landing(empty, "f", allow_empty=True, before=None, after=None)


def test_values_lost_in_a_cast_are_refused_by_column() -> None:
    with pytest.raises(ReconcileMismatch, match="b: 3 values became 2"):
        check_converted(Tally(3, (3, 3)), Tally(3, (3, 2)), ["a", "b"], "f")
