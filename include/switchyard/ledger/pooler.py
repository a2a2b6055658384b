"""Whether a pooler stands between us and the ledger, and hands out sessions by the transaction.

The ledger's locks belong to a session. Behind such a pooler they would belong to whoever gets that session next, and
two runs could work on one flow at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchyard.connections import Connection
from switchyard.connections.sqlstates import ONE_SESSION
from switchyard.errors import ConnectionUnusable

if TYPE_CHECKING:
    from typing import TypeAlias

    import psycopg

    Session: TypeAlias = psycopg.Connection[tuple[object, ...]]

_TRIES = 3
"""A pooler with many free sessions may hand out the same one again by chance."""
_PID = b"select pg_catalog.pg_backend_pid()"


def require_own_session(connection: Connection, session: Session, conninfo: str) -> None:
    """Raise ConnectionUnusable when statements of `session` run in whichever session of the server is free.

    Without a pooler this is one query: the server's process is the one that the client was named when it logged in. A
    pooler names one of its own, whatever its mode. `conninfo` opens one session more to the same address.
    """
    import psycopg

    before = _server_process(session)
    session.commit()
    if before == session.info.backend_pid:
        return
    for _ in range(_TRIES):
        with psycopg.connect(conninfo) as other:
            if _server_process(other) == before:
                raise _shared(connection)
            after = _server_process(session)
            session.commit()
        if after != before:
            raise _shared(connection)


def _server_process(session: Session) -> int:
    """The server's process that runs the transaction, which stays open."""
    row = session.execute(_PID).fetchone()
    return int(str(row[0])) if row else 0


def _shared(connection: Connection) -> ConnectionUnusable:
    return ConnectionUnusable(
        f"the ledger's PostgreSQL at {connection.address} is reached through a pooler that gives every transaction "
        "another session, and the locks that keep two runs apart belong to a session",
        where=f"connection {connection.conn_id}",
        cure=ONE_SESSION,
    )
