"""The ledger's errors, by the table of SQLSTATEs."""

import psycopg
import pytest
import sqlalchemy as sa

from switchyard.connections import Connection
from switchyard.errors import ServerUnavailable, SwitchyardError
from switchyard.ledger.errors import explain_error

LEDGER = Connection("switchyard_ledger", "postgres", host="db", port=5432)


@pytest.mark.parametrize(
    ("original", "kind", "cure"),
    [
        (psycopg.OperationalError("connection failed: Connection refused"), ServerUnavailable, "host and port"),
        (psycopg.errors.AdminShutdown("terminating connection"), ServerUnavailable, "run again"),
        (psycopg.errors.TooManyConnections("too many clients"), ServerUnavailable, "max_connections"),
        (psycopg.OperationalError("FATAL: password authentication failed"), SwitchyardError, "password"),
        (psycopg.errors.QueryCanceled("statement timeout"), SwitchyardError, "statement_timeout"),
        (psycopg.errors.InsufficientPrivilege("permission denied for schema public"), SwitchyardError, "the owner"),
        (psycopg.errors.UndefinedColumn("column x does not exist"), SwitchyardError, "the owner"),
    ],
)
def test_an_error_has_its_own_cause_and_cure(original: Exception, kind: type[Exception], cure: str) -> None:
    error = explain_error(sa.exc.DBAPIError("select 1", {"password": "secret"}, original), LEDGER)
    assert type(error) is kind
    assert cure in error.cure
    assert str(original) in error.what
    assert "secret" not in str(error)
