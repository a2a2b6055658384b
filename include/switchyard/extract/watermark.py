"""The bounds of an incremental load: what may be read now so that no later commit can slip in below.

PostgreSQL's `now()` is the start of a transaction. A transaction that is still open may commit rows stamped with its
start, so the high watermark is the start of the oldest open transaction, or now when there is none. `now` is taken
first and the transactions are read a second later: by then a transaction that had read its start time shows itself.

A cursor of fewer digits than the clock's is rounded, also down: the watermark is cut off at its last digit, so that no
row that is written later lies below.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from switchyard.errors import AGAIN
from switchyard.extract.clock import clock_faults, cut_default, hidden_commits, read_relations, trigger_sql
from switchyard.extract.postgres import SourceShape, regclass, relation
from switchyard.extract.preflight import refuse
from switchyard.extract.session import begin
from switchyard.flow.spec import Flow, Source
from switchyard.types.postgres_type import PostgresType
from switchyard.types.quoting import quote_postgres

if TYPE_CHECKING:
    from switchyard.extract.session import Session

_SETTLE_SECONDS = 1.0
_SWEEP = "use mode merge with source.sweep: always, which reads the whole source"
_CURE = f"if the database's clock does set it, set source.cursor_clock: database; if not, {_SWEEP}"

_OTHERS = """
pid <> pg_catalog.pg_backend_pid()
and coalesce(datname, pg_catalog.current_database()) = pg_catalog.current_database()
and coalesce(backend_type, '') not in ('autovacuum worker', 'walsender')
"""
_HIGH = f"""
select (high - (pg_catalog.date_part('microseconds', high)::int8 %% %s) * interval '1 microsecond')::text
from (
    select least(%s::timestamptz, pg_catalog.min(xact_start)) as high from pg_catalog.pg_stat_activity
    where xact_start is not null and {_OTHERS}
) as oldest
"""
_HIDDEN = f"""
select (select pg_catalog.count(*) from pg_catalog.pg_stat_activity where state = 'disabled' and {_OTHERS}),
       (select pg_catalog.count(*) from pg_catalog.pg_prepared_xacts where database = pg_catalog.current_database())
"""
_SERVER = """
select pg_catalog.pg_is_in_recovery(), pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'usage')
"""
_ZONE = """
select coalesce((
    select pg_catalog.split_part(c, '=', 2) from pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) as c
    where c ilike 'timezone=%' and s.setrole = 0 and s.setdatabase in (
        0, (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
    order by s.setdatabase desc limit 1
), (select boot_val from pg_catalog.pg_settings where name = 'TimeZone'))
"""


def reads_by_cursor(flow: Flow) -> bool:
    """True if a load reads only the rows that the cursor marks as new."""
    return flow.lake.mode != "replace" and flow.source.cursor is not None and flow.source.sweep == "never"


def find_high(session: Session, digits: int) -> str:
    """The high watermark, not included: PostgreSQL's text of a timestamptz, in UTC. Takes a second.

    `digits`: how many digits of a second the cursor has.
    """
    row = session.execute("select pg_catalog.clock_timestamp()::text").fetchone()
    session.rollback()  # a login may be forbidden to idle in a transaction
    time.sleep(_SETTLE_SECONDS)
    begin(session)
    high = session.execute(_HIGH.encode(), [10 ** (6 - digits), row[0] if row else None]).fetchone()
    assert high is not None  # noqa: S101 - an aggregate gives a row
    return str(high[0])


def require_seen(session: Session, flow: Flow) -> None:
    """Refuse a watermark under which a transaction could slip that `find_high`, just before, did not see.

    In this order nothing escapes: a transaction that was prepared between the two is in the first list or the second.
    Raises PreflightRefused.
    """
    refuse(flow, _check_hidden(session))


def cursor_misfits(flow: Flow, shape: SourceShape) -> list[str]:
    """Findings about the flow file: a cursor that the source does not have, or that cannot be one."""
    source = flow.source
    if flow.lake.mode == "replace" or source.cursor is None:
        return []
    types = {column.name: column.type for column in shape.columns}
    if source.cursor not in types:
        known_columns = list(types)
        return [f"source.cursor {source.cursor!r} is not a column of the source; it has {', '.join(known_columns)}"]
    if not types[source.cursor].is_timestamp:
        return [
            f"source.cursor {source.cursor!r} is {types[source.cursor].text}: only a timestamp that the "
            "database's clock sets shows which rows are new; choose one, or use mode merge with source.sweep: always"
        ]
    return []


def check_cursor(session: Session, flow: Flow, shape: SourceShape) -> list[str]:
    """The reasons why a cursor without misfits would miss changes, each with its cure."""
    source = flow.source
    if flow.lake.mode == "replace" or source.cursor is None:
        return []
    types = {column.name: column.type for column in shape.columns}
    not_null = any(column.not_null for column in shape.columns if column.name == source.cursor)
    findings = _check_values(session, source, not_null=not_null)
    if reads_by_cursor(flow):
        findings += _check_server(session)
        findings += _check_hidden(session)
        findings += _check_zone(session, source, types[source.cursor])
        findings += _check_clock(session, flow, types[source.cursor])
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
        findings.append(
            "the connection is to a standby, which does not show the open transactions: name the primary as its host"
        )
    if not row[1]:
        cure = "grant pg_read_all_stats to the connection's login"
        what = "the login may not see the transactions of others, so that rows of an open one could be missed"
        findings.append(f"{what}; {cure}")
    return findings


def _check_hidden(session: Session) -> list[str]:
    """Transactions whose beginning cannot be seen."""
    row = session.execute(_HIDDEN.encode()).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM
    findings = []
    hidden, prepared = row
    if hidden:
        cure = "set track_activities = on for the server and its logins, and reconnect these sessions; or "
        findings.append(
            f"{hidden} sessions have track_activities off, which hides when their transactions began; {cure}{_SWEEP}"
        )
    if prepared:
        cure = f"commit them or roll them back (pg_prepared_xacts lists them); then {AGAIN}"
        findings.append(
            f"{prepared} prepared transactions are open, and may commit rows that no later load would read; {cure}"
        )
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


def _check_clock(session: Session, flow: Flow, cursor: PostgresType) -> list[str]:
    source = flow.source
    relations = read_relations(session, source)
    declared = source.cursor_clock == "database"
    findings = [f"{reason}; {_SWEEP}" for reason in hidden_commits(relations)]
    if source.table is None and not declared:
        return [
            f"source.cursor {source.cursor!r} comes from source.query, so that it cannot be checked that the "
            f"database's clock sets it; {_CURE}"
        ]
    cut = cut_default(relations)
    findings += [f"source.cursor {source.cursor!r} may miss rows: {fault}; {_SWEEP}" for fault in cut]
    faults = [] if declared else clock_faults(relations, cursor, updates=flow.lake.mode == "merge")
    findings += [
        f"source.cursor {source.cursor!r} may miss rows: {fault}; {_CURE}" for fault in faults if fault not in cut
    ]
    if faults and source.cursor is not None:
        sql = trigger_sql(regclass(source), source.cursor, cursor)
        findings.append(f"to let the database's clock set {source.cursor!r}, the table's owner runs: {sql}")
    return findings
