"""What an error of the ledger's PostgreSQL means, and its cure."""

from __future__ import annotations

import sqlalchemy as sa

from switchyard.connections import Connection
from switchyard.errors import ServerUnavailable, SwitchyardError
from switchyard.sqlstates import explain

_OF_THE_SERVER = ("08", "25", "28", "3D", "40", "53", "55", "57", "58", "XX")
"""Classes of SQLSTATE whose cure does not depend on the statement."""
_RIGHTS = "make the login the owner of the ledger's database and its tables: Switchyard makes and changes them itself"


def explain_error(error: sa.exc.DBAPIError, connection: Connection) -> SwitchyardError:
    """The error to raise, by the table of SQLSTATEs."""
    words = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
    code = getattr(error.orig, "sqlstate", None)
    state = explain(code, words)
    about_the_server = not state.code or state.code[:2] in _OF_THE_SERVER
    kind = ServerUnavailable if state.passes else SwitchyardError
    return kind(
        f"the ledger's PostgreSQL at {connection.address} {state.cause}: {words}",
        where=f"connection {connection.conn_id}",
        cure=state.cure if about_the_server else _RIGHTS,
    )
