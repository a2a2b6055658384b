"""The ledger's errors, by the table of SQLSTATEs."""

import psycopg
import pytest
import sqlalchemy as sa

from switchyard.connections import Connection
from switchyard.connections.sqlstates import OTHER, SQLSTATES, SqlState
from switchyard.errors import ServerUnavailable, SwitchyardError
from switchyard.ledger.errors import explain_error, find_state

LEDGER = Connection("switchyard_ledger", "postgres", host="db", port=5432)


@pytest.mark.parametrize(
    ("original", "kind", "cure"),
    [
        (psycopg.OperationalError("connection failed: Connection refused"), ServerUnavailable, "host and port"),
        (psycopg.errors.AdminShutdown("terminating connection"), ServerUnavailable, "repeat your command"),
        (psycopg.errors.TooManyConnections("too many clients"), ServerUnavailable, "max_connections"),
        (psycopg.OperationalError("FATAL: password authentication failed"), SwitchyardError, "password"),
        (psycopg.errors.QueryCanceled("statement timeout"), SwitchyardError, "statement_timeout"),
        (psycopg.errors.InsufficientPrivilege("permission denied for schema public"), SwitchyardError, "the owner"),
        (psycopg.errors.UndefinedColumn("column x does not exist"), SwitchyardError, "the owner"),
        (psycopg.errors.ReadOnlySqlTransaction("read-only transaction"), SwitchyardError, "the primary"),
        (psycopg.errors.OutOfMemory("out of memory"), SwitchyardError, "give its server more memory"),
        (psycopg.errors.InvalidSqlStatementName("prepared statement"), SwitchyardError, "pool_mode = session"),
        (psycopg.OperationalError("server does not support SSL, but SSL was required"), SwitchyardError, "ssl = on"),
        (psycopg.OperationalError("something in another language"), ServerUnavailable, "PostgreSQL's log"),
    ],
)
def test_an_error_has_its_own_cause_and_cure(original: Exception, kind: type[Exception], cure: str) -> None:
    error = explain_error(sa.exc.DBAPIError("select 1", {"password": "secret"}, original), LEDGER)
    assert type(error) is kind
    assert cure in error.cure
    assert str(original) in error.what
    assert "secret" not in str(error)


@pytest.mark.parametrize("row", [*SQLSTATES, OTHER], ids=lambda row: row.code or row.cause)
def test_whether_running_again_may_help_does_not_depend_on_whose_server_it_is(row: SqlState) -> None:
    assert find_state(row).passes == row.passes


@pytest.mark.parametrize("row", [row for row in SQLSTATES if not row.code], ids=lambda row: row.cause)
def test_what_only_drivers_say_is_known(row: SqlState) -> None:
    assert find_state(row).cause == row.cause
