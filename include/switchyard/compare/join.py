"""Differences between two sides, by the digests of their rows: the buckets that differ, then the very keys.

DuckDB joins the digests on disk: only files in the scratch directory grow with the tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NotRequired, TypedDict, cast

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

Kind = Literal["missing", "extra", "changed", "repeated"]
Row = dict[str, Any]
"""A row's values by column, each the Python object that Arrow makes of it."""
_PAIRS = 1_000

_SIDE = """
CREATE TABLE {side} AS
SELECT bucket, key, count(*) AS n, sum(lo) AS lo, sum(hi) AS hi, min(file) AS file, min("row") AS "row"
FROM read_parquet({path}) WHERE key NOT IN (FROM moved) GROUP BY bucket, key
"""
_WRONG = """
CREATE TABLE wrong AS SELECT bucket FROM
(SELECT bucket, sum(n) AS n, sum(lo) AS lo, sum(hi) AS hi FROM a GROUP BY bucket) l FULL JOIN
(SELECT bucket, sum(n) AS n, sum(lo) AS lo, sum(hi) AS hi FROM b GROUP BY bucket) r USING (bucket)
WHERE (l.n, l.lo, l.hi) IS DISTINCT FROM (r.n, r.lo, r.hi)
"""
_SUSPECTS = """
CREATE TABLE suspects AS
SELECT coalesce(a.bucket, b.bucket) AS bucket, coalesce(a.key, b.key) AS key, coalesce(a.n, 0) AS a_n,
       coalesce(b.n, 0) AS b_n, a.file AS a_file, a."row" AS a_row, b.file AS b_file, b."row" AS b_row
FROM (FROM a WHERE bucket IN (FROM wrong)) a FULL JOIN (FROM b WHERE bucket IN (FROM wrong)) b USING (key)
WHERE (a.n, a.lo, a.hi) IS DISTINCT FROM (b.n, b.lo, b.hi)
"""


@dataclass(frozen=True)
class Suspect:
    """A key whose digests differ: how often each side has it, and each side's row, if it has files and one row."""

    key: bytes
    bucket: int
    left_n: int
    right_n: int
    left: Row | None
    right: Row | None


@dataclass(frozen=True)
class Cell:
    """One value that differs: the column, and what each side has, as (type, text)."""

    column: str
    left: tuple[str, str | None]
    right: tuple[str, str | None]


@dataclass(frozen=True)
class Difference:
    """One key that differs; the left side is taken to be right.

    `missing`: only the left side has it; `extra`: only the right side has it; `changed`: `cells` differ; `repeated`: a
    side has it more than once (`cells` holds the counts, with an empty column).
    """

    key: str
    bucket: int
    kind: Kind
    cells: tuple[Cell, ...]


class Comparison:
    """Joins two spools of digests. Use as a context manager; the caller deletes `scratch`.

    Args:
        left: digests of the side that is right, `switchyard.compare.digests.SCHEMA`.
        right: digests of the other side.
        scratch: a directory for what DuckDB spills.
        memory_limit: DuckDB's, beyond which it spills.
        threads: DuckDB's.
    """

    def __init__(self, left: Path, right: Path, scratch: Path, *, memory_limit: str = "1GB", threads: int = 2) -> None:
        config = {
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": str(scratch / "spill"),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "TimeZone": "UTC",
        }
        self._scratch = scratch
        self._duck = duckdb.connect(str(scratch / "digests.duckdb"), config=cast(Any, config))
        paths = [_text(str(left)), _text(str(right))]
        both = f"read_parquet([{', '.join(paths)}])"
        self._duck.execute(f"CREATE TABLE moved AS SELECT DISTINCT key FROM {both} WHERE left_out")
        for side, path in zip("ab", paths, strict=True):
            self._duck.execute(_SIDE.format(side=side, path=path))
        self._duck.execute(_WRONG)

    def __enter__(self) -> Comparison:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._duck.close()

    def rows(self) -> tuple[int, int]:
        """Number of rows compared, on the left and on the right."""
        return self._one("SELECT coalesce(sum(n), 0) FROM a"), self._one("SELECT coalesce(sum(n), 0) FROM b")

    def left_out(self) -> int:
        """Number of keys left out of the comparison."""
        return self._one("SELECT count(*) FROM moved")

    def buckets(self) -> list[int]:
        """The buckets whose digests differ, in order."""
        return [int(row[0]) for row in self._duck.execute("SELECT bucket FROM wrong ORDER BY 1").fetchall()]

    def suspects(self, left: Sequence[Path], right: Sequence[Path] = ()) -> Iterator[list[Suspect]]:
        """The keys that differ, about a thousand at a time, with their rows of those sides that have files."""
        self._duck.execute(_SUSPECTS)
        sides = {side: self._pick(files, side) for files, side in ((left, "a"), (right, "b")) if files}
        rows = "".join(f", {_packed(picked, side)} AS {side}_values" for side, picked in sides.items())
        joins = " ".join(_join(picked, side) for side, picked in sides.items())
        query = f"SELECT s.key, s.bucket, s.a_n, s.b_n{rows} FROM suspects s {joins}"
        reader: Any = self._duck.sql(query).to_arrow_reader(_PAIRS)
        for batch in reader:
            yield [_suspect(pair, sides) for pair in batch.to_pylist()]

    def _pick(self, files: Sequence[Path], side: str) -> _Picked:
        """Copy one side's rows of the suspects into a file with columns `v0`, …, file and row."""
        names: list[str] = pq.read_schema(files[0]).names
        path = self._scratch / f"suspects_{side}.parquet"
        kinds = pq.read_schema(files[0]).remove_metadata()
        values: list[Any] = [pa.field(f"v{number}", field.type) for number, field in enumerate(kinds)]
        schema = pa.schema([*values, pa.field("file", pa.int32()), pa.field("row", pa.int64())])
        with pq.ParquetWriter(path, schema) as writer:
            for number, file in enumerate(files):
                numbers_of_rows = self._duck.execute(
                    f"SELECT DISTINCT {side}_row AS n FROM suspects WHERE {side}_file = {number} ORDER BY n"
                ).fetchnumpy()["n"]
                for rows, positions in _rows_at(file, numbers_of_rows, names):
                    numbers: list[Any] = [pa.array(np.full(len(positions), number), pa.int32())]
                    numbers.append(pa.array(positions, pa.int64()))
                    writer.write_batch(pa.RecordBatch.from_arrays([*rows.columns, *numbers], schema=schema))
        return _Picked(path, names)

    def _one(self, query: str) -> int:
        row = self._duck.execute(query).fetchone()
        return int(row[0]) if row else 0


@dataclass(frozen=True)
class _Picked:
    """Rows of the suspects, in a file: value `v<n>` is the table's column `names[n]`."""

    path: Path
    names: Sequence[str]


def _rows_at(
    file: Path, ascending: NDArray[np.int64], names: Sequence[str]
) -> Iterator[tuple[pa.RecordBatch, NDArray[np.int64]]]:
    """The rows of a file at these positions, which ascend, batch by batch, and their positions."""
    first = 0
    with pq.ParquetFile(file, coerce_int96_timestamp_unit="us") as parquet:
        for batch in parquet.iter_batches():
            end = first + batch.num_rows
            low, high = np.searchsorted(ascending, (first, end))
            if low < high:
                positions = ascending[low:high]
                yield batch.select(list(names)).take(positions - first), positions
            first = end


class _Pair(TypedDict):
    """A row of the query for suspects. Values are named `v0`, …; a side without files has none."""

    key: bytes
    bucket: int
    a_n: int
    b_n: int
    a_values: NotRequired[Row]
    b_values: NotRequired[Row]


def _suspect(pair: _Pair, sides: Mapping[str, _Picked]) -> Suspect:
    left = _named(sides.get("a"), pair["a_n"], pair.get("a_values"))
    right = _named(sides.get("b"), pair["b_n"], pair.get("b_values"))
    return Suspect(pair["key"], pair["bucket"], pair["a_n"], pair["b_n"], left, right)


def _named(picked: _Picked | None, rows: int, values: Row | None) -> Row | None:
    """One side's row by the table's own names; None for a side without files, or without the key."""
    if picked is None or values is None or not rows:
        return None
    return dict(zip(picked.names, values.values(), strict=True))


def _packed(picked: _Picked, side: str) -> str:
    return f"struct_pack({', '.join(f'v{n} := {side}_rows.v{n}' for n in range(len(picked.names)))})"


def _join(picked: _Picked, side: str) -> str:
    """The rows of one side by file and number; a side's files are numbered in their order."""
    return (
        f"LEFT JOIN read_parquet({_text(str(picked.path))}) {side}_rows"
        f' ON {side}_rows.file = s.{side}_file AND {side}_rows."row" = s.{side}_row'
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
