"""HiveQL through HiveServer2: the conversion into typed Parquet, and the counts that prove it."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from switchyard.connections import Connection
from switchyard.connections.hive import TLS_EXTRAS, hiveserver2_access
from switchyard.connections.tls import find_tls_fault
from switchyard.errors import AGAIN, ConnectionUnusable, ServerUnavailable, StepFailed
from switchyard.lake.java_words import shorten

if TYPE_CHECKING:
    from pyhive.hive import Connection as HiveConnection
    from pyhive.hive import Cursor

LIST_READER = "hive.vectorized.complex.types.enabled"
"""Hive 4.0.1's default, true, makes 0 of a NULL in a list of Parquet, and [0] or NULL of an empty list (seen)."""
EXACT_SETTINGS = {
    "hive.parquet.write.int64.timestamp": "true",
    "hive.parquet.timestamp.time.unit": "micros",
    "hive.parquet.date.proleptic.gregorian": "true",
    "hive.parquet.date.proleptic.gregorian.default": "true",
    LIST_READER: "false",
    "hive.stats.autogather": "false",
    "hive.stats.column.autogather": "false",
}
"""Without the first three, Hive writes INT96 in the JVM's zone and dates in the hybrid calendar (facts, seen)."""

_LOGIN = re.compile(r"Error validating|Bad status: [34]|[Aa]uthentication|[Uu]nauthorized|not allowed to impersonate")
_PORT = 10000
_CALL_SECONDS = 300
"""For one call, of which a running statement is many: compiling it is one, and may wait for another one's compiling."""
_OTHER_CLIENT = re.compile("TSocket read 0 bytes|HTTP")
"""Thrift's words for a server that hung up, and those for one that answers otherwise than HTTP, or elsewhere: so does
one that expects TLS, another login, or another protocol, from its first byte."""
_POLL_SECONDS = 0.05


class Hive:
    """One HiveServer2. Raises ServerUnavailable naming the connection, StepFailed with Hive's own words."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def query(self, hiveql: str) -> list[tuple[Any, ...]]:
        """Run one statement in a session of its own; returns its rows (empty for statements without result)."""
        with self.session() as session:
            return session.run(hiveql)

    def readers_setting(self, name: str) -> str:
        """What a setting is for those who read without saying anything of it."""
        with self.session({}) as session:
            return str(session.run(f"set {name}")[0][0]).partition("=")[2]

    @contextmanager
    def session(self, settings: Mapping[str, str] = EXACT_SETTINGS) -> Iterator[HiveSession]:
        """A session, usually with the settings that keep values exact; a running statement is cancelled on error."""
        from pyhive import hive
        from pyhive.exc import Error
        from thrift.transport.TTransport import TTransportException

        from switchyard.lake.transport import make_transport

        transport = make_transport(self.connection, hiveserver2_access(self.connection), _PORT, _CALL_SECONDS)
        try:
            login = self.connection.login or None
            session = hive.connect(thrift_transport=transport, username=login, configuration=dict(settings))
        except (Error, TTransportException, OSError) as error:
            fault = find_tls_fault(self.connection, TLS_EXTRAS, error)
            if fault is not None:
                raise fault from error
            if _LOGIN.search(_message(error)):
                raise self._refused(_message(error)) from error
            raise self._unavailable(error) from error
        with contextlib.closing(transport):
            try:
                cursor = session.cursor()
                yield HiveSession(self, cursor)
                _end(session, cursor)
            except (TTransportException, OSError) as error:
                # No farewell: each of its calls would wait as long for a server that does not answer.
                raise self._unavailable(error) from error
            except BaseException:
                with contextlib.suppress(Error, TTransportException, OSError):
                    _end(session, cursor)
                raise

    def _refused(self, words: str) -> ConnectionUnusable:
        return ConnectionUnusable(
            f"HiveServer2 at {self.connection.address} opened no session for user {self.connection.login or '(none)'}: "
            f"{shorten(words)}",
            where=f"connection {self.connection.conn_id}",
            cure="correct the connection's login, password and extra.auth_mechanism, or the user's rights; then "
            + AGAIN,
        )

    def _unavailable(self, error: Exception) -> ServerUnavailable:
        cure = "check that HiveServer2 runs and that the connection's host and port are right"
        if _OTHER_CLIENT.search(_message(error)):
            access = hiveserver2_access(self.connection).described
            cure += f", and that it takes a client that comes with {access}"
        if _is_late(error):
            seconds = hiveserver2_access(self.connection).timeout or _CALL_SECONDS
            cure += f"; it had {seconds} s for one call: set the connection's extra timeout to more if it needs them"
        return ServerUnavailable(
            f"HiveServer2 at {self.connection.address} does not answer: {shorten(_message(error))}",
            where=f"connection {self.connection.conn_id}",
            cure=f"{cure}; then {AGAIN}",
        )


class HiveSession:
    """Statements that share one session."""

    def __init__(self, hive: Hive, cursor: Cursor) -> None:
        self._hive, self._cursor = hive, cursor

    def run(self, hiveql: str) -> list[tuple[Any, ...]]:
        """Run one statement and fetch all its rows."""
        from pyhive.exc import Error
        from TCLIService.ttypes import TOperationState
        from thrift.transport.TTransport import TTransportException

        try:
            self._cursor.execute(hiveql, async_=True)
            while (status := self._cursor.poll()).operationState in _running():
                time.sleep(_POLL_SECONDS)
        except Error as error:
            raise self._failed(hiveql, _message(error)) from error
        except (TTransportException, OSError):
            raise
        except BaseException:
            with contextlib.suppress(Error, TTransportException, OSError):
                self._cursor.cancel()
            raise
        if status.operationState != TOperationState.FINISHED_STATE:
            raise self._failed(hiveql, status.errorMessage or "no reason given")
        return self._cursor.fetchall() if self._cursor.description else []

    def _failed(self, hiveql: str, message: str) -> StepFailed:
        statement = " ".join(hiveql.split())[:400]
        return StepFailed(
            f"Hive could not run a statement: {shorten(message)}\n  statement: {statement}",
            where=f"connection {self._hive.connection.conn_id}",
            cure=f"nothing was published; see HiveServer2's log, and whether HDFS has space left; then {AGAIN}",
        )


def _is_late(error: BaseException | None) -> bool:
    """Whether a call ended because its time was over: Thrift keeps the socket's error in `inner`."""
    while error is not None and not isinstance(error, TimeoutError):
        error = getattr(error, "inner", None) or error.__cause__
    return error is not None


def _end(session: HiveConnection, cursor: Cursor) -> None:
    """Close what a session has open on the server."""
    cursor.close()
    session.close()


def _running() -> tuple[int, ...]:
    from TCLIService.ttypes import TOperationState

    return (TOperationState.INITIALIZED_STATE, TOperationState.PENDING_STATE, TOperationState.RUNNING_STATE)


def _message(error: Exception) -> str:
    status = getattr(error.args[0], "status", None) if error.args else None
    return str(getattr(status, "errorMessage", None) or error)
