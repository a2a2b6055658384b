"""Counts, hop by hop: what arrived is compared with what the statement itself said it read."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.postgres_types import postgres_type
from switchyard.errors import ReconcileMismatch, SourceMoved
from switchyard.flow.proof import Reconcile
from switchyard.prove.reconcile import (
    Landing,
    check_converted,
    check_equation,
    check_landing,
    check_shrink,
    check_snapshot,
    tally_lines,
)
from switchyard.types.aggregates import add_up, differences, hive_aggregates, source_aggregates
from switchyard.types.carry import CarriedColumn, SourceColumn, carry
from switchyard.types.read import Read

EXACT = Reconcile()


def column(type_name: str, name: str = "c") -> CarriedColumn:
    found = carry(SourceColumn(name, postgres_type(type_name)))
    assert isinstance(found, CarriedColumn)
    return found


def manifest(rows: int, columns: list[dict[str, object]], refused: int = 0, high: str | None = None) -> bytes:
    said = {"rows": rows, "refused": refused, "high": high, "columns": columns}
    return json.dumps({"m": json.dumps(said)}).encode() + b"\n"


def values(*counts: int) -> list[dict[str, object]]:
    return [{"values": count} for count in counts]


def read(rows: int, *columns: dict[str, object]) -> Read:
    return Read(rows, 0, None, tuple(columns))


def chunked(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


@given(st.lists(st.text(), max_size=30), st.integers(1, 50), st.integers(0, 30))
def test_lines_and_manifest_are_counted_wherever_chunks_are_cut(texts: list[str], size: int, at: int) -> None:
    rows = [json.dumps({"c0": text}).encode() + b"\n" for text in texts]
    rows.insert(min(at, len(rows)), manifest(len(texts), values(len(texts))))
    landed = tally_lines([chunked(b"".join(rows), size)], "f", "/d")
    assert [part.rows for part in landed.manifests] == [len(texts)]
    assert landed.lines == len(texts)
    assert landed.bytes == sum(map(len, rows))


def test_manifests_of_several_mappers_are_added_up() -> None:
    numbers = [{"values": 1, "min": "5", "max": "5", "sum": "5"}, {"values": 2, "min": "-3", "max": "12", "sum": "9"}]
    files = [[manifest(1, numbers[:1]) + b'{"c0":"5"}\n'], [manifest(2, numbers[1:], 1) + b'{"c0":"1"}\n{"c0":"2"}\n']]
    whole = tally_lines(files, "f", "/d").read([column("integer")])
    assert (whole.rows, whole.refused) == (3, 1)
    assert dict(whole.columns[0]) == {"values": "3", "min": "-3", "max": "12", "sum": "14"}


def test_a_value_that_looks_like_a_manifest_is_a_row() -> None:
    row = json.dumps({"c0": '{"m" : "x"}\n{"m"'}).encode() + b"\n"
    assert tally_lines([[manifest(1, values(1)) + row]], "f", "/d").lines == 1


def aggregates(rows: list[tuple[int, str]]) -> Read:
    numbers = [number for number, _ in rows]
    extremes = {"min": str(min(numbers)), "max": str(max(numbers))} if numbers else {"min": None, "max": None}
    number = {"values": len(rows), "sum": str(sum(numbers)) if numbers else None, **extremes}
    digest = str(sum(int.from_bytes(text.encode()) for _, text in rows)) if rows else None
    return read(len(rows), number, {"values": len(rows), "digest": digest})


TABLE = st.dictionaries(st.integers(0, 9), st.sampled_from("abcdef"), max_size=8)


@given(TABLE, TABLE, st.integers(0, 10))
def test_mappers_that_read_rows_of_two_moments_are_seen_whatever_moved(
    before: dict[int, str], after: dict[int, str], split: int
) -> None:
    """The first mapper reads keys below the split in one state of the table, the second the others in the next."""
    rows = [row for row in before.items() if row[0] < split] + [row for row in after.items() if row[0] >= split]
    columns = [column("integer", "id"), column("text", "v")]
    landed, now = aggregates(rows), aggregates(list(after.items()))
    if sorted(rows) == sorted(after.items()):
        check_snapshot(landed, now, columns, "f")
    elif landed != now:  # sums of two columns may be equal by chance
        with pytest.raises(SourceMoved, match="several mappers"):
            check_snapshot(landed, now, columns, "f")


def test_two_rows_that_changed_places_between_mappers_are_seen_though_the_counts_are_equal() -> None:
    columns = [column("integer", "id"), column("text", "v")]
    landed, now = aggregates([(5, "a"), (35, "a")]), aggregates([(5, "b"), (35, "a")])
    with pytest.raises(SourceMoved, match=r"v: digest .* became"):
        check_snapshot(landed, now, columns, "f")
    refused = Read(now.rows, 1, None, now.columns)
    with pytest.raises(SourceMoved, match="refused rows 0, and 1 after it"):
        check_snapshot(now, refused, columns, "f")


def test_a_file_cut_in_the_middle_of_a_line_is_refused() -> None:
    with pytest.raises(ReconcileMismatch, match="middle of a line"):
        tally_lines([[manifest(2, values(2)) + b'{"c0":"a"}\n{"c0":']], "f", "/d")


@pytest.mark.parametrize("lines", [0, 1, 3])
def test_rows_lost_or_doubled_are_refused_with_both_numbers(lines: int) -> None:
    with pytest.raises(ReconcileMismatch, match=f"read 2 rows, but {lines} landed"):
        check_landing(Landing((read(2),), lines, 0), "f", policy=EXACT, may_be_empty=False, before=None, after=None)


def test_a_landing_without_a_manifest_is_refused() -> None:
    with pytest.raises(ReconcileMismatch, match="read 0 rows, but 0 landed"):
        check_landing(Landing((), 0, 0), "f", policy=EXACT, may_be_empty=True, before=None, after=None)


def test_a_source_that_moved_is_named_and_not_blamed_on_the_engine() -> None:
    with pytest.raises(SourceMoved, match="2 rows before, 3 rows after"):
        check_landing(Landing((read(2),), 2, 0), "f", policy=EXACT, may_be_empty=False, before=2, after=3)


def test_rows_that_the_mappers_did_not_reach_are_refused() -> None:
    with pytest.raises(ReconcileMismatch, match="the source has 3"):
        check_landing(Landing((read(2),), 2, 0), "f", policy=EXACT, may_be_empty=False, before=3, after=3)


def test_an_empty_source_is_refused_unless_allowed() -> None:
    empty = Landing((read(0),), 0, 0)
    with pytest.raises(ReconcileMismatch, match="allow_empty"):
        check_landing(empty, "f", policy=EXACT, may_be_empty=False, before=None, after=None)
    check_landing(empty, "f", policy=Reconcile(allow_empty=True), may_be_empty=False, before=None, after=None)
    check_landing(empty, "f", policy=EXACT, may_be_empty=True, before=None, after=None)


def test_values_lost_in_a_cast_are_refused_by_column() -> None:
    there, here = read(3, *values(3, 3)), values(3, 2)
    with pytest.raises(ReconcileMismatch, match="b: 3 values became 2"):
        check_converted(there, 3, here, [column("json", "a"), column("json", "b")], "f")


@pytest.mark.parametrize(
    ("type_name", "there", "here"),
    [
        ("integer", {"sum": "7"}, {"sum": "8"}),
        ("numeric(9,2)", {"min": "1.50"}, {"min": "1.51"}),
        ("text", {"digest": "123"}, {"digest": "124"}),
        ("boolean", {"true": 3}, {"true": 2}),
        ("timestamp without time zone", {"max": "2020-01-01 00:00:00.000001"}, {"max": "2020-01-01 00:00:00"}),
        ("double precision", {"finite": 2}, {"finite": 1}),
    ],
)
def test_other_rows_under_equal_counts_are_found(
    type_name: str, there: dict[str, object], here: dict[str, object]
) -> None:
    told = differences([column(type_name)], [{"values": 3, **there}], [{"values": 3, **here}])
    assert len(told) == 1
    assert told[0].startswith("c: ")


@pytest.mark.parametrize(
    ("type_name", "there", "here"),
    [
        ("numeric(9,2)", {"min": "1.5", "sum": "10"}, {"min": "1.50", "sum": "10.00"}),
        ("timestamp without time zone", {"max": "2020-01-01 00:00:00.5"}, {"max": "2020-01-01 00:00:00.500"}),
        ("real", {"max": "0.1"}, {"max": "0.10000000149011612"}),
        ("double precision", {"max": "1e+23"}, {"max": "1.0E23"}),
    ],
)
def test_one_value_in_two_spellings_is_equal(type_name: str, there: dict[str, object], here: dict[str, object]) -> None:
    assert differences([column(type_name)], [{"values": 3, **there}], [{"values": 3, **here}]) == []


@pytest.mark.parametrize(
    "type_name", ["integer", "numeric(38,0)", "text", "bytea", "boolean", "date", "real", "json", "integer[]"]
)
def test_both_sides_count_the_same_things(type_name: str) -> None:
    found = column(type_name)
    assert list(source_aggregates(found)) == list(hive_aggregates(found))
    assert set(add_up(found, [dict.fromkeys(source_aggregates(found))])) == set(source_aggregates(found))


@given(st.lists(st.integers(-(10**38) + 1, 10**38 - 1), min_size=1, max_size=4), st.integers(0, 38))
def test_sums_of_several_statements_keep_every_digit(parts: list[int], scale: int) -> None:
    found = column(f"numeric(28,{min(scale, 28)})")
    read = [{"values": 1, "min": None, "max": None, "sum": f"{part}e-{scale}"} for part in parts]
    assert Decimal(add_up(found, read)["sum"]) == Decimal((sum(parts) < 0, *digits(sum(parts), scale)))


def digits(number: int, scale: int) -> tuple[tuple[int, ...], int]:
    return tuple(map(int, str(abs(number)))), -scale


def test_an_equation_names_every_part() -> None:
    assert check_equation("it read", 5, "Hive has", {"kept": 3, "quarantined": 2}, "f", EXACT) is None
    with pytest.raises(ReconcileMismatch, match=r"it read 5 rows, but Hive has 4 \(3 kept \+ 1 quarantined\)"):
        check_equation("it read", 5, "Hive has", {"kept": 3, "quarantined": 1}, "f", EXACT)
    tolerant = Reconcile(policy="tolerance", tolerance="20%")
    assert "has 4" in str(check_equation("it read", 5, "Hive has", {"kept": 4}, "f", tolerant))


def test_a_version_may_shrink_as_far_as_the_flow_says() -> None:
    check_shrink(100, 80, "f", Reconcile(max_shrink="20%"))
    check_shrink(None, 0, "f", Reconcile(max_shrink="0"))
    with pytest.raises(ReconcileMismatch, match="21 fewer"):
        check_shrink(100, 79, "f", Reconcile(max_shrink="20%"))
