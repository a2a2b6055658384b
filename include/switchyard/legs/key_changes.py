"""What a merge would do, by key alone: the keys that would be read, joined with those that are in the lake.

Both sides are copied to local scratch: the keys of the range from PostgreSQL, the version's files from HDFS.
"""

from __future__ import annotations

from pathlib import Path

from switchyard.extract import postgres
from switchyard.extract.postgres import relation
from switchyard.extract.preflight import Examined
from switchyard.extract.statement import row_condition
from switchyard.flow.spec import Flow
from switchyard.lake.metastore import TableVersion
from switchyard.lake.types import quote_postgres
from switchyard.legs.runtime import Runtime
from switchyard.legs.source import Window


def key_changes(
    runtime: Runtime, flow: Flow, examined: Examined, version: TableVersion | None, window: Window
) -> dict[str, int]:
    """Keys that a merge would insert, update (or find unchanged) and delete."""
    import duckdb

    keys = [column for column in examined.columns if column.source in examined.shape.primary_key]
    with runtime.scratch() as scratch, duckdb.connect(":memory:") as duck:
        read = scratch / "keys.csv"
        _copy_keys(runtime, flow, examined, window, read)
        names = [f"k{i}" for i in range(len(keys))]
        columns = ", ".join(f"'{name}': 'VARCHAR'" for name in (*names, "dead"))
        options = (
            f"columns = {{{columns}}}, header = false, auto_detect = false, delim = ',', quote = '\"', escape = '\"'"
        )
        csv = f"read_csv('{read}', {options}, nullstr = '\\N', allow_quoted_nulls = false)"
        dead = "bool_or(dead = 't') as dead"
        duck.execute(f"create table batch as select {', '.join(names)}, {dead} from {csv} group by all")
        paths = version.paths if version and version.seq > 0 else ()
        files = [file for i, path in enumerate(paths) for file in runtime.hdfs(flow).download(path, scratch / str(i))]
        listed = ", ".join(f'"{column.name}"::varchar as {name}' for column, name in zip(keys, names, strict=True))
        source = f"read_parquet({[str(file) for file in files]}, hive_partitioning = false)"
        empty = f"select {', '.join(names)} from batch where false"
        duck.execute(f"create table lake as {f'select {listed} from {source}' if files else empty}")
        on = " and ".join(f"batch.{name} = lake.{name}" for name in names)
        there, here = f"lake.{names[0]} is not null", f"batch.{names[0]} is not null"
        gone = f"or (not {here})" if window.sweep else ""
        row = duck.execute(
            f"select count(*) filter ({here} and not {there} and not dead), "
            f"count(*) filter ({here} and {there} and not dead), "
            f"count(*) filter ({there} and (({here} and dead) {gone})) from batch full join lake on {on}"
        ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate gives a row
    return {"inserted": int(row[0]), "updated_or_unchanged": int(row[1]), "deleted": int(row[2])}


def _copy_keys(runtime: Runtime, flow: Flow, examined: Examined, window: Window, into: Path) -> None:
    """One line a row that would be read: the key's columns as they travel, and whether it is a tombstone."""
    wanted = [column.carry for column in examined.columns if column.source in examined.shape.primary_key]
    dead = _tombstone(flow, {column.source: column.hive_type for column in examined.columns})
    condition = row_condition(flow.source, window.bounds)
    query = f"select {', '.join(wanted)}, {dead} from {relation(flow.source)} where {condition}"
    statement = f"copy ({query}) to stdout (format csv, null '\\N')".encode()
    with (
        postgres.connect(runtime.connections.get(flow.source.connection)) as session,
        session.cursor().copy(statement) as copy,
        into.open("wb") as file,
    ):
        for chunk in copy:
            file.write(chunk)


def _tombstone(flow: Flow, types: dict[str, str]) -> str:
    column = flow.source.tombstone
    if column is None:
        return "false"
    quoted = quote_postgres(column)
    return f"coalesce({quoted}, false)" if types.get(column) == "BOOLEAN" else f"({quoted} is not null)"
