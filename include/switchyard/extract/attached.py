"""Partitions and heirs that came to a table after its bookmark was written, with rows that lie below it.

A partition is attached with its rows, whatever their cursor is, and no load that begins at the bookmark reads those.
PostgreSQL keeps with each row of its catalogue the transaction that wrote it, so a snapshot of the plan tells which
partitions that plan saw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchyard.extract.postgres import regclass
from switchyard.flow.spec import Source
from switchyard.types.quoting import quote_literal, quote_postgres

if TYPE_CHECKING:
    from switchyard.extract.session import Session

_SNAPSHOT = "select pg_catalog.txid_current_snapshot()::text"
_WRITER = """
case when i.xmin::text::bigint < 3 then 1
    when (now.id & ~4294967295) + i.xmin::text::bigint < now.id then (now.id & ~4294967295) + i.xmin::text::bigint
    else greatest((now.id & ~4294967295) + i.xmin::text::bigint - 4294967296, 1)
end
"""
"""The transaction that wrote a row of pg_inherits, with the epoch that `xmin` lacks: the newest below the present one.
Below 3 are PostgreSQL's own, which are older than any snapshot, as are those of a row that was frozen long ago."""
_FRESH = f"""
with recursive now as (
    select pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()) as id
), tree as (
    select pg_catalog.to_regclass(%(table)s)::oid as oid, false as is_fresh
    union all
    select i.inhrelid, tree.is_fresh
        or not pg_catalog.txid_visible_in_snapshot({_WRITER}, %(snapshot)s::pg_catalog.txid_snapshot)
    from tree join pg_catalog.pg_inherits i on i.inhparent = tree.oid cross join now
)
select distinct n.nspname, c.relname from tree join pg_catalog.pg_class c on c.oid = tree.oid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace where tree.is_fresh and c.relkind in ('r', 'f') order by 1, 2
"""


def take_snapshot(session: Session) -> str:
    """Which transactions have ended: PostgreSQL's text of a txid_snapshot."""
    row = session.execute(_SNAPSHOT).fetchone()
    return str(row[0]) if row else ""


def find_attached(session: Session, source: Source, snapshot: str, low: str) -> list[str]:
    """Names of the parts that came after `snapshot` and have rows of the source below `low`, a value of its cursor."""
    if source.table is None or source.cursor is None:
        return []
    rows = session.execute(_FRESH, {"table": regclass(source), "snapshot": snapshot}).fetchall()
    parts = [(str(schema), str(name)) for schema, name in rows]
    below = f"{quote_postgres(source.cursor)} < {quote_literal(low)}"
    where = f"({source.where}) and {below}" if source.where else below
    alias = quote_postgres(source.table_parts[1])  # a filter may name the table
    attached = []
    for schema, name in parts:
        part = f"only {quote_postgres(schema)}.{quote_postgres(name)} as {alias}"
        row = session.execute(f"select exists (select from {part} where {where})".encode()).fetchone()
        if row and row[0]:
            attached.append(f"{schema}.{name}")
    return attached
