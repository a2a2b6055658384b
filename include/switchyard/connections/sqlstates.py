"""What an SQLSTATE of PostgreSQL means to the person who is paged, and what to do: one table, for every reporter.

psycopg gives the code, and so does Sqoop, whose JVM is asked for it. libpq (while it connects), pgjdbc (in errors of
its own) and mappers on YARN give words only, so that a row may have a pattern of those.

Source of codes and conditions: PostgreSQL's manual, appendix A.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from switchyard.errors import AGAIN


@dataclass(frozen=True)
class SqlState:
    """One row: `code` has five characters, or two for the rest of a class; none for what only drivers say.

    `cause` ends the sentence "PostgreSQL at host:port …". `passes`: running again may succeed although nobody changed
    anything. `words` is a regular expression of the message, for reporters that leave the code out.
    """

    code: str
    cause: str
    cure: str
    passes: bool = False
    words: str = ""


_SERVER = "check that the server runs, and the connection's host and port"
LOGIN_CURE = f"correct the connection's login and password, or the server's pg_hba.conf; then {AGAIN}"
_STATEMENT = "in the flow file, correct source.table, source.columns, source.where or source.query"
_VALUE = "mend the rows, leave them out with source.where, or cast them in source.query"
_RETRY = f"nothing was published; {AGAIN}"
ONE_SESSION = (
    "let the pooler keep one session for one client (PgBouncer: pool_mode = session), or connect to PostgreSQL itself"
)
"""The cure for a pooler that gives each transaction another session."""

CLOSED = "08006"
"""SQLSTATE of a connection that was closed or lost; psycopg gives none then."""

SQLSTATES: tuple[SqlState, ...] = (
    # What the drivers say of TLS before the server has answered: there is no code yet.
    SqlState(
        "",
        "offers no TLS, and the connection asks for it",
        "set ssl = on in postgresql.conf, or correct the connection's extra.sslmode",
        words=r"does not support SSL",
    ),
    SqlState(
        "",
        "asks for a client certificate",
        "set sslcert and sslkey in the connection's extra; the certificate's common name (CN) has to be the login",
        words=r"valid client certificate|certificate required|certificate authentication failed|alert handshake",
    ),
    SqlState(
        "",
        "shows a certificate that the connection does not accept",
        "set extra.sslrootcert to the file with the CA's certificate, and the host to a name in the server's "
        "certificate; or renew the server's certificate",
        words=r"certificate verify failed|server certificate for|PKIX path|could not be verified by hostnameverifier"
        r"|valid certification path|root certificate file|CertificateExpired|NotAfter",
    ),
    SqlState(
        "08P01",
        "was asked through a pooler that refuses what Switchyard asks for",
        "connect to PostgreSQL itself, not to the pooler; or set pool_mode = session and ignore_startup_parameters = "
        "extra_float_digits,options in pgbouncer.ini: the next preflight then prints the `alter role` that the login "
        "needs",
        words=r"unsupported startup parameter|transaction blocks not allowed",
    ),
    SqlState(
        "08",
        "does not answer",
        f"{_SERVER}; then {AGAIN}",
        passes=True,
        words=r"Connection to .* refused|[Cc]onnection refused|connection attempt failed|could not translate host name"
        r"|timeout expired|no connection to the server|failed to resolve host|No route to host"
        r"|Network is unreachable|Temporary failure in name resolution",
    ),
    SqlState("0A000", "does not support what the statement asks for", _STATEMENT),
    SqlState(
        "21",
        "got several rows from a subquery that may give one",
        "in the flow file, correct the subquery in source.where or source.query",
        words=r"more than one row returned",
    ),
    SqlState(
        "22012",
        "divided by zero",
        "where source.query, source.where, a view or a check divides, let a divisor of 0 be NULL, by nullif; or "
        "correct the rows that have it",
        words=r"division by zero",
    ),
    SqlState(
        "22",
        "found a value that the statement cannot use",
        _VALUE,
        words=r"invalid input syntax|out of range|invalid byte sequence|has no equivalent in encoding",
    ),
    SqlState(
        "23",
        "refused a value because of a constraint",
        "in the flow file, correct the cast or the function in source.where or source.query that breaks the constraint",
    ),
    SqlState(
        "25P03",
        "ended the session, which was idle in a transaction for too long",
        "raise the login's limit, e.g. alter role LOGIN_NAME set idle_in_transaction_session_timeout = '1h'",
        words=r"idle-in-transaction timeout",
    ),
    SqlState(
        "25P04",
        "ended the session, whose transaction took too long",
        "raise the login's limit, e.g. alter role LOGIN_NAME set transaction_timeout = '2h'",
        words=r"due to transaction timeout",
    ),
    SqlState(
        "25006",
        "refused to write: sessions on a source are read-only",
        "remove what writes from source.query and source.where, e.g. nextval() or a function that inserts",
        words=r"in a read-only transaction",
    ),
    SqlState("25", "says that the transaction is in another state than expected", _RETRY, passes=True),
    SqlState("26", "does not know a statement prepared before: another server session answered", ONE_SESSION),
    SqlState("28P01", "refused the password", LOGIN_CURE, words=r"password authentication failed"),
    SqlState(
        "28",
        "refused the login",
        LOGIN_CURE,
        words=r"no pg_hba\.conf entry|role .* does not exist|authentication failed|is not permitted to log in",
    ),
    SqlState("34", "does not know a cursor that was opened before: another server session answered", ONE_SESSION),
    SqlState(
        "3D000",
        "does not have this database",
        "correct the field schema of the connection, which names the database",
        words=r"database .* does not exist",
    ),
    SqlState(
        "3F000",
        "has no schema of that name",
        "in the flow file, correct source.table (schema.table)",
        words=r"schema .* does not exist",
    ),
    SqlState(
        "40001",
        "cancelled the statement, because rows that it reads were changed meanwhile",
        f"{AGAIN}; if a standby does so often, set hot_standby_feedback = on there, or raise "
        "max_standby_streaming_delay",
        passes=True,
        words=r"conflict with recovery|could not serialize access",
    ),
    SqlState("40", "rolled the transaction back", _RETRY, passes=True, words=r"deadlock detected"),
    SqlState(
        "42501",
        "does not give the login the right to read this",
        "grant the login SELECT on the table, USAGE on its schema, EXECUTE on functions",
        words=r"permission denied for",
    ),
    SqlState(
        "42601",
        "cannot parse the SQL",
        "in the flow file, correct source.where or source.query",
        words=r"syntax error at",
    ),
    SqlState(
        "42703",
        "has no column of that name",
        "in the flow file, correct source.columns, source.where or source.query; in SQL, names with capitals need "
        "double quotes",
        words=r"column .* does not exist",
    ),
    SqlState(
        "42883",
        "has no function or operator of that name for these types",
        _STATEMENT,
        words=r"(function|operator) .* does not exist|operator does not exist",
    ),
    SqlState(
        "42P01",
        "has no table of that name",
        "in the flow file, correct source.table (schema.table) or source.query",
        words=r"relation .* does not exist",
    ),
    SqlState("42", "cannot run the statement", _STATEMENT + ", or the login's rights", words=r"is ambiguous"),
    SqlState(
        "53100",
        "has no disk space left",
        "free space on the database's server, or raise temp_file_limit; then " + AGAIN,
        words=r"could not (extend|write).*No space left",
    ),
    SqlState(
        "53200",
        "is out of memory",
        "read less at once (source.columns, source.where), or give the database's server more memory",
        words=r"ERROR: +out of memory|FATAL: +out of memory",
    ),
    SqlState(
        "53300",
        "has no connection left for the login",
        f"when other sessions have ended, {AGAIN}; or raise max_connections or the login's CONNECTION LIMIT; or give "
        "the source's Airflow pool fewer slots",
        passes=True,
        words=r"too many (clients|connections)|remaining connection slots|no more connections allowed",
    ),
    SqlState("53400", "reached a limit", "raise the limit that the message names", words=r"exceeds temp_file_limit"),
    SqlState("53", "lacks a resource (memory, disk, connections)", f"see PostgreSQL's log; then {AGAIN}", passes=True),
    SqlState(
        "54",
        "was asked for more than it can do in one statement",
        "read fewer columns (source.columns), or divide the table between two flows",
        words=r"target lists can have at most|stack depth limit exceeded|row is too big",
    ),
    SqlState(
        "55P03",
        "did not get a lock within lock_timeout",
        f"when the other session has ended, {AGAIN}; or raise the login's lock_timeout",
        passes=True,
        words=r"due to lock timeout|could not obtain lock",
    ),
    SqlState(
        "55",
        "has a table or view that cannot be read in its present state",
        f"bring it into a state that can be read, e.g. REFRESH MATERIALIZED VIEW; then {AGAIN}",
        words=r"has not been populated",
    ),
    SqlState(
        "57014",
        "cancelled the statement, by statement_timeout or because somebody asked for it",
        "raise the login's limit, e.g. alter role LOGIN_NAME set statement_timeout = '2h', or read less at once; if "
        f"a person cancelled it, {AGAIN}",
        words=r"canceling statement due to (statement timeout|user request)",
    ),
    SqlState(
        "57P03",
        "does not take connections yet, or no longer",
        f"wait until the server has started (a standby: until it takes connections), then {AGAIN}",
        passes=True,
        words=r"the database system is (starting up|shutting down|in recovery|not yet accepting)",
    ),
    SqlState(
        "57P05",
        "ended the session, which was idle for too long",
        "raise the login's limit, e.g. alter role LOGIN_NAME set idle_session_timeout = '1h'",
        words=r"due to idle-session timeout",
    ),
    SqlState(
        "57",
        "ended the session",
        f"the server was restarted, or somebody ended the session: {AGAIN}; see PostgreSQL's log if it happens twice",
        passes=True,
        words=r"terminating connection",
    ),
    # Last of those whose words libpq gives: it adds these to the server's own, when it got those.
    SqlState(
        CLOSED,
        "closed the connection without giving a reason",
        f"see PostgreSQL's log for the reason; if the server was restarted, {AGAIN}; if a limit of the login ended the "
        "session (SQLSTATE 25P03, 25P04 or 57P05), raise it: alter role LOGIN_NAME set LIMIT = '1h'",
        passes=True,
        words=r"server closed the connection|I/O error occurred|connection (has been|is) (closed|lost)|Broken pipe"
        r"|could not (receive|send) data|Connection reset|SSL SYSCALL error",
    ),
    SqlState(
        "58",
        "could not read or write a file",
        "see PostgreSQL's log: its disk may be failing",
        words=r"could not read block",
    ),
    SqlState("HV", "could not read a foreign table", "check the foreign server, and the user mapping of the login"),
    SqlState("P0", "ran a function that raised an error", "correct the function, or source.where or source.query"),
    SqlState(
        "XX",
        "has an internal error, or damaged data",
        "see PostgreSQL's log before anything else; a damaged table is restored from a backup",
        words=r"invalid page in block|missing chunk number|compressed .* data is corrupt",
    ),
)
"""A row with words comes before a wider one whose words it shares."""

OTHER = SqlState("", "reports an error", f"see PostgreSQL's log, then {AGAIN}", passes=True)
"""For a code or words that no row has."""

_BY_CODE = {row.code: row for row in SQLSTATES if row.code}


def explain(code: str | None, words: str) -> SqlState:
    """Find the row of an error: by its code, by the code's class, or (no code) by the server's words."""
    if code:
        return _BY_CODE.get(code) or _BY_CODE.get(code[:2]) or OTHER
    return find_words(words) or OTHER


def find_words(words: str) -> SqlState | None:
    """The first row whose words are in a text; None when there is none."""
    return next((row for row in SQLSTATES if row.words and re.search(row.words, words)), None)
