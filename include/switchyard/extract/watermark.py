"""The bounds of an incremental load: what may be read now so that no later commit can slip in below.

PostgreSQL's `now()` is the start of a transaction. A transaction that is still open may commit rows stamped with its
start, so the high watermark is the start of the oldest open transaction, or now when there is none. `now` is taken
first and the transactions are read a second later: by then a transaction that had read its start time shows itself.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from switchyard.extract.postgres import SourceShape, regclass, relation
from switchyard.extract.session import begin
from switchyard.flow.spec import Flow, Source
from switchyard.types.postgres_type import PostgresType
from switchyard.types.quoting import quote_postgres

if TYPE_CHECKING:
    from switchyard.extract.session import Session

_SETTLE_SECONDS = 1.0
_CLOCK = r"(now\(\)|current_timestamp|transaction_timestamp|statement_timestamp|clock_timestamp|localtimestamp)"

_HIGH = """
select least(%s::timestamptz, pg_catalog.min(xact_start))::text from pg_catalog.pg_stat_activity
where xact_start is not null and pid <> pg_catalog.pg_backend_pid()
and coalesce(datname, pg_catalog.current_database()) = pg_catalog.current_database()
and coalesce(backend_type, '') not in ('autovacuum worker', 'walsender')
"""
_SERVER = """
select pg_catalog.pg_is_in_recovery(),
       pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'usage'),
       (select pg_catalog.count(*) from pg_catalog.pg_prepared_xacts where database = pg_catalog.current_database())
"""
_ZONE = """
select coalesce((
    select pg_catalog.split_part(c, '=', 2) from pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) as c
    where c ilike 'timezone=%' and s.setrole = 0 and s.setdatabase in (
        0, (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
    order by s.setdatabase desc limit 1
), (select boot_val from pg_catalog.pg_settings where name = 'TimeZone'))
"""
_CLOCK_SET = """
select coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid) ~* %(clock)s, false),
       exists (select 1 from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
               where t.tgrelid = a.attrelid and not t.tgisinternal and t.tgenabled in ('O', 'A')
               and t.tgtype & 2 = 2 and t.tgtype & 16 = 16
               and pg_catalog.strpos(p.prosrc, a.attname::text) > 0 and p.prosrc ~* %(clock)s)
from pg_catalog.pg_attribute a left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = pg_catalog.to_regclass(%(table)s) and a.attname = %(column)s
"""


def reads_by_cursor(flow: Flow) -> bool:
    """True if a load reads only the rows that the cursor marks as new."""
    return flow.lake.mode != "replace" and flow.source.cursor is not None and flow.source.sweep == "never"


def find_high(session: Session) -> str:
    """The high watermark, not included: PostgreSQL's text of a timestamptz, in UTC. Takes a second."""
    row = session.execute("select pg_catalog.clock_timestamp()::text").fetchone()
    session.rollback()  # a login may be forbidden to idle in a transaction
    time.sleep(_SETTLE_SECONDS)
    begin(session)
    high = session.execute(_HIGH, [row[0] if row else None]).fetchone()
    assert high is not None  # noqa: S101 - an aggregate gives a row
    return str(high[0])


def check_cursor(session: Session, flow: Flow, shape: SourceShape) -> list[str]:
    """The reasons why the cursor would miss changes, each with its cure."""
    source = flow.source
    if flow.lake.mode == "replace" or source.cursor is None:
        return []
    types = {column.name: column.type for column in shape.columns}
    if source.cursor not in types:
        return [f"source.cursor {source.cursor!r} is not a column of the source; it has {', '.join(types)}"]
    if not types[source.cursor].is_timestamp:
        return [
            f"source.cursor {source.cursor!r} is {types[source.cursor].text}: only timestamps of the database's clock "
            "show in which order rows were committed; choose one, or use mode merge with source.sweep: always"
        ]
    not_null = any(column.not_null for column in shape.columns if column.name == source.cursor)
    findings = _check_values(session, source, not_null=not_null)
    if reads_by_cursor(flow):
        findings += _check_server(session)
        findings += _check_zone(session, source, types[source.cursor])
        findings += _check_clock(session, flow)
    return findings


def _check_values(session: Session, source: Source, *, not_null: bool) -> list[str]:
    column = quote_postgres(source.cursor or "")
    findings = []
    nulls = 0 if not_null else _count(session, source, f"{column} is null")
    if nulls:
        cure = "make the column NOT NULL, or leave them out with source.where"
        findings.append(f"source.cursor {source.cursor!r} is NULL in {nulls} rows, which no load would read; {cure}")
    future = _count(session, source, f"{column} > pg_catalog.clock_timestamp() + interval '1 minute'")
    if future:
        cure = "correct them, or leave them out with source.where"
        findings.append(f"source.cursor {source.cursor!r} lies in the future in {future} rows; {cure}")
    return findings


def _count(session: Session, source: Source, condition: str) -> int:
    """Rows of a condition that an index can answer."""
    where = f"({source.where}) and {condition}" if source.where else condition
    row = session.execute(f"select pg_catalog.count(*) from {relation(source)} where {where}".encode()).fetchone()
    return int(str(row[0])) if row else 0


def _check_server(session: Session) -> list[str]:
    row = session.execute(_SERVER).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM
    findings = []
    if row[0]:
        findings.append("the connection is to a standby, which does not show the open transactions: use the primary")
    if not row[1]:
        cure = "grant pg_read_all_stats to the connection's login"
        findings.append(f"the login may not see others' transactions, and one could slip under the watermark; {cure}")
    if row[2]:
        cure = "commit them or roll them back (pg_prepared_xacts)"
        findings.append(f"{row[2]} prepared transactions are open, and may commit rows below any watermark; {cure}")
    return findings


def _check_zone(session: Session, source: Source, kind: PostgresType) -> list[str]:
    if kind.catalog == "timestamptz":
        return []
    row = session.execute(_ZONE).fetchone()
    zone = str(row[0]) if row else "unknown"
    if zone.upper() in ("UTC", "GMT", "ETC/UTC", "ETC/GMT", "UNIVERSAL"):
        return []
    return [
        f"source.cursor {source.cursor!r} has no time zone, and the database's is {zone}, where the clock repeats an "
        "hour every year; make the column timestamptz, or use source.sweep: always"
    ]


def _check_clock(session: Session, flow: Flow) -> list[str]:
    source = flow.source
    if source.cursor_clock == "database":
        return []
    cure = (
        "if it does, set source.cursor_clock: database; if not, use mode merge with source.sweep: always, which "
        "reads the whole source"
    )
    if source.table is None:
        return [
            f"source.cursor {source.cursor!r} of a query: that the database's clock sets it cannot be checked; {cure}"
        ]
    row = session.execute(_CLOCK_SET, {"clock": _CLOCK, "table": regclass(source), "column": source.cursor}).fetchone()
    by_default, by_trigger = row if row else (False, False)
    if by_trigger or (by_default and flow.lake.mode == "append"):
        return []
    missing = "no trigger sets it for changed rows" if by_default else "no default and no trigger sets it"
    return [f"source.cursor {source.cursor!r}: {missing} by the database's clock; {cure}"]
