"""Names that Switchyard adds to somebody's columns: a table whose columns have all of them is as good as any other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from harness.postgres_types import postgres_type
from switchyard.compare.digests import DigestSpool
from switchyard.compare.join import Comparison
from switchyard.extract.statement import Bounds, build_statement
from switchyard.flow.spec import Source
from switchyard.lake.hiveql.merging import Merge
from switchyard.lake.hiveql.statements import Division, count_broken, find_partition_clash, seq_partition
from switchyard.prove.checks import RowCheck
from switchyard.serve.delta import changed_rows, compute_delta, read_changed_ids
from switchyard.types.carry import CarriedColumn, SourceColumn, carry
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import BOOLEAN, INT
from switchyard.types.quoting import free_name

NAMES = st.from_regex(r"[A-Za-z_][a-z0-9_]{0,5}", fullmatch=True)


@given(NAMES, st.sets(NAMES))
def test_a_free_name_is_not_taken_whatever_the_capitals(wanted: str, taken: set[str]) -> None:
    name = free_name(wanted, taken)
    assert name.lower() not in {each.lower() for each in taken}
    assert name.startswith(wanted)
    assert (name == wanted) == (wanted.lower() not in {each.lower() for each in taken})
    assert free_name(wanted, {*taken, name}) != name


def hiveql(names: Iterable[str]) -> Iterator[str]:
    """Every statement over a batch whose columns have these names; the first is the key, the second the tombstone."""
    columns = [HiveColumn(name, BOOLEAN if number == 1 else INT) for number, name in enumerate(names)]
    tests = [RowCheck(f"check {c.name}", "quarantine", (c.name,), f"(`{c.name}` is null) is true") for c in columns]
    divided = Division("s.typed", tests, columns)
    yield divided.keep("s.kept")
    yield divided.quarantine("s.refused", "2026-01-01 00:00:00")
    yield count_broken("s.typed", tests, ["count(*)"], columns)
    for sweep in (False, True):
        merge = Merge(
            old="s.old",
            old_columns={column.name: column.type for column in columns[:-1]},
            batch="s.kept",
            columns=columns,
            key=[columns[0].name],
            cursor=None if sweep else columns[2].name,
            tombstone=columns[1].name,
            sweep=sweep,
        )
        yield from (merge.into("s.new"), merge.counts(), merge.faults(), merge.placed("s.new"))


def added(statement: str, columns: set[str]) -> set[str]:
    """Names of tables and columns in a statement that are not the batch's columns; all of them are ours."""
    tree = sqlglot.parse_one(statement, dialect="hive")
    aliases = {node.alias for node in tree.find_all(exp.Alias, exp.Subquery, exp.Table) if node.alias}
    return aliases - columns


def faults(statement: str, columns: set[str]) -> Iterator[str]:
    """What a server would find ambiguous."""
    tree = sqlglot.parse_one(statement, dialect="hive")
    for select in tree.find_all(exp.Select):
        outputs = [e.alias_or_name for e in select.expressions if isinstance(e, exp.Alias | exp.Column)]
        yield from (f"{name} is selected twice" for name in {n for n in outputs if outputs.count(n) > 1})
        if select.args.get("joins"):
            own = (node for item in select.expressions for node in item.find_all(exp.Column))
            yield from (f"{node.sql()} is of no table" for node in own if not node.table)
    for node in tree.find_all(exp.Subquery, exp.Table):
        if node.alias in columns:
            yield f"table {node.alias} is called like a column"


def hiveql_names() -> list[str]:
    plain = ["id_", "tomb_", "cursor_", "x_"]
    return sorted({name for statement in hiveql(plain) for name in added(statement, set(plain))})


def test_the_names_of_ours_are_those_that_we_know() -> None:
    assert {"t0", "t3", "reasons", "reason_columns", "raw", "d", "r", "sy_present", "sy_old", "n", "k"} <= set(
        hiveql_names()
    )


@pytest.mark.parametrize("name", hiveql_names())
def test_a_column_called_like_a_name_of_ours_in_hiveql(name: str) -> None:
    for names in (
        [name, "b_", "c_", "e_"],
        ["a_", name, "c_", "e_"],
        ["a_", "b_", "c_", name],
        [name, f"{name}_2", "c_", "e_"],
    ):
        for statement in hiveql(names):
            assert list(faults(statement, set(names))) == [], statement


def test_columns_called_like_all_names_of_ours_in_hiveql() -> None:
    names = hiveql_names()
    taken = {*names, *(f"{name}_2" for name in names)}
    for statement in hiveql(sorted(taken)):
        assert list(faults(statement, taken)) == [], statement


def test_the_search_finds_what_there_was() -> None:
    assert list(faults("select t0, 1 as t0 from x", {"t0"}))
    assert list(faults("select a from (select a from x) d", {"d"}))
    assert list(faults("select a from x join y on x.a = y.a", set()))


def test_the_flag_of_a_refused_row_has_a_name_of_its_own() -> None:
    names = ["id", "switchyard_refused", "Switchyard_Refused_2"]
    columns = [carry(SourceColumn(name, postgres_type("text"))) for name in names]
    carried = [column for column in columns if isinstance(column, CarriedColumn)]
    source = Source.model_validate({"connection": "c", "table": "public.t", "key": ["id"]})
    query = build_statement(source, carried, None, bounds=Bounds("id", "1", None)).query
    assert 'as "switchyard_refused_3"' in query


@dataclass(frozen=True)
class Sides:
    """Two versions of a table as Parquet files."""

    old: list[Path]
    new: list[Path]


FILES = ["filename", "file_row_number", "file_index", "__file", "file", "row"]
DELTA = ["__op", "__op_2", "n", "old", "new", "rows", "changes", "k0", "k1", "c", "r", "key", *FILES]
COMPARED = [
    "a",
    "b",
    "s",
    "key",
    "bucket",
    "a_rows",
    "a_values",
    "a_n",
    "v0",
    "v1",
    "moved",
    "wrong",
    "suspects",
    *FILES,
]


def write(directory: Path, names: list[str]) -> Sides:
    """Columns: a key of two, two values. One row inserted, one updated, one deleted, one as it was."""
    directory.mkdir()
    old = [(1, "a", 1, 1), (2, "b", 1, 1), (3, "c", 1, 1)]
    new = [(1, "a", 1, 1), (2, "b", 1, 2), (4, "d", 1, 1)]
    for side, rows in (("old", old), ("new", new)):
        columns = list(zip(*rows, strict=True))
        table = pa.table({name: pa.array(values) for name, values in zip(names, columns, strict=True)})
        pq.write_table(table, directory / f"{side}.parquet")
    return Sides([directory / "old.parquet"], [directory / "new.parquet"])


@pytest.mark.parametrize(
    "names",
    [[name, "p", "q", "z"] for name in DELTA] + [["p", "q", name, "z"] for name in DELTA] + [DELTA[:4], DELTA[4:8]],
)
def test_a_column_called_like_a_name_of_ours_in_a_delta(tmp_path: Path, names: list[str]) -> None:
    sides, key = write(tmp_path / "files", names), names[:2]
    report = compute_delta(sides.old, sides.new, key, tmp_path / "changes")
    assert (report.inserted, report.updated, report.deleted, report.unchanged) == (1, 1, 1, 1)
    ids = {
        op: [tuple(i.values()) for i in read_changed_ids(report.file, key, ops=[op])]
        for op in ("insert", "update", "delete")
    }
    assert ids == {"insert": [(4, "d")], "update": [(2, "b")], "delete": [(3, "c")]}
    rows = [row for batch in changed_rows(sides.new, report.file, key) for row in batch.to_pylist()]
    assert rows == [dict(zip(names, row, strict=True)) for row in ((2, "b", 1, 2), (4, "d", 1, 1))]


@pytest.mark.parametrize(
    "names", [[name, "p", "q", "z"] for name in COMPARED] + [COMPARED[:4], COMPARED[4:8], FILES[:4]]
)
def test_a_column_called_like_a_name_of_ours_in_a_comparison(tmp_path: Path, names: list[str]) -> None:
    sides = write(tmp_path / "files", names)
    for side, rows in (("left", b"\1\2\3"), ("right", b"\1\5\6")):
        with DigestSpool(tmp_path / side) as spool:
            spool.add([b"1", b"2", b"3"], [bytes([row]) for row in rows], file=0)
    with Comparison(tmp_path / "left", tmp_path / "right", tmp_path) as compared:
        suspects = {s.key: (s.left, s.right) for batch in compared.suspects(sides.old, sides.new) for s in batch}
    two = [dict(zip(names, row, strict=True)) for row in ((2, "b", 1, 1), (2, "b", 1, 2))]
    three = [dict(zip(names, row, strict=True)) for row in ((3, "c", 1, 1), (4, "d", 1, 1))]
    assert suspects == {b"2": tuple(two), b"3": tuple(three)}


def test_an_append_table_s_partitions_have_a_name_of_their_own() -> None:
    assert seq_partition(["id", "v"]).name == "load_seq"
    assert seq_partition(["id", "LOAD_SEQ", "load_seq_2"]).name == "load_seq_3"


@given(
    st.lists(st.sampled_from(["id", "v", "load_seq", "load_seq_2", "load_seq_3"]), min_size=1, unique=True), st.data()
)
def test_a_later_column_never_has_the_name_of_the_partitions(first: list[str], data: st.DataObject) -> None:
    """Columns come one by one; what clashes is refused, and the name that is found is the one of the beginning."""
    partition = seq_partition(first).name
    columns = list(first)
    for name in data.draw(st.permutations(["load_seq", "load_seq_2", "load_seq_3", "x"])):
        clash = find_partition_clash(columns, [*columns, name])
        assert (clash is not None) == (name == partition)
        if clash is None and name not in columns:
            columns.append(name)
    assert seq_partition(columns).name == partition
