"""What an error of the ledger's PostgreSQL means, and its cure: rows of its own, for no cure of a source helps here."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from switchyard.connections import Connection
from switchyard.connections.session_limits import explain_lost
from switchyard.connections.sqlstates import CLOSED, LOGIN_CURE, ONE_SESSION, OTHER, SqlState
from switchyard.errors import AGAIN, ServerUnavailable, SwitchyardError


@dataclass(frozen=True)
class LedgerState:
    """What a row of `sqlstates` means when the ledger's PostgreSQL says it.

    `code`: the row's, or its class; where the row has none, the two have one `cause`, which ends the sentence
    "the ledger's PostgreSQL at host:port …". `passes`: running again may succeed although nobody changed anything.
    """

    code: str
    cause: str
    cure: str
    passes: bool = False


def _raise_limit(setting: str) -> str:
    return f"raise the limit: alter role LOGIN set {setting} = VALUE (0 is none); then {AGAIN}"


LEDGER_STATES: tuple[LedgerState, ...] = (
    LedgerState(
        "",
        "offers no TLS, and the connection asks for it",
        "switch TLS on at the server (ssl = on), or correct extra.sslmode of the connection",
    ),
    LedgerState(
        "",
        "asks for a client certificate",
        "name certificate and key in extra.sslcert and extra.sslkey of the connection; its common name is the login",
    ),
    LedgerState(
        "",
        "shows a certificate that the connection does not accept",
        "name the CA's file in extra.sslrootcert of the connection; or correct its host, which the certificate has to "
        "name; or renew the server's certificate",
    ),
    LedgerState(
        "08P01",
        "was asked through a pooler that does not take what is asked",
        "let PgBouncer keep one session for one client (pool_mode = session) and set ignore_startup_parameters = "
        "extra_float_digits,options; or connect past it",
    ),
    LedgerState(
        "08",
        "does not answer",
        f"start the server, or correct host and port of the connection; then {AGAIN}",
        passes=True,
    ),
    LedgerState(
        "25P03",
        "ended the session, which had idled in a transaction",
        _raise_limit("idle_in_transaction_session_timeout"),
    ),
    LedgerState("25P04", "ended the session, whose transaction took too long", _raise_limit("transaction_timeout")),
    LedgerState(
        "25006",
        "can only be read: it is a standby, or its login's transactions are read-only",
        f"name the primary as the connection's host, or take default_transaction_read_only off the login; then {AGAIN}",
    ),
    LedgerState("25", "reports a transaction in a state that does not allow this", AGAIN, passes=True),
    LedgerState("26", "does not know a statement of this session: a pooler passed it to another session", ONE_SESSION),
    LedgerState("28P01", "refused the password", LOGIN_CURE),
    LedgerState("28", "refused the login", LOGIN_CURE),
    LedgerState("34", "does not know a cursor of this session: a pooler passed it to another session", ONE_SESSION),
    LedgerState(
        "3D000",
        "has no database of that name",
        "write the database's name into the schema field of the connection, or create it: CREATE DATABASE",
    ),
    LedgerState("40001", "cancelled the transaction, because another one changed the same rows", AGAIN, passes=True),
    LedgerState("40", "rolled the transaction back", AGAIN, passes=True),
    LedgerState("53100", "has no disk space left", f"free space on its server; then {AGAIN}"),
    LedgerState("53200", "is out of memory", f"give its server more memory; then {AGAIN}"),
    LedgerState(
        "53300",
        "has no connection left for the login",
        f"wait until other sessions have ended, or raise max_connections or the login's CONNECTION LIMIT; then {AGAIN}",
        passes=True,
    ),
    LedgerState("53400", "reached a limit of its configuration", f"raise the limit that it names; then {AGAIN}"),
    LedgerState(
        "53", "lacks memory, disk space or connections", f"see PostgreSQL's log for which; then {AGAIN}", passes=True
    ),
    LedgerState(
        "55P03",
        "did not get a lock within lock_timeout",
        f"wait until the other session has ended, or raise the login's lock_timeout; then {AGAIN}",
        passes=True,
    ),
    LedgerState("55", "has an object in a state that does not allow this", f"see PostgreSQL's log; then {AGAIN}"),
    LedgerState("57014", "cancelled the statement: statement_timeout, or a person", _raise_limit("statement_timeout")),
    LedgerState(
        "57P03",
        "does not take connections: it is starting up, shutting down or recovering",
        f"wait until it has started; then {AGAIN}",
        passes=True,
    ),
    LedgerState("57P05", "ended the session, which had idled", _raise_limit("idle_session_timeout")),
    LedgerState(
        "57",
        "ended the session: the server was restarted, or a person ended it",
        f"{AGAIN}; if it happens twice, see PostgreSQL's log",
        passes=True,
    ),
    LedgerState(
        CLOSED,
        "closed the connection without giving a reason",
        f"see PostgreSQL's log for the reason; {AGAIN}; if a limit of the login ended the session (SQLSTATE 25P03, "
        "25P04 or 57P05), raise it first: alter role LOGIN set LIMIT = VALUE",
        passes=True,
    ),
    LedgerState("58", "could not read or write a file", "see PostgreSQL's log: its disk may be failing"),
    LedgerState(
        "XX",
        "has an internal error, or damaged data",
        "see PostgreSQL's log first; then restore the ledger's backup, or make it again: switchyard ledger rebuild",
    ),
)
_UNKNOWN = LedgerState("", "reports an error", f"see PostgreSQL's log, then {AGAIN}", passes=True)
_OF_A_STATEMENT = LedgerState(
    "",
    "refused a statement on Switchyard's tables",
    "make the login the owner of the ledger's database and its tables: Switchyard makes and changes them itself",
)
"""Of any other row: the statements are ours, so that rights are missing, or somebody altered the tables."""


def explain_error(error: sa.exc.DBAPIError, connection: Connection, lived: float = 0) -> SwitchyardError:
    """The error to raise, by the table of SQLSTATEs; `lived`: the seconds that the session had been there."""
    sqlstate = getattr(error.orig, "sqlstate", None)
    row, message, _ = explain_lost(sqlstate, _first_line(error.orig), connection, lived)
    state = find_state(row)
    kind = ServerUnavailable if state.passes else SwitchyardError
    return kind(
        f"the ledger's PostgreSQL at {connection.address} {state.cause}: {message}",
        where=f"connection {connection.conn_id}",
        cure=state.cure,
    )


def find_state(row: SqlState) -> LedgerState:
    """What a row means at the ledger; the row of its class, when it has none of its own."""
    if row is OTHER:
        return _UNKNOWN
    codes = {state.code: state for state in LEDGER_STATES if state.code}
    causes = {state.cause: state for state in LEDGER_STATES if not state.code}
    state = (codes.get(row.code) or codes.get(row.code[:2])) if row.code else causes.get(row.cause)
    return state or _OF_A_STATEMENT


def _first_line(error: BaseException | None) -> str:
    """What an error says in one line; its class, when it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
