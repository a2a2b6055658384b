"""Loads the tables into PostgreSQL by COPY; a table that already holds the same data is left alone."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from switchyard_stack.datasets.errors import DatasetError
from switchyard_stack.datasets.source import ATTRIBUTION, DirectorySource, Source, fetch_wheel
from switchyard_stack.datasets.tables import SIMBENCH, TELEMETRY, Table, squeeze

Say = Callable[[str], None]
LOCK = 0x5317C4  # one loader at a time per database
NO_FILES = DirectorySource(Path("/nonexistent"))


@dataclass(frozen=True)
class TableReport:
    """What became of one table; `seconds` is 0 when it was left alone."""

    table: str
    rows: int
    loaded: bool
    seconds: float


def load_all(postgres_url: str, simbench_url: str, cache_dir: Path, say: Say = print) -> list[TableReport]:
    """Load the demo's tables: `telemetry` into `postgres_url`, SimBench into `simbench_url`.

    Args:
        postgres_url: libpq URL of the database `powergrid`.
        simbench_url: libpq URL of the database `simbench`.
        cache_dir: where the wheel is kept.
        say: gets a line of text per step.

    Raises:
        DatasetError: fetching, reading or loading failed; every table is whole, old or new.
    """
    source = fetch_wheel(cache_dir, say)
    say(f"data: {ATTRIBUTION}")
    return [
        *load_tables(postgres_url, [TELEMETRY], NO_FILES, say=say),
        *load_tables(simbench_url, SIMBENCH, source, attribution=ATTRIBUTION, say=say),
    ]


def load_tables(
    url: str, tables: Iterable[Table], source: Source, *, attribution: str = "", say: Say = print
) -> list[TableReport]:
    """Bring each table to what the source holds, each in a transaction of its own."""
    digest = source.digest
    try:
        with psycopg.connect(url, autocommit=True, application_name="switchyard data") as connection:
            return [_bring(connection, table, source, digest, attribution, say) for table in tables]
    except psycopg.Error as error:
        raise DatasetError(
            f"PostgreSQL: {str(error).strip()}", cure="is the stack up, and does the database exist?"
        ) from error


def _bring(
    connection: psycopg.Connection, table: Table, source: Source, digest: str, attribution: str, say: Say
) -> TableReport:
    stamp = hashlib.sha256(squeeze(f"{table.ddl};{table.constraints};{digest}").encode()).hexdigest()[:16]
    where = f"{connection.info.dbname}.public.{table.name}"
    started = time.monotonic()
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        reason, rows = _why_load(connection, table, stamp)
        if not reason:
            say(f"{where}: {rows:,} rows, as they should be: left alone")
            return TableReport(where, rows, loaded=False, seconds=0.0)
        rows = _replace(connection, table, source)
        note = f"{table.description} {attribution}".strip()
        _comment(connection, table, f"{note} [loaded by switchyard: rows={rows} stamp={stamp}]")
    connection.execute(f"ANALYZE public.{table.name}")
    seconds = time.monotonic() - started
    say(f"{where}: {reason}; loaded {rows:,} rows in {seconds:.1f} s")
    return TableReport(where, rows, loaded=True, seconds=seconds)


def _why_load(connection: psycopg.Connection, table: Table, stamp: str) -> tuple[str, int]:
    """Return (why the table must be loaded, or ''; its rows now). A table of someone else's is never replaced."""
    relation = connection.execute(
        "SELECT c.oid, obj_description(c.oid, 'pg_class') FROM pg_class c WHERE c.oid = to_regclass(%s)",
        (f"public.{table.name}",),
    ).fetchone()
    if relation is None:
        return "missing", 0
    counted = connection.execute(f"SELECT count(*) FROM public.{table.name}").fetchone()
    rows = int(counted[0]) if counted else 0
    noted = re.search(r"rows=(\d+) stamp=(\w+)\]$", relation[1] or "")
    if noted is None:
        raise DatasetError(
            f"{connection.info.dbname}.public.{table.name} exists and was not loaded by this command",
            cure="it was left as it is: rename or drop it, then run this again",
        )
    if noted[2] != stamp:
        return "it held another version of the data", rows
    if rows != int(noted[1]):
        return f"had {rows:,} rows instead of {int(noted[1]):,}", rows
    return "", rows


def _replace(connection: psycopg.Connection, table: Table, source: Source) -> int:
    """Drop, create, COPY, add constraints, count; in the caller's transaction."""
    connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
    connection.execute(f"DROP TABLE IF EXISTS public.{table.name}")
    connection.execute(table.ddl)
    statement = f"COPY public.{table.name} FROM STDIN (FORMAT csv, DELIMITER ';', NULL 'NULL')"
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for block in table.rows(source):
                copy.write(block)
        rows = cursor.rowcount
    connection.execute(table.constraints)
    return rows


def _comment(connection: psycopg.Connection, table: Table, text: str) -> None:
    connection.execute(
        sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier("public", table.name), sql.Literal(text))
    )
