"""What a merge would do, by key alone: the keys that would be read, joined with those that are in the lake.

Both sides are copied to local scratch: the keys of the range from PostgreSQL, the version's files from HDFS.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from switchyard.extract import postgres
from switchyard.extract.postgres import relation
from switchyard.extract.preflight import Examined
from switchyard.extract.statement import row_condition
from switchyard.flow.spec import Flow
from switchyard.lake.table_version import TableVersion
from switchyard.legs.ingest.planned import has_whole_keys
from switchyard.legs.ingest.window import Window
from switchyard.legs.runtime import Runtime
from switchyard.types.carry import CarriedColumn
from switchyard.types.quoting import quote_postgres
from switchyard.types.tombstone import marks_deleted


@dataclass(frozen=True)
class KeyChanges:
    """Keys that a merge would insert, update (or find unchanged), find newer in the lake, and delete."""

    inserted: int
    updated_or_unchanged: int
    late: int
    deleted: int


def key_changes(
    runtime: Runtime, flow: Flow, examined: Examined, version: TableVersion | None, window: Window
) -> KeyChanges:
    """Count the keys that would be read, and those that are in the lake."""
    import duckdb

    by_source = {column.source: column for column in examined.columns}
    keys = [column for column in examined.columns if column.source in examined.shape.primary_key]
    cursor = by_source.get(flow.source.cursor or "")
    dead = _tombstone(flow, by_source.get(flow.source.tombstone or ""))
    texts = [*(column.carry for column in keys), cursor.carry if cursor else "null", dead]
    with runtime.scratch() as scratch, duckdb.connect(":memory:") as duck:
        _copy(runtime, flow, texts, window, scratch / "keys.csv")
        at_type = str(cursor.hive_type) if cursor else "varchar"
        duck.execute(f"create table batch as {_newest(scratch / 'keys.csv', len(keys), at_type)}")
        paths = version.paths if version and version.seq > 0 else ()
        files = [file for i, path in enumerate(paths) for file in runtime.hdfs(flow).download(path, scratch / str(i))]
        in_lake = {column.name for column in version.columns} if version else set()
        moment = f'"{cursor.name}"' if cursor and cursor.name in in_lake else "null"
        listed = _listed(column.name for column in keys)
        source = f"read_parquet({[str(file) for file in files]}, hive_partitioning = false)"
        lake = f"select {listed}, {moment}::{at_type} as moment from {source}" if files else "from batch where false"
        duck.execute(f"create table lake as {lake}")
        whole_keys = has_whole_keys(flow.source, examined.shape, window.bounds)
        row = duck.execute(_counts(len(keys), sweep=window.sweep, whole_keys=whole_keys)).fetchone()
    assert row is not None  # noqa: S101 - an aggregate gives a row
    inserted, updated_or_unchanged, late, deleted = map(int, row)
    return KeyChanges(inserted, updated_or_unchanged, late, deleted)


def _newest(csv: Path, keys: int, at_type: str) -> str:
    """The rows of the batch, of rows with one key the newest."""
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in (*_names(keys), "moment", "dead"))
    options = f"columns = {{{columns}}}, header = false, auto_detect = false, delim = ',', quote = '\"', escape = '\"'"
    read = f"read_csv('{csv}', {options}, nullstr = '\\N', allow_quoted_nulls = false)"
    names = ", ".join(_names(keys))
    rows = f"select {names}, try_cast(moment as {at_type}) as moment, dead = 't' as dead from {read}"
    dead = "coalesce(arg_max(dead, moment), bool_or(dead)) as dead"
    return f"select {names}, max(moment) as moment, {dead} from ({rows}) group by all"


def _counts(keys: int, *, sweep: bool, whole_keys: bool) -> str:
    """The counts of `lake.merging`: a row that is newer in the lake stays; without a sweep, so do keys not read."""
    on = " and ".join(f"batch.{name} = lake.{name}" for name in _names(keys))
    in_lake = "lake.k0 is not null"
    in_batch = "batch.k0 is not null"
    late = "false" if sweep or whole_keys else "coalesce(lake.moment > batch.moment, false)"
    unread = f"or not ({in_batch})" if sweep else ""
    return (
        f"select count(*) filter ({in_batch} and not ({in_lake}) and not batch.dead), "
        f"count(*) filter ({in_batch} and {in_lake} and not {late} and not batch.dead), "
        f"count(*) filter ({in_batch} and {in_lake} and {late}), "
        f"count(*) filter ({in_lake} and (({in_batch} and not {late} and batch.dead) {unread})) "
        f"from batch full join lake on {on}"
    )


def _names(keys: int) -> list[str]:
    return [f"k{i}" for i in range(keys)]


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(f'"{column}"::varchar as k{i}' for i, column in enumerate(columns))


def _copy(runtime: Runtime, flow: Flow, texts: Sequence[str], window: Window, into: Path) -> None:
    """Write these expressions of every row that would be read into a CSV file."""
    condition = row_condition(flow.source, window.bounds)
    query = f"select {', '.join(texts)} from {relation(flow.source)} where {condition}"
    statement = f"copy ({query}) to stdout (format csv, null E'\\\\N')".encode()
    with (
        postgres.connect(runtime.connections.get(flow.source.connection)) as session,
        session.cursor().copy(statement) as copy,
        into.open("wb") as file,
    ):
        for chunk in copy:
            file.write(chunk)


def _tombstone(flow: Flow, column: CarriedColumn | None) -> str:
    """PostgreSQL's expression that is true for a deleted row; `column`: how the tombstone is carried, if it is."""
    if flow.source.tombstone is None:
        return "false"
    return marks_deleted(quote_postgres(flow.source.tombstone), column.hive_type if column else None)
