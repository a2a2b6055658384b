"""What a source's rows come from: the tables and the definitions below a name that stays the same.

Asks for no right beyond SELECT on the source: the catalogue is everybody's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from switchyard.extract.postgres import SourceShape, regclass, relation
from switchyard.extract.row_rules import digest_rules, named_functions
from switchyard.extract.since_bookmark import take_snapshot
from switchyard.flow.bookmark import Origin, shortened
from switchyard.flow.spec import Source

if TYPE_CHECKING:
    from switchyard.extract.session import Session

_TABLE_ROOT = "select pg_catalog.to_regclass(%s)::oid"
_QUERY_ROOTS = """
with locked as (
    select l.relation as oid from pg_catalog.pg_locks l
    where l.locktype = 'relation' and l.pid = pg_catalog.pg_backend_pid()
    and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
)
select c.oid from pg_catalog.pg_class c join locked l on l.oid = c.oid
where c.relkind in ('r', 'p', 'f', 'v', 'm') and c.oid >= 16384
and not exists (
    select from pg_catalog.pg_inherits i join locked p on p.oid = i.inhparent where i.inhrelid = c.oid
)
"""
"""A query's relations are those that its analysis locked. Partitions and heirs, locked with their parent, are left out:
they come and go. Below 16384 are PostgreSQL's own."""

_BELOW = """
with recursive below as (
    select 'pg_catalog.pg_class'::regclass::oid as class, r as oid from pg_catalog.unnest(%(relations)s::oid[]) as r
    union all
    select 'pg_catalog.pg_proc'::regclass::oid, f from pg_catalog.unnest(%(functions)s::oid[]) as f
    union
    select d.refclassid, d.refobjid from below b
    left join pg_catalog.pg_rewrite r
    on b.class = 'pg_catalog.pg_class'::regclass and r.ev_class = b.oid and r.rulename = '_RETURN'
    join pg_catalog.pg_depend d on d.refclassid in ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass)
    and (d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
         or b.class = 'pg_catalog.pg_proc'::regclass and d.classid = b.class and d.objid = b.oid)
), relations as (
    select c.oid, c.relkind from below b join pg_catalog.pg_class c on c.oid = b.oid
    where b.class = 'pg_catalog.pg_class'::regclass
)
select 'table', oid::text from relations where relkind in ('r', 'p', 'f')
union all
select 'definition', pg_catalog.concat_ws(' ', oid::regclass, pg_catalog.pg_get_viewdef(oid), (
    select pg_catalog.string_agg(distinct pg_catalog.concat_ws('.', d.refobjid::regclass, d.refobjsubid), ' ')
    from pg_catalog.pg_rewrite r join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid and r.ev_class = relations.oid
    join relations t on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = t.oid
    where t.relkind in ('r', 'p', 'f')
)) from relations where relkind in ('v', 'm')
union all
select 'definition', pg_catalog.concat_ws(' ', t.ftrelid::regclass, s.srvname, t.ftoptions, (
    select o from pg_catalog.unnest(s.srvoptions) as o where o like 'dbname=%%'
)) from pg_catalog.pg_foreign_table t join relations on relations.oid = t.ftrelid
join pg_catalog.pg_foreign_server s on s.oid = t.ftserver
union all
select 'definition', pg_catalog.pg_get_functiondef(p.oid) from below b join pg_catalog.pg_proc p on p.oid = b.oid
where b.class = 'pg_catalog.pg_proc'::regclass and p.prokind <> 'a' and not exists (
    select from pg_catalog.pg_depend e
    where e.classid = 'pg_catalog.pg_proc'::regclass and e.objid = p.oid and e.deptype = 'e'
)
"""
"""Views with the numbers of the columns that they read; foreign tables without their host, which may move; functions
without those of an extension, which an upgrade replaces."""

_PLAIN_NAMES = "select pg_catalog.set_config('search_path', 'pg_catalog', true)"
"""So that every other name is shown with its schema, whatever the login's search_path is."""


def read_origin(session: Session, source: Source, shape: SourceShape) -> Origin:
    """Look at what the source's rows come from, in the transaction that looked at its shape."""
    places = {column.name: column.place for column in shape.columns}
    below = _look_below(session, relations=_roots(session, source))
    tables = below.tables
    named = named_functions(session, source, tables)
    functions = _look_below(session, functions=named).definitions if named else []
    definitions = below.definitions
    return Origin(
        tables=shortened(", ".join(map(str, tables))),
        definitions=hashlib.sha256("\n".join(definitions).encode()).hexdigest()[:16] if definitions else "",
        cursor=places.get(source.cursor or "", ""),
        rules=digest_rules(session, source, tables, definitions, functions),
        snapshot=take_snapshot(session),
    )


class _Below(NamedTuple):
    """Oids of tables, in order; texts of definitions, in order."""

    tables: list[int]
    definitions: list[str]


def _look_below(session: Session, relations: Sequence[int] = (), functions: Sequence[int] = ()) -> _Below:
    with session.transaction(force_rollback=True):  # the login's search_path comes back
        session.execute(_PLAIN_NAMES)
        rows = session.execute(_BELOW, {"relations": list(relations), "functions": list(functions)}).fetchall()
    tables = sorted(int(str(text)) for what, text in rows if what == "table")
    return _Below(tables, sorted(str(text) for what, text in rows if what == "definition"))


def _roots(session: Session, source: Source) -> list[int]:
    """The oids of the relations that the source names."""
    if source.table is not None:
        rows = session.execute(_TABLE_ROOT, [regclass(source)]).fetchall()
    else:
        session.execute(f"select from {relation(source)} limit 0".encode())
        rows = session.execute(_QUERY_ROOTS).fetchall()
    return [int(str(row[0])) for row in rows if row[0] is not None]
