"""A MongoDB client of an Airflow connection, and its errors in words that name the connection and the cure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError
from pymongo.uri_parser import split_hosts

from switchyard.connections import Connection
from switchyard.connections.tls import TlsExtras, find_tls_fault
from switchyard.errors import AGAIN, ConnectionUnusable, ServerUnavailable, StepFailed

Document = dict[str, Any]

REFUSED_LOGIN = frozenset({13, 18})  # Unauthorized, AuthenticationFailed
_TLS_EXTRAS = TlsExtras("tls", "tlsCAFile", "tlsCertificateKeyFile")
_LONGEST_ANSWER_MS = 30 * 60 * 1000
"""For one command, on a socket that stays open and silent: building an index of a big collection is one command. That a
server is down, or stands still, is noticed in half a minute: the driver's own thread asks it all the time."""
_AIRFLOW_EXTRAS = {"srv", "allow_insecure"}  # MongoHook's own; every other extra is an option of the URI


def connect(connection: Connection, *, timeout_seconds: float = 5.0) -> MongoClient[Document]:
    """A client of an Airflow connection of type `mongo`: extras as MongoHook reads them, primary reads only.

    Raises:
        ConnectionUnusable: the connection itself is wrong. No server is asked.
    """
    extra = dict(connection.extra)
    srv = _is_srv(connection)
    options = {name: value for name, value in extra.items() if name not in _AIRFLOW_EXTRAS}
    if str(extra.get("allow_insecure", False)).lower() == "true":
        options["tlsAllowInvalidCertificates"] = True
    options.setdefault("serverSelectionTimeoutMS", int(timeout_seconds * 1000))
    options.setdefault("socketTimeoutMS", _LONGEST_ANSWER_MS)
    options.setdefault("appname", "switchyard")
    port = None if srv else connection.port or 27017
    host = f"mongodb+srv://{connection.host}" if srv else connection.host or "localhost"
    try:
        return MongoClient(host=host, port=port, **(_credentials(connection) | options))
    except (PyMongoError, ValueError, TypeError) as error:
        what = f"the connection cannot be used for MongoDB: {error}"
        where = f"connection {connection.conn_id}"
        raise ConnectionUnusable(what, where=where, cure="correct the connection's host, port or extra") from error


def server_of_connection(connection: Connection) -> str:
    """The server that a connection names, as the cache's gate knows it: `host:port`, or the SRV record's name."""
    if _is_srv(connection):
        return connection.host.lower()
    return _joined(split_hosts(connection.host or "localhost", connection.port or 27017))


def server_of_client(client: MongoClient[Document]) -> str:
    """The same of a client: the hosts that it was given, not those that it was led to. No server is asked."""
    # PyMongo shows these in `repr(client)` alone; `nodes` and `address` are what a server answered.
    return _joined(client._topology_settings.seeds)


def _is_srv(connection: Connection) -> bool:
    return str(connection.extra.get("srv", False)).lower() == "true"


def _joined(hosts: Iterable[tuple[str, int | None]]) -> str:
    return ",".join(sorted(f"{host.lower()}:{port or 27017}" for host, port in hosts))


def _credentials(connection: Connection) -> dict[str, Any]:
    """As in the URI that MongoHook builds: the default database is where a user is looked up."""
    if not connection.login:
        return {}
    credentials: dict[str, Any] = {"username": connection.login, "password": connection.password}
    return credentials | ({"authSource": connection.schema} if connection.schema else {})


@contextmanager
def explained(connection: Connection) -> Iterator[None]:
    """Turn the driver's errors into ones that name the connection.

    ServerUnavailable: down. ConnectionUnusable: the login is refused. StepFailed: anything else.
    """
    where = f"connection {connection.conn_id}"
    try:
        yield
    except OperationFailure as error:
        if error.code in REFUSED_LOGIN:
            what = f"MongoDB at {connection.address} refused user {connection.login or '(none)'}: {short(error)}"
            cure = "correct login, password or extra.authSource of the connection, or grant the user role readWrite"
            raise ConnectionUnusable(what, where=where, cure=cure) from error
        raise StepFailed(
            f"MongoDB answered with an error: {short(error)}", where=where, cure=f"see MongoDB's log; then {AGAIN}"
        ) from error
    except ConnectionFailure as error:
        if (fault := find_tls_fault(connection, _TLS_EXTRAS, error)) is not None:
            raise fault from error
        what = f"MongoDB at {connection.address} does not answer: {short(error)}"
        cure = f"start it, or correct host and port of the connection; then {AGAIN}"
        raise ServerUnavailable(what, where=where, cure=cure) from error


def short(error: PyMongoError) -> str:
    """The error without the server's full reply and the driver's topology dump."""
    return str(error).split(", full error", 1)[0].split(", Timeout:", 1)[0][:500]
