"""A server that takes connections and never says a word: every client gives up in bounded time, and says what to do."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from switchyard.connections import Connection
from switchyard.errors import ServerUnavailable
from switchyard.lake.hive import Hive
from switchyard.lake.metastore import Metastore
from switchyard.serve.cache.connection import connect as connect_redis
from switchyard.serve.cache.connection import explained as redis_explained
from switchyard.serve.mongo.target import MongoTarget


@pytest.fixture
def port() -> Iterator[int]:
    """Where connections are taken by the system, and nobody reads what comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def ask_hive(connection: Connection) -> None:
    Hive(connection).query("select 1")


def ask_metastore(connection: Connection) -> None:
    Metastore(connection).read_version("d", "t")


def ask_mongo(connection: Connection) -> None:
    with MongoTarget(connection, timeout_seconds=1) as mongo:
        mongo.count("c")


def ask_redis(connection: Connection) -> None:
    with redis_explained(connection):
        connect_redis(connection, timeout_seconds=1).get("k")


CLIENTS: dict[str, tuple[Callable[[Connection], None], dict[str, Any]]] = {
    "HiveServer2": (ask_hive, {"timeout": 1}),
    "HiveServer2, with a login": (ask_hive, {"timeout": "1", "auth_mechanism": "NONE"}),
    "HiveServer2, TLS": (ask_hive, {"timeout": 1, "use_ssl": True}),
    "HiveServer2, HTTP": (ask_hive, {"timeout": 1, "use_http_transport": True}),
    "metastore": (ask_metastore, {"timeout": 1}),
    "MongoDB": (ask_mongo, {}),
    "Redis": (ask_redis, {}),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_gives_up(client: str, port: int) -> None:
    ask, extra = CLIENTS[client]
    connection = Connection("silent", "any", "127.0.0.1", port, "", "", "0", extra)
    started = time.monotonic()
    with pytest.raises(ServerUnavailable, match="does not answer") as caught:
        ask(connection)
    assert time.monotonic() - started < 30
    assert caught.value.where == "connection silent"
    if ask is ask_hive:
        assert "it had 1 s for one call" in caught.value.cure
