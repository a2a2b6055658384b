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
    server = f"the ledger's PostgreSQL at {connection.address}"
    where = f"connection {connection.conn_id}"
    if state.code and state.code[:2] not in _OF_THE_SERVER:
        return SwitchyardError(f"{server} refused what Switchyard keeps there: {words}", where=where, cure=_RIGHTS)
    kind = ServerUnavailable if state.passes else SwitchyardError
    return kind(f"{server} {state.cause}: {words}", where=where, cure=state.cure)
