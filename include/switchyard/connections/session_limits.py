"""Why PostgreSQL closed a session without a reason: the limits that it sets the login, read in a session of its own.

A server that ends a session says why. What it says is lost when the session sends at the same moment: then TCP tells
only that the connection is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from switchyard.connections.postgres import libpq_parameters, write_conninfo
from switchyard.connections.sources import Connection
from switchyard.connections.sqlstates import CLOSED, SqlState, explain

_READ = """
select s.name, s.setting from pg_catalog.pg_settings s
where s.name operator(pg_catalog.=) any (%s::pg_catalog.text[])
"""


@dataclass(frozen=True)
class Limit:
    """A setting by which PostgreSQL ends a session, and the SQLSTATE that it gives.

    `longest`: for how many seconds a session of ours does, at most, what the setting limits; a larger value of the
    setting cannot be the reason.
    """

    setting: str
    code: str
    longest: float = inf


LIMITS = (
    Limit("idle_in_transaction_session_timeout", "25P03", longest=60),
    Limit("transaction_timeout", "25P04"),
    Limit("idle_session_timeout", "57P05"),
)


class Explained(NamedTuple):
    """The row of an error, the words of server or driver, and the SQLSTATE; empty if there is none."""

    state: SqlState
    words: str
    code: str


def explain_lost(code: str | None, words: str, connection: Connection, lived: float) -> Explained:
    """Find the row of an error (see `explain`); for a session closed without a reason that of the limit it reached.

    `lived`: the age of the session in seconds; 0 while it was being opened.
    """
    state = explain(code, words)
    if state.code == CLOSED and lived:
        limits = read_limits(connection)
        limit = find_reached(limits, lived)
        if limit is not None:
            shown = f"{words}; the login's {limit.setting} is {limits[limit.setting]} ms"
            return Explained(explain(limit.code, ""), shown, limit.code)
    return Explained(state, words, code or "")


def find_reached(limits: Mapping[str, int], lived: float) -> Limit | None:
    """The limit that a session of that age (seconds) has reached; `limits` are in milliseconds, 0 is none."""
    for limit in LIMITS:
        milliseconds = limits.get(limit.setting, 0)
        if 0 < milliseconds <= min(lived, limit.longest) * 1000:
            return limit
    return None


def read_limits(connection: Connection) -> Mapping[str, int]:
    """The milliseconds after which PostgreSQL ends a session of this login, by setting; empty if it does not answer."""
    import psycopg

    try:
        with psycopg.connect(write_conninfo(connection, libpq_parameters(connection)), autocommit=True) as session:
            rows = session.execute(_READ, [[limit.setting for limit in LIMITS]]).fetchall()
    except psycopg.Error:  # the error that is being explained says enough of a server that is gone
        return {}
    return {str(name): int(value) for name, value in rows}
