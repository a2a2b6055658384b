"""Which database a session is in, and how far that database's own history has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from switchyard.connections import Connection
from switchyard.flow.bookmark import Server

if TYPE_CHECKING:
    from switchyard.extract.session import Session


def read_server(session: Session, connection: Connection) -> Server:
    """The database that a session is in, as its server names it, and where the connection says it is."""
    row = session.execute("select pg_catalog.current_database()").fetchone()
    history = read_history(session)
    return Server(
        address=connection.address,
        system=read_system(session),
        database=str(row[0]) if row else "",
        timeline=history.timeline,
        written=history.written,
    )


class History(NamedTuple):
    """A server's place in its history: the timeline, as in the names of its WAL files, and a pg_lsn."""

    timeline: str
    written: str


_HISTORY = """
select pg_catalog.left(pg_catalog.pg_walfile_name(written), 8), written::text
from (
    select case when not pg_catalog.pg_is_in_recovery() then pg_catalog.pg_current_wal_insert_lsn() end as written
) as now where written is not null
"""
"""The first eight digits of a WAL file's name are its timeline (PostgreSQL 17, 9.28.3); the control file has it only
after the next checkpoint. The end of what was inserted, not of what is on disk: a transaction of synchronous_commit =
off is read before it is there, and a crash loses it."""


def read_history(session: Session) -> History:
    """The timeline that a server writes, and how far; both empty on a standby, or where they are not shown."""
    from psycopg import errors

    # A hosted service may keep its WAL from its users, each in its own way.
    hidden = (
        errors.FeatureNotSupported,
        errors.InsufficientPrivilege,
        errors.ObjectNotInPrerequisiteState,
        errors.UndefinedFunction,
    )
    try:
        with session.transaction(force_rollback=True):  # a refusal leaves the transaction as it was
            row = session.execute(_HISTORY.encode()).fetchone()
    except hidden:
        return History("", "")
    return History(str(row[0]), str(row[1])) if row else History("", "")


def read_system(session: Session) -> str:
    """PostgreSQL's system identifier, the same for a server and its standbys; empty if the login may not read it."""
    may = "select pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute')"
    allowed = session.execute(may).fetchone()
    if not allowed or not allowed[0]:
        return ""
    row = session.execute("select system_identifier from pg_catalog.pg_control_system()").fetchone()
    return str(row[0]) if row else ""
