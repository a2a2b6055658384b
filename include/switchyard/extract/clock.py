"""Whether the database's clock sets a cursor, in every row and at every change, as its default and triggers show.

A bookmark is a moment: a row that is written later must get a later cursor. A default or a trigger that cuts the clock
off (`date_trunc`, a precision of seconds), that writes another zone's time, or that runs for some columns only, does
not promise that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from switchyard.extract.postgres import regclass
from switchyard.flow.spec import Source
from switchyard.types.postgres_type import PostgresType
from switchyard.types.quoting import quote_plainly

if TYPE_CHECKING:
    from switchyard.extract.session import Session

_CLOCK = r"(now|current_timestamp|transaction_timestamp|statement_timestamp|clock_timestamp|localtimestamp)(\((6?)\))?"
_IN_UTC = r"(timezone\s*\(\s*|at time zone\s*)'(utc|gmt|etc/utc|etc/gmt|z)'"
_WHOLE_CLOCK = rf"({_CLOCK}|{_IN_UTC}, {_CLOCK}\)|{_CLOCK} {_IN_UTC})"
_CUT = (
    r"(?<!\w)(?:date_trunc|date_bin|to_char|current_date)\b|::\s*date\b|"
    r"(?<!\w)(?:timestamp|timestamptz|current_timestamp|localtimestamp)\s*[(]\s*[0-5]\s*[)]"
)
_HIDDEN = {
    "m": "is a materialized view: a refresh brings rows whose cursor is long past",
    "f": "is a foreign table: transactions that are open on its own server are not seen here",
}
"""Kinds of relations (pg_class.relkind) whose rows appear late, and why."""
_WHOLE_ROW = re.compile(r"when \(*old\.\* is distinct from new\.\*\)*")

_WRITERS = """
with recursive tree as (
    select pg_catalog.to_regclass(%(table)s)::oid as oid
    union all
    select i.inhrelid from pg_catalog.pg_inherits i join tree on i.inhparent = tree.oid
)
select c.oid::regclass::text, c.relkind::text, c.relispartition,
    coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), ''),
    coalesce((
        select pg_catalog.json_agg(pg_catalog.json_build_object(
            'body', p.prosrc, 'insert', t.tgtype & 4 <> 0, 'update', t.tgtype & 16 <> 0,
            'some', t.tgattr::text <> '', 'definition', pg_catalog.pg_get_triggerdef(t.oid)))
        from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = c.oid and t.tgenabled in ('O', 'A') and t.tgtype & 3 = 3
        and pg_catalog.strpos(p.prosrc, %(column)s) > 0
    ), '[]'),
    exists (select 1 from pg_catalog.pg_subscription_rel r where r.srrelid = c.oid)
from tree join pg_catalog.pg_class c on c.oid = tree.oid
left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = %(column)s
left join pg_catalog.pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
order by tree.oid <> pg_catalog.to_regclass(%(table)s), 1
"""
"""A row for the table and each of its partitions and heirs: only their own triggers run for their rows. Bits of tgtype:
1 for each row, 2 before, 4 insert, 16 update."""


@dataclass(frozen=True)
class Trigger:
    """A trigger that runs before a row is written, for each row, and whose function names the cursor.

    `is_partial`: it does not run for every change.
    """

    body: str
    on_insert: bool
    on_update: bool
    is_partial: bool = False

    @classmethod
    def of(cls, facts: Mapping[str, object]) -> Trigger:
        """Read one of `_WRITERS`' triggers."""
        definition = str(facts["definition"]).lower()
        conditional = " when (" in definition and not _WHOLE_ROW.search(definition)
        return cls(
            body=str(facts["body"]),
            on_insert=bool(facts["insert"]),
            on_update=bool(facts["update"]),
            is_partial=bool(facts["some"]) or conditional,
        )


@dataclass(frozen=True)
class Relation:
    """A table, a partition or an heir: `kind` is pg_class.relkind, `default` the cursor's, as PostgreSQL writes it.

    `is_replica`: a subscription of logical replication writes it.
    """

    name: str
    kind: str
    is_partition: bool
    default: str
    triggers: tuple[Trigger, ...]
    is_replica: bool = False

    @property
    def has_rows(self) -> bool:
        """False for a table that is only the sum of its partitions."""
        return self.kind != "p"


def read_relations(session: Session, source: Source) -> list[Relation]:
    """The table that a flow reads, with its partitions and heirs; none of a query."""
    if source.table is None:
        return []
    rows = session.execute(_WRITERS, {"table": regclass(source), "column": source.cursor}).fetchall()
    return [_relation(row) for row in rows]


def _relation(row: Sequence[object]) -> Relation:
    name, kind, is_partition, default, triggers, is_replica = row
    listed = triggers if isinstance(triggers, list) else []
    setters = tuple(map(Trigger.of, listed))
    return Relation(str(name), str(kind), bool(is_partition), str(default), setters, bool(is_replica))


def hidden_commits(relations: Iterable[Relation]) -> list[str]:
    """Relations whose rows can appear long after their cursor's moment, each with the reason."""
    listed = [f"{each.name} {_HIDDEN[each.kind]}" for each in relations if each.kind in _HIDDEN]
    replicas = [each for each in relations if each.is_replica]
    return listed + [
        f"{each.name} is written by a replication subscription: its rows come later than the cursor's moment"
        for each in replicas
    ]


def clock_faults(relations: Sequence[Relation], cursor: PostgresType, *, updates: bool) -> list[str]:
    """The reasons why a later change could get an earlier cursor.

    `updates`: rows are changed as well, in mode merge; otherwise they only come.
    """
    root = relations[0] if len(relations) == 1 else None
    faults = []
    for each in relations:
        default = each.default or _inherited_default(each, relations)
        if each.has_rows:
            faults += [
                f"{fault}{'' if root else f' (in {each.name})'}" for fault in _faults(each, default, cursor, updates)
            ]
    return list(dict.fromkeys(faults))


def trigger_sql(table: str, cursor: str, kind: PostgresType) -> str:
    """Write the trigger that lets the database's clock set a cursor at every insert and update: one line of SQL.

    `table` is quoted where it has to be. Partitions get it from their table; a table that inherits needs its own.
    """
    moment = "pg_catalog.now()" if kind.catalog == "timestamptz" else "pg_catalog.now() at time zone 'UTC'"
    name = quote_plainly(f"set_{cursor}")
    body = f"begin new.{quote_plainly(cursor)} := {moment}; return new; end"
    return (
        f"create function {name}() returns trigger language plpgsql as $$ {body} $$; "
        f"create trigger {name} before insert or update on {table} for each row execute function {name}();"
    )


def cut_default(relations: Iterable[Relation]) -> list[str]:
    """Defaults that cut the clock off, and that no trigger on insert replaces: wrong whatever somebody promises."""
    return [
        f"its default {each.default} rounds the time of the clock"
        for each in relations
        if re.search(_CUT, each.default, re.I) and not any(trigger.on_insert for trigger in each.triggers)
    ]


def _inherited_default(relation: Relation, relations: Iterable[Relation]) -> str:
    """Rows come into a partition through its table, whose default they get."""
    return next((each.default for each in relations if each.kind == "p"), "") if relation.is_partition else ""


def _faults(relation: Relation, default: str, cursor: PostgresType, updates: bool) -> list[str]:
    on_insert = [trigger for trigger in relation.triggers if trigger.on_insert and not trigger.is_partial]
    on_update = [trigger for trigger in relation.triggers if trigger.on_update]
    whole = [trigger for trigger in on_update if not trigger.is_partial]
    if not on_insert and not default and not on_update:
        return ["no default and no trigger sets it"]
    faults = _expression_faults(default, cursor) if not on_insert else []
    if updates and not on_update:
        faults.append("no trigger sets it for changed rows")
    elif updates and not whole:
        faults.append("the trigger that sets it does not run for every change (UPDATE OF, or WHEN)")
    used = [*on_insert, *whole] if updates else on_insert
    return faults + [fault for trigger in used for fault in _body_faults(trigger.body, cursor)]


def _expression_faults(default: str, cursor: PostgresType) -> list[str]:
    if not default:
        return ["no default sets it for new rows"]
    text = _without_casts(default.lower())
    if re.search(_CUT, default, re.I):
        return [f"its default {default} rounds the time of the clock"]
    if not re.fullmatch(_WHOLE_CLOCK, text):
        return [f"its default {default} is not PostgreSQL's clock alone"]
    return _zone_faults(f"its default {default}", default, cursor)


def _without_casts(text: str) -> str:
    """PostgreSQL's text of an expression, without the brackets around it and the casts that change nothing."""
    text = re.sub(r"::(text|timestamp with(out)? time zone)", "", text)
    return text[1:-1] if text.startswith("(") and text.endswith(")") else text


def _body_faults(body: str, cursor: PostgresType) -> list[str]:
    if not re.search(_CLOCK, body, re.I):
        return ["the function of its trigger does not read PostgreSQL's clock"]
    if re.search(_CUT, body, re.I):
        return ["the function of its trigger rounds the time"]
    return _zone_faults("the function of its trigger", body, cursor)


def _zone_faults(what: str, text: str, cursor: PostgresType) -> list[str]:
    """Without a time zone, `now()` is the local time of whichever session writes; a driver sets its own zone."""
    if cursor.catalog == "timestamptz" or re.search(_IN_UTC, text, re.I):
        return []
    return [f"it has no time zone, and {what} writes the time of each session's own zone"]
