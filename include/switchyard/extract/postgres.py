"""What the source says of itself: columns, keys, counts. Read over one short connection, nothing is locked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from switchyard.connections import Connection
from switchyard.errors import PreflightRefused, ServerUnavailable
from switchyard.flow.spec import Source
from switchyard.lake.types import SourceColumn, quote_postgres

if TYPE_CHECKING:
    import psycopg

_CONNECT_SECONDS = 10

_TYPES = """
select t.oid, t.typtype, coalesce(b.typtype, t.typtype)
from pg_type t left join pg_type b on b.oid = t.typbasetype and t.typtype = 'd'
where t.oid = any(%s)
"""

_TABLE = """
select a.attname, a.attnotnull, a.attgenerated <> '' as generated,
       coalesce(a.attnum = any(i.indkey), false) as in_primary_key
from pg_attribute a
left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""


@dataclass(frozen=True)
class SourceShape:
    """The columns of a source statement, its key, and how many rows PostgreSQL believes it has (None: no estimate)."""

    columns: tuple[SourceColumn, ...]
    primary_key: tuple[str, ...]
    estimated_rows: int | None


@contextmanager
def connect(connection: Connection) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Open a read-only session.

    Raises ServerUnavailable naming the connection, PreflightRefused for a statement of the flow that PostgreSQL
    cannot run.
    """
    import psycopg

    try:
        session = psycopg.connect(
            host=connection.host,
            port=connection.port or 5432,
            user=connection.login,
            password=connection.password,
            dbname=connection.schema,
            connect_timeout=_CONNECT_SECONDS,
            options="-c default_transaction_read_only=on -c datestyle=ISO -c timezone=UTC -c extra_float_digits=1",
            application_name="switchyard",
        )
    except psycopg.OperationalError as error:
        raise ServerUnavailable(
            f"PostgreSQL at {connection.address}, database {connection.schema!r}: {_first_line(error)}",
            where=f"connection {connection.conn_id}",
            next="check that the server runs, and the connection's host, port, database, login and password",
        ) from error
    try:
        with session:
            yield session
    except psycopg.Error as error:
        raise _explained(error, connection) from error


def relation(source: Source) -> str:
    """The FROM clause: the quoted table, or the query as a derived table."""
    if source.query is not None:
        return f"({source.query.strip().rstrip(';')}) as switchyard_source"
    assert source.table is not None  # noqa: S101 - the spec promises exactly one of the two
    return ".".join(quote_postgres(part) for part in source.table_parts)


def read_shape(session: psycopg.Connection[tuple[object, ...]], source: Source, flow: str) -> SourceShape:
    """Describe the source statement's columns.

    Raises PreflightRefused when the table, a column or the query is not there.
    """
    columns = _describe(session, source, flow)
    if source.query is not None:
        return SourceShape(columns, tuple(source.key), None)
    name = relation(source)
    facts = {str(row[0]): row for row in session.execute(_TABLE, [name])}
    columns = tuple(
        SourceColumn(c.name, c.type, c.kind, bool(facts[c.name][1]), bool(facts[c.name][2])) for c in columns
    )
    key = tuple(source.key) or tuple(column for column, row in facts.items() if row[3])
    estimate = session.execute("select reltuples::bigint from pg_class where oid = to_regclass(%s)", [name]).fetchone()
    rows = int(str(estimate[0])) if estimate else -1
    return SourceShape(columns, key, rows if rows >= 0 and source.where is None else None)


def count_rows(session: psycopg.Connection[tuple[object, ...]], source: Source) -> int:
    """Count exactly what the source statement would read now."""
    row = session.execute(f"select count(*) from {relation(source)} where {source.where or 'true'}".encode()).fetchone()
    return int(str(row[0])) if row else 0


def _describe(session: psycopg.Connection[tuple[object, ...]], source: Source, flow: str) -> tuple[SourceColumn, ...]:
    import psycopg

    wanted = ", ".join(quote_postgres(c) for c in source.columns) if source.columns else "*"
    try:
        condition = source.where or "true"
        cursor = session.execute(f"select {wanted} from {relation(source)} where {condition} limit 0".encode())
    except psycopg.Error as error:
        session.rollback()
        raise PreflightRefused(
            f"the source cannot be read: {_first_line(error)}",
            where=f"flow {flow}, connection {source.connection}",
            next="check source.table, source.columns, source.where or source.query, and the login's rights",
        ) from error
    described = cursor.description or []
    modifiers = [cursor.pgresult.fmod(i) if cursor.pgresult else -1 for i in range(len(described))]
    oids = [column.type_code for column in described]
    kinds = {row[0]: str(row[2]) for row in session.execute(_TYPES, [oids])}
    names = session.execute(
        "select format_type(o, m) from unnest(%s::oid[], %s::int[]) with ordinality as x(o, m, n) order by n",
        [oids, modifiers],
    ).fetchall()
    return tuple(
        SourceColumn(column.name, str(name[0]), kinds.get(column.type_code, "b"))
        for column, name in zip(described, names, strict=True)
    )


def _explained(error: psycopg.Error, connection: Connection) -> Exception:
    import psycopg

    if isinstance(error, psycopg.OperationalError):
        return ServerUnavailable(
            f"PostgreSQL at {connection.address} ended the session: {_first_line(error)}",
            where=f"connection {connection.conn_id}",
            next="run again; if it happens twice, see PostgreSQL's log",
        )
    return PreflightRefused(
        f"the source cannot be read: {_first_line(error)}",
        where=f"connection {connection.conn_id}",
        next="check source.where or source.query: PostgreSQL could not run it",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
