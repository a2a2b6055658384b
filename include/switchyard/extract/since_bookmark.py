"""What happened to a table since its bookmark was written, by which rows may lie below it that no load has read.

A partition is attached with its rows, whatever their cursor is. While a trigger is switched off, rows are written and
keep their cursor. PostgreSQL keeps with each row of its catalogue the transaction that wrote it, so the snapshot of a
plan tells what that plan saw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from switchyard.extract.postgres import regclass, relation
from switchyard.flow.spec import Source
from switchyard.types.quoting import quote_literal, quote_postgres

if TYPE_CHECKING:
    from switchyard.extract.session import Session

Change = Literal["insert", "update"]
_EVENTS: dict[Change, int] = {"insert": 4, "update": 4 | 16}
"""Bits of pg_trigger.tgtype: a load that has to see updates has to see inserts as well."""

_SNAPSHOT = "select pg_catalog.txid_current_snapshot()::text"
_WRITER = """
case when {row}.xmin::text::bigint < 3 then 1
    when now.epoch + {row}.xmin::text::bigint < now.id then now.epoch + {row}.xmin::text::bigint
    else greatest(now.epoch + {row}.xmin::text::bigint - 4294967296, 1)
end
"""
"""The transaction that wrote a row of the catalogue, with the epoch that `xmin` lacks: the newest below the next one.
Below 3 are PostgreSQL's own, which are older than any snapshot, as are those of a row that was frozen long ago."""
_IS_NEW = f"not pg_catalog.txid_visible_in_snapshot({_WRITER}, %(snapshot)s::pg_catalog.txid_snapshot)"
_TREE = f"""
with recursive next as (
    select pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()) as id
), now as (
    select id, id & ~4294967295 as epoch from next
), tree as (
    select pg_catalog.to_regclass(%(table)s)::oid as oid, false as is_new
    union all
    select i.inhrelid, tree.is_new or {_IS_NEW.format(row="i")}
    from tree join pg_catalog.pg_inherits i on i.inhparent = tree.oid cross join now
)
"""
_ATTACHED = f"""
{_TREE}
select distinct n.nspname, c.relname, c.oid, pg_catalog.has_table_privilege(c.oid, 'SELECT')
from tree join pg_catalog.pg_class c on c.oid = tree.oid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace where tree.is_new and c.relkind in ('r', 'f') order by 1, 2
"""
_SWITCHED = f"""
{_TREE}
select distinct t.tgname from tree cross join now join pg_catalog.pg_trigger t on t.tgrelid = tree.oid
join pg_catalog.pg_proc p on p.oid = t.tgfoid
where not tree.is_new and not t.tgisinternal and t.tgtype & 3 = 3 and t.tgtype & %(events)s <> 0
and pg_catalog.strpos(p.prosrc, %(cursor)s) > 0 and {_IS_NEW.format(row="t")} order by 1
"""
"""Triggers that run before each row is written, and whose function names the cursor (see `extract.clock`). A new part
has new ones."""


def take_snapshot(session: Session) -> str:
    """Which transactions have ended: PostgreSQL's text of a txid_snapshot."""
    row = session.execute(_SNAPSHOT).fetchone()
    return str(row[0]) if row else ""


def unread_rows(session: Session, source: Source, snapshot: str, low: str, change: Change) -> list[str]:
    """The reasons why rows of a table below `low`, a value of its cursor, may have been read by no load.

    `snapshot`: of the plan that wrote the bookmark; `change`: what rows a load has to see.
    """
    if source.table is None or source.cursor is None:
        return []
    attached = find_attached(session, source, snapshot, low)
    switched = find_switched(session, source, snapshot, change)
    reasons = [
        f"{part} was attached to {source.table} after the last load, and has rows with a cursor below the bookmark"
        for part in attached
    ]
    return reasons + [
        f"trigger {name} of {source.table}, which sets {source.cursor}, was created or enabled after the last load: "
        "rows that were written without it may have an old cursor"
        for name in switched
    ]


def find_attached(session: Session, source: Source, snapshot: str, low: str) -> list[str]:
    """Names of the parts that came after `snapshot` and have rows of the source below `low`."""
    parts = session.execute(_ATTACHED, {"table": regclass(source), "snapshot": snapshot}).fetchall()
    below = f"{quote_postgres(source.cursor or '')} < {quote_literal(low)}"
    where = f"({source.where}) and {below}" if source.where else below
    attached = []
    for schema, name, oid, may_read in parts:
        rows = _rows_of(source, str(schema), str(name)) if may_read else relation(source)
        only = "true" if may_read else f"tableoid = {oid}"
        row = session.execute(f"select exists (select from {rows} where {where} and {only})".encode()).fetchone()
        if row and row[0]:
            attached.append(f"{schema}.{name}")
    return attached


def _rows_of(source: Source, schema: str, name: str) -> str:
    """The rows of one part. A login that may read the table need not have this right; through the table it is slow."""
    alias = quote_postgres(source.table_parts[1])  # a filter may name the table
    return f"only {quote_postgres(schema)}.{quote_postgres(name)} as {alias}"


def find_switched(session: Session, source: Source, snapshot: str, change: Change) -> list[str]:
    """Names of the triggers that set the cursor, and whose row of the catalogue is younger than `snapshot`."""
    parameters = {"table": regclass(source), "snapshot": snapshot, "cursor": source.cursor, "events": _EVENTS[change]}
    return [str(row[0]) for row in session.execute(_SWITCHED, parameters).fetchall()]
