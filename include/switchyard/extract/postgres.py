"""The source's columns, keys and counts, read over one short connection that locks nothing."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from switchyard.connections import Connection
from switchyard.connections.postgres import libpq_parameters, write_conninfo
from switchyard.connections.session_limits import explain_lost
from switchyard.connections.sqlstates import SqlState, explain
from switchyard.errors import PreflightRefused, ServerUnavailable, SourceRefused, SwitchyardError
from switchyard.extract.jdbc import require_address
from switchyard.extract.server import read_system
from switchyard.extract.session import begin, require_options
from switchyard.extract.type_query import TYPES
from switchyard.flow.spec import Source
from switchyard.types.carry import SourceColumn, rule_name
from switchyard.types.keys import COLLATED
from switchyard.types.postgres_type import PostgresType
from switchyard.types.quoting import quote_plainly, quote_postgres

if TYPE_CHECKING:
    import psycopg

    from switchyard.extract.session import Session


_TABLE = """
select a.attname, a.attnotnull, a.attgenerated <> '' as generated,
       coalesce(a.attnum = any(k.attnums), false) as in_primary_key
from pg_catalog.pg_attribute a
left join lateral (
    select (i.indkey::int2[])[0:i.indnkeyatts - 1] as attnums from pg_catalog.pg_index i
    where i.indrelid = a.attrelid and i.indisprimary
) k on true
where a.attrelid = pg_catalog.to_regclass(%s) and a.attnum > 0 and not a.attisdropped
order by coalesce(pg_catalog.array_position(k.attnums, a.attnum), 0), a.attnum
"""
"""`indkey` counts from 0. After the `indnkeyatts` columns of the key it holds those of INCLUDE."""

_COLUMNS = """
select attname from pg_catalog.pg_attribute
where attrelid = pg_catalog.to_regclass(%s) and attnum > 0 and not attisdropped order by attnum
"""

_RELATION = """
with recursive tree as (
    select pg_catalog.to_regclass(%s)::oid as oid
    union all
    select i.inhrelid from pg_catalog.pg_inherits i join tree on i.inhparent = tree.oid
)
select (select relkind from pg_catalog.pg_class where oid = pg_catalog.to_regclass(%s)), pg_catalog.count(*) - 1
from tree join pg_catalog.pg_class c on c.oid = tree.oid
"""
"""Kind, and number of children (partitions or heirs, all levels)."""


@dataclass(frozen=True)
class SourceShape:
    """The columns of a source statement, and its key.

    `kind` is pg_class.relkind (a query has none), `children` how many partitions or heirs are read with it;
    `left_out` are columns that the source has and the flow does not read.
    """

    columns: tuple[SourceColumn, ...]
    primary_key: tuple[str, ...]
    kind: str = ""
    children: int = 0
    left_out: tuple[str, ...] = ()


@contextmanager
def connect(connection: Connection) -> Iterator[Session]:
    """Open a read-only session, in a transaction in which all settings hold (see `session.begin`).

    Raises ConnectionUnusable for an extra that cannot be honoured; ServerUnavailable or SourceRefused naming the
    connection, by the table of SQLSTATEs.
    """
    import psycopg

    require_address(connection)
    parameters = libpq_parameters(connection)
    try:
        session = psycopg.connect(write_conninfo(connection, parameters))
    except psycopg.Error as error:
        raise explain_error(error, connection) from error
    session.read_only = True
    began = time.monotonic()
    try:
        with session:
            require_options(session, parameters.get("options", ""))
            begin(session)
            yield session
    except psycopg.Error as error:
        raise explain_error(error, connection, time.monotonic() - began) from error


def relation(source: Source) -> str:
    """The FROM clause: the quoted table, or the query as a derived table."""
    if source.query is not None:
        return f"({source.query.strip().rstrip(';')}) as switchyard_source"
    assert source.table is not None  # noqa: S101 - the spec promises exactly one of the two
    return ".".join(quote_postgres(part) for part in source.table_parts)


def read_shape(session: Session, source: Source, flow: str, leave_out: Collection[str] = ()) -> SourceShape:
    """Describe the source statement's columns, without those to leave out: of a table not even a right to them is used.

    Raises PreflightRefused if the table or a column is missing, or the query cannot run.
    """
    described = _describe(session, source, flow, leave_out)
    columns = tuple(column for column in described.columns if column.name not in leave_out)
    if not columns:
        raise PreflightRefused(
            "the source has no columns, and a Hive table needs one",
            where=f"flow {flow}, connection {source.connection}",
            cure="give the table a column, or read another table; in source.query, select a column by name",
        )
    if source.query is not None:
        return SourceShape(columns, tuple(source.key), left_out=described.left_out)
    name = regclass(source)
    facts = {str(row[0]): row for row in session.execute(_TABLE, [name])}
    columns = tuple(replace(c, not_null=bool(facts[c.name][1]), generated=bool(facts[c.name][2])) for c in columns)
    key = tuple(source.key) or tuple(column for column, row in facts.items() if row[3])
    kind, children = session.execute(_RELATION, [name, name]).fetchone() or ("", 0)
    return SourceShape(columns, key, str(kind), int(str(children)), described.left_out)


def blind_collations(session: Session, source: Source, columns: Sequence[SourceColumn]) -> dict[str, str]:
    """Column → collation, for each column whose collation treats different texts as equal."""
    blind = {}
    for column in columns:
        if rule_name(column.type).removesuffix("[]") not in COLLATED:
            continue
        value = f"(select {quote_postgres(column.name)} from {relation(source)} limit 0)"
        row = session.execute(
            "select collname from pg_catalog.pg_collation where not collisdeterministic "
            f"and oid = pg_catalog.pg_collation_for({value})::regcollation".encode()
        ).fetchone()
        if row:
            blind[column.name] = str(row[0])
    return blind


def count_rows(session: Session, source: Source, condition: str = "") -> int:
    """Count exactly what the source statement would read now; `condition`: SQL, by default the source's own."""
    where = condition or source.where or "true"
    row = session.execute(f"select pg_catalog.count(*) from {relation(source)} where {where}".encode()).fetchone()
    return int(str(row[0])) if row else 0


class _Described(NamedTuple):
    """Columns of a statement; and those of the columns to leave out that the source has."""

    columns: tuple[SourceColumn, ...]
    left_out: tuple[str, ...]


def _describe(session: Session, source: Source, flow: str, leave_out: Collection[str]) -> _Described:
    import psycopg

    condition = source.where or "true"
    try:
        names = _table_columns(session, source) if leave_out else ()
        listed = source.columns or [name for name in names if name not in leave_out]
        columns = ", ".join(map(quote_postgres, listed)) if listed or names else "*"
        cursor = session.execute(f"select {columns} from {relation(source)} where {condition} limit 0".encode())
    except psycopg.Error as error:
        state = explain(error.sqlstate, str(error))
        if state.passes:
            raise
        words = _first_line(error)
        raise PreflightRefused(
            f"the source cannot be read: {words}",
            where=f"flow {flow}, connection {source.connection}",
            cure=f"PostgreSQL {state.cause}: {state.cure}",
        ) from error
    described = cursor.description or []
    modifiers = [cursor.pgresult.fmod(i) if cursor.pgresult else -1 for i in range(len(described))]
    oids = [column.type_code for column in described]
    types = session.execute(TYPES, [oids, modifiers]).fetchall()
    places = _places(cursor, read_system(session))
    shown = tuple(
        SourceColumn(column.name, _type(row[:5], _type(row[5:], None) if row[5] else None), place=place)
        for column, row, place in zip(described, types, places, strict=True)
    )
    existing = {*names, *(column.name for column in shown)}
    return _Described(shown, tuple(name for name in leave_out if name in existing))


def _places(cursor: psycopg.Cursor[tuple[object, ...]], system: str) -> list[str]:
    """The place of each column of a result: see `SourceColumn`. The protocol says it, also through a subquery."""
    result = cursor.pgresult
    if result is None:
        return []
    origins = [(result.ftable(number), result.ftablecol(number)) for number in range(result.nfields)]
    return [f"{system}:{table}.{number}" if system and table and number else "" for table, number in origins]


def _table_columns(session: Session, source: Source) -> tuple[str, ...]:
    """All columns of the table, by the catalog, which asks for no right to read them; none of a query."""
    if source.table is None:
        return ()
    return tuple(str(row[0]) for row in session.execute(_COLUMNS, [regclass(source)]))


def regclass(source: Source) -> str:
    """The table's name as to_regclass reads it."""
    return ".".join(quote_plainly(part) for part in source.table_parts)


def _type(described: Sequence[object], element: PostgresType | None) -> PostgresType:
    """A row of `TYPES`, or the half of it that is about the elements."""
    text, catalog, kind, modifier, labels = described
    ordered = tuple(map(str, labels)) if isinstance(labels, list) else ()
    return PostgresType(str(text), str(catalog), str(kind), int(str(modifier)), element, ordered)


def explain_error(error: psycopg.Error, connection: Connection, lived: float = 0) -> SwitchyardError:
    """What an error of psycopg means, and its cure, by the table of SQLSTATEs.

    `lived`: how long, in seconds, the session had been there.
    """
    state, words, code = explain_lost(error.sqlstate, _first_line(error), connection, lived)
    return explain_state(state, words, connection, code)


def explain_state(state: SqlState, words: str, connection: Connection, code: str = "") -> SwitchyardError:
    """The same for a row of the table, and PostgreSQL's own words."""
    shown = f" (SQLSTATE {code})" if code else ""
    what = f"PostgreSQL at {connection.address}, database {connection.schema!r}, {state.cause}{shown}: {words}"
    kind = ServerUnavailable if state.passes else SourceRefused
    return kind(what, where=f"connection {connection.conn_id}", cure=state.cure)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
