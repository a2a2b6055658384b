"""What the source says of itself: columns, keys, counts. Read over one short connection, nothing is locked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from switchyard.connections import Connection
from switchyard.errors import PreflightRefused, ServerUnavailable
from switchyard.flow.bookmark import Server
from switchyard.flow.spec import Source
from switchyard.types.carry import SourceColumn
from switchyard.types.postgres_type import PostgresType
from switchyard.types.quoting import quote_postgres

if TYPE_CHECKING:
    import psycopg

_CONNECT_SECONDS = 10
TEXT_SETTINGS = "-c extra_float_digits=1 -c intervalstyle=postgres -c bytea_output=hex"
"""Options of every session on the source: what a login may have set, and what the text of a value depends on."""

_TYPES = """
with recursive described as (
    select n, o, m from unnest(%s::oid[], %s::int[]) with ordinality as x(o, m, n)
), unwrapped as (
    select d.n, t.typelem as o, d.m from described d join pg_catalog.pg_type t on t.oid = d.o
    where t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc
    union all
    select u.n, t.typbasetype, t.typtypmod
    from unwrapped u join pg_catalog.pg_type t on t.oid = u.o where t.typtype = 'd'
), element as (
    select u.* from unwrapped u join pg_catalog.pg_type t on t.oid = u.o where t.typtype <> 'd'
), named as (
    select t.oid, t.typtype, case
        when t.typnamespace = 'pg_catalog'::regnamespace then t.typname
        when x.extname = t.typname then t.typname else '' end as catalog
    from pg_catalog.pg_type t
    left join pg_catalog.pg_depend e
    on e.classid = 'pg_catalog.pg_type'::regclass and e.objid = t.oid and e.deptype = 'e'
    left join pg_catalog.pg_extension x on x.oid = e.refobjid
    where t.oid in (select o from described union select o from element)
)
select pg_catalog.format_type(d.o, d.m), t.catalog, t.typtype, d.m,
       pg_catalog.format_type(e.o, e.m), et.catalog, et.typtype, e.m
from described d join named t on t.oid = d.o
left join element e on e.n = d.n left join named et on et.oid = e.o
order by d.n
"""
"""A domain arrives as its base type, by the protocol; an array of domains does not."""

_TABLE = """
select a.attname, a.attnotnull, a.attgenerated <> '' as generated,
       coalesce(a.attnum = any(i.indkey), false) as in_primary_key
from pg_attribute a
left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped
order by coalesce(array_position(i.indkey::int2[], a.attnum), 0), a.attnum
"""

_RELATION = """
with recursive tree as (
    select to_regclass(%s)::oid as oid
    union all
    select i.inhrelid from pg_inherits i join tree on i.inhparent = tree.oid
)
select (select relkind from pg_class where oid = to_regclass(%s)), count(*) - 1
from tree join pg_class c on c.oid = tree.oid
"""
"""Kind, and number of children (partitions or heirs, all levels)."""


@dataclass(frozen=True)
class SourceShape:
    """The columns of a source statement, and its key.

    `kind` is pg_class.relkind (a query has none), `children` how many partitions or heirs are read with it.
    """

    columns: tuple[SourceColumn, ...]
    primary_key: tuple[str, ...]
    kind: str = ""
    children: int = 0


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
            options=f"-c default_transaction_read_only=on -c datestyle=ISO -c timezone=UTC {TEXT_SETTINGS}",
            application_name="switchyard",
            client_encoding="UTF8",
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
        return SourceShape(columns, tuple(source.key))
    name = relation(source)
    facts = {str(row[0]): row for row in session.execute(_TABLE, [name])}
    columns = tuple(replace(c, not_null=bool(facts[c.name][1]), generated=bool(facts[c.name][2])) for c in columns)
    key = tuple(source.key) or tuple(column for column, row in facts.items() if row[3])
    found = session.execute(_RELATION, [name, name]).fetchone() or ("", 0)
    return SourceShape(columns, key, str(found[0]), int(str(found[1])))


def read_server(session: psycopg.Connection[tuple[object, ...]], connection: Connection) -> Server:
    """The database that a session is in, as its server names it, and where the connection says it is."""
    row = session.execute(
        "select current_database(), has_function_privilege('pg_control_system()', 'execute')"
    ).fetchone() or ("", False)
    system = session.execute("select system_identifier from pg_control_system()").fetchone() if row[1] else None
    return Server(connection.address, str(system[0]) if system else "", str(row[0]))


def count_rows(session: psycopg.Connection[tuple[object, ...]], source: Source, condition: str = "") -> int:
    """Count exactly what the source statement would read now; `condition`: SQL, by default the source's own."""
    where = condition or source.where or "true"
    row = session.execute(f"select count(*) from {relation(source)} where {where}".encode()).fetchone()
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
    types = session.execute(_TYPES, [oids, modifiers]).fetchall()
    return tuple(
        SourceColumn(column.name, _type(row[:4], _type(row[4:], None) if row[4] else None))
        for column, row in zip(described, types, strict=True)
    )


def _type(described: Sequence[object], element: PostgresType | None) -> PostgresType:
    """A row of `_TYPES`, or the half of it that is about the elements."""
    text, catalog, kind, modifier = described
    return PostgresType(str(text), str(catalog), str(kind), int(str(modifier)), element)


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
