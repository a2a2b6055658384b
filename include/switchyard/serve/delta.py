"""The differences between two versions of a table, by key: DuckDB over local copies of their Parquet files.

Equality is exact: NULL equals NULL, NaN equals NaN, -0.0 differs from 0.0, and a column that was added, dropped,
renamed, moved or retyped makes every common row an update, because its document changes.

Copy the files to local scratch first: DuckDB over an HDFS filesystem in Python read wrong bytes (facts/exactness.md).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast, get_args

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from switchyard.errors import ValueRefused, cut_value
from switchyard.serve.documents.columns import Timestamps
from switchyard.serve.documents.encoder import read_batches, read_schema
from switchyard.serve.documents.expected import expected_id
from switchyard.types.quoting import free_name

Operation = Literal["insert", "update", "delete"]


@dataclass(frozen=True)
class DeltaReport:
    """Counts of keys. `file` holds the changed ones: the key columns, and last the operation (insert, update, delete).

    `comparable` is False when the key's columns or their types changed, or a key that stays equal has another value
    (0.0 was -0.0): then all of old counts as deleted, all of new as inserted, and the file holds the new keys only, so
    that a cache cannot unlink the old ones and must raise its floor.
    """

    inserted: int
    updated: int
    deleted: int
    unchanged: int
    comparable: bool
    file: Path
    seconds: float

    @property
    def changed(self) -> int:
        """Number of keys that differ."""
        return self.inserted + self.updated + self.deleted


def compute_delta(
    old: Sequence[Path],
    new: Sequence[Path],
    key: Sequence[str],
    out: Path,
    *,
    memory_limit: str = "1GB",
    threads: int = 2,
    where: str = "",
) -> DeltaReport:
    """Compare two versions and write the changed keys to the Parquet file `out` (complete or not at all).

    Args:
        old: Parquet files of the version that is served; none: everything is inserted.
        new: Parquet files of the version to serve; none: everything is deleted.
        key: columns that identify a row.
        out: where the changed keys go; DuckDB spills beside it.
        memory_limit: DuckDB's, beyond which it spills to disk.
        threads: DuckDB's.
        where: the flow, for messages.

    Raises:
        ValueRefused: a key column is missing, or new has NULL or repeated keys; the message shows some.
    """
    started = time.perf_counter()
    before = read_schema(old)
    after = read_schema(new)
    _require_columns(after, key, where)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=".delta-") as spill, _open(spill, memory_limit, threads) as duck:
        if after is not None:
            duck.execute(f"CREATE VIEW new AS FROM {_files(new)}")
            _require_unique(duck, key, where)
        if before is not None:
            duck.execute(f"CREATE VIEW old AS FROM {_files(old)}")
        comparable = before is None or after is None or _has_same_keys(duck, before, after, key)
        duck.execute(f"COPY ({_changes(before, after, key, comparable)}) TO {_text(f'{spill}/keys')} (FORMAT parquet)")
        counts = _count(duck, f"{spill}/keys", key, after, comparable)
        Path(spill, "keys").replace(out)
    return DeltaReport(*counts, comparable, out, time.perf_counter() - started)


def read_changed_ids(
    file: Path, key: Sequence[str], *, timestamps: Timestamps = "refuse", ops: Sequence[Operation] = get_args(Operation)
) -> Iterator[Any]:
    """`_id`, as stored in MongoDB, of every changed key of these operations; flat in memory."""
    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(batch_size=8192):
            columns = [batch.column(name).to_pylist() for name in key]
            operations = batch.column(batch.num_columns - 1).to_pylist()
            for op, *values in zip(operations, *columns, strict=True):
                if op in ops:
                    yield expected_id(batch.schema, key, values, timestamps)


def changed_rows(
    files: Sequence[Path], changes: Path, key: Sequence[str], *, memory_limit: str = "1GB", threads: int = 2
) -> Iterator[pa.RecordBatch]:
    """Rows of the new version whose keys were inserted or updated, as they stand in its files.

    DuckDB finds their positions only; pyarrow reads them, so that the types are the encoder's.

    Args:
        files: Parquet files of the new version.
        changes: `compute_delta`'s file.
        key: columns that identify a row.
        memory_limit: DuckDB's.
        threads: DuckDB's.
    """
    with (
        TemporaryDirectory(dir=changes.parent, prefix=".rows-") as spill,
        _open(spill, memory_limit, threads) as duck,
    ):
        for file in files:
            positions = _positions(duck, file, changes, key)
            begin = 0
            for batch in read_batches([file]):
                end = begin + batch.num_rows
                low, high = np.searchsorted(positions, (begin, end))
                if low < high:
                    yield batch.take(pa.array(positions[low:high] - begin))
                begin = end


def _positions(duck: duckdb.DuckDBPyConnection, file: Path, changes: Path, key: Sequence[str]) -> Any:
    """Numbers of a file's rows that were inserted or updated, ascending."""
    aliases = [f"k{number}" for number in range(len(key))]
    names = ", ".join(_name(name) for name in key)
    same = " AND ".join(f"rows.{name} = changes.{name}" for name in aliases)
    operation = _name(pq.read_schema(changes).names[-1])
    duck.register("rows", _numbered_keys(file, key, aliases))
    positions = duck.execute(
        f"SELECT rows.n FROM rows SEMI JOIN (SELECT {names} FROM {_files([changes])} WHERE {operation} <> 'delete')"
        f" AS changes({', '.join(aliases)}) ON {same} ORDER BY n"
    ).fetchnumpy()["n"]
    duck.unregister("rows")
    return positions


def _numbered_keys(file: Path, key: Sequence[str], aliases: Sequence[str]) -> pa.RecordBatchReader:
    """A file's keys under names of ours, and each row's number `n`: DuckDB's own column for it may be the file's."""
    kinds = pq.read_schema(file)
    fields: list[Any] = [pa.field(name, kinds.field(column).type) for name, column in zip(aliases, key, strict=True)]
    schema = pa.schema([*fields, pa.field("n", pa.int64())])

    def read() -> Iterator[pa.RecordBatch]:
        first = 0
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(columns=list(key)):
                columns = [batch.column(name) for name in key]
                numbers = pa.array(np.arange(first, first + batch.num_rows), pa.int64())
                yield pa.RecordBatch.from_arrays([*columns, numbers], schema=schema)
                first += batch.num_rows

    return pa.RecordBatchReader.from_batches(schema, read())


def _open(spill: str, memory_limit: str, threads: int) -> duckdb.DuckDBPyConnection:
    config = {
        "memory_limit": memory_limit,
        "threads": threads,
        "temp_directory": spill,
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "TimeZone": "UTC",
    }
    return duckdb.connect(":memory:", config=cast(Any, config))


def _require_columns(schema: pa.Schema | None, key: Sequence[str], where: str) -> None:
    if schema is not None and (missing := [name for name in key if name not in schema.names]):
        what = f"key columns missing: {', '.join(missing)}; the columns are {', '.join(schema.names)}"
        raise ValueRefused(what, where=where, cure="correct `serve.key` in the flow file")


def _require_unique(duck: duckdb.DuckDBPyConnection, key: Sequence[str], where: str) -> None:
    columns = _names(key)
    nulls = _one(duck, f"SELECT count(*) FROM new WHERE {' OR '.join(f'{_name(c)} IS NULL' for c in key)}")
    if nulls:
        cure = "name columns that are never NULL in `serve.key`, or leave those rows out with `serve.select`"
        raise ValueRefused(f"{nulls} rows have NULL in the key ({', '.join(key)})", where=where, cure=cure)
    times = _name(free_name("n", key))
    repeated = f"SELECT {columns}, count(*) AS {times} FROM new GROUP BY {columns} HAVING count(*) > 1"
    repetitions = _one(duck, f"SELECT count(*) FROM ({repeated})")
    if repetitions:
        rows = duck.execute(f"{repeated} ORDER BY {times} DESC, {columns} LIMIT 5").fetchall()
        shown = [(", ".join(cut_value(repr(value)) for value in row[:-1]), row[-1]) for row in rows]
        examples = "; ".join(f"{values} ({count} rows)" for values, count in shown)
        cure = "name in `serve.key` the columns that identify a row"
        raise ValueRefused(f"{repetitions} keys occur more than once, e.g. {examples}", where=where, cure=cure)


def _has_same_keys(duck: duckdb.DuckDBPyConnection, before: pa.Schema, after: pa.Schema, key: Sequence[str]) -> bool:
    """False if the key is of other columns or types, or equal to itself and yet another value: 0.0 for -0.0.

    MongoDB takes both for one `_id`, which no replacement changes: only a new collection shows the new value.
    """
    if any(c not in before.names or before.field(c).type != after.field(c).type for c in key):
        return False
    rewritten = [_column_differs(c, after.field(c).type) for c in key if _holds_float(after.field(c).type)]
    if not rewritten:
        return True
    other = f"SELECT 1 FROM old JOIN new USING ({_names(key)}) WHERE {' OR '.join(rewritten)} LIMIT 1"
    return duck.execute(other).fetchone() is None


def _changes(before: pa.Schema | None, after: pa.Schema | None, key: Sequence[str], comparable: bool) -> str:
    columns, operation = _names(key), _operation_name(key)
    if after is None and before is None:
        return f"SELECT {', '.join(f'NULL::VARCHAR AS {_name(c)}' for c in key)}, '' AS {operation} WHERE false"
    if after is None:
        return f"SELECT {columns}, 'delete' AS {operation} FROM old"
    if before is None or not comparable:
        return f"SELECT {columns}, 'insert' AS {operation} FROM new"
    same = " AND ".join(f"old.{_name(c)} = new.{_name(c)}" for c in key)
    keys = ", ".join(f"coalesce(new.{_name(c)}, old.{_name(c)}) AS {_name(c)}" for c in key)
    was, is_ = f"old.{_name(key[0])}", f"new.{_name(key[0])}"
    op = f"CASE WHEN {was} IS NULL THEN 'insert' WHEN {is_} IS NULL THEN 'delete' ELSE 'update' END"
    differs = _differs(before, after, key)
    return (
        f"SELECT {keys}, {op} AS {operation} FROM old FULL JOIN new ON {same} "
        f"WHERE {was} IS NULL OR {is_} IS NULL OR {differs}"
    )


def _operation_name(key: Sequence[str]) -> str:
    return _name(free_name("__op", key))


def _differs(before: pa.Schema, after: pa.Schema, key: Sequence[str]) -> str:
    if not before.equals(after):
        return "true"
    tests = [_column_differs(f.name, f.type) for f in after if f.name not in key]
    return f"({' OR '.join(tests)})" if tests else "false"


def _column_differs(name: str, kind: Any) -> str:
    """DuckDB takes NULL and NaN as equal to themselves, but also -0.0 as equal to 0.0: their text tells them apart."""
    was, is_ = f"old.{_name(name)}", f"new.{_name(name)}"
    differs = f"{was} IS DISTINCT FROM {is_}"
    if pa.types.is_floating(kind):
        return f"({differs} OR (signbit({was}) <> signbit({is_}) AND {was} = 0))"
    if _holds_float(kind):
        return f"({differs} OR {was}::VARCHAR <> {is_}::VARCHAR)"
    return differs


def _holds_float(kind: Any) -> bool:
    """Floating, or a list or struct with such values in it: Arrow's names of them are halffloat, float and double."""
    return "float" in str(kind) or "double" in str(kind)


def _count(
    duck: duckdb.DuckDBPyConnection, file: str, key: Sequence[str], after: Any, comparable: bool
) -> tuple[int, int, int, int]:
    operation = _operation_name(key)
    counts = dict(duck.execute(f"SELECT {operation}, count(*) FROM {_files([Path(file)])} GROUP BY 1").fetchall())
    rows = _one(duck, "SELECT count(*) FROM new") if after is not None else 0
    inserted = counts.get("insert", 0)
    updated = counts.get("update", 0)
    deleted = counts.get("delete", 0)
    if not comparable:
        deleted = _one(duck, "SELECT count(*) FROM old")
    return inserted, updated, deleted, rows - inserted - updated


def _one(duck: duckdb.DuckDBPyConnection, query: str) -> int:
    row = duck.execute(query).fetchone()
    return int(row[0]) if row else 0


def _files(paths: Sequence[Path]) -> str:
    listed = ", ".join(_text(str(path)) for path in paths)
    return f"read_parquet([{listed}], hive_partitioning = false)"


def _names(columns: Sequence[str]) -> str:
    return ", ".join(map(_name, columns))


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
