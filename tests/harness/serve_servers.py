"""Real servers for the serve tests: MongoDB and Redis.

MongoDB is the one named by MONGO_URL (else a SecantusDB of our own) and, beside it, the real mongod that
SWITCHYARD_TEST_MONGO_URL names, if it is set.

Redis is always our own, because tests kill it. Say `pytest_plugins = ["harness.serve_servers"]` for the fixtures.
PYTEST_DONT_REWRITE: test modules import the classes, too.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from os import environ
from pathlib import Path

import pytest
from pymongo import MongoClient
from redis import Redis

from switchyard.connections import Connection
from switchyard.serve.mongo.target import MongoTarget

REDIS_PASSWORD = "redis secret/@:1"


def free_port(low: int, high: int) -> int:
    for port in range(low, high):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"no free port from {low} to {high}")


def wait_until(ready: Callable[[], object], process: subprocess.Popen, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            ready()
            return
        except Exception:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@dataclass
class Secantus:
    """A SecantusDB process on its own directory."""

    directory: Path
    port: int
    process: subprocess.Popen | None = None

    def start(self, *options: str) -> Secantus:
        command = [
            str(Path(sys.executable).parent / "secantusd-py"),
            "--port",
            str(self.port),
            "--log-level",
            "WARNING",
        ]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--storage-path", str(self.directory / "data"), *options], stdout=log, stderr=log
            )
        url = f"mongodb://127.0.0.1:{self.port}/?serverSelectionTimeoutMS=500"
        wait_until(lambda: MongoClient(url).admin.command("hello"), self.process)
        return self

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@dataclass
class RedisServer:
    """A Redis process without persistence."""

    directory: Path
    port: int
    process: subprocess.Popen | None = None

    def start(self, **settings: str) -> RedisServer:
        program = shutil.which("redis-server")
        if program is None:
            pytest.fail("redis-server is not installed: apt-get install redis-server")
        config = self.directory / "redis.conf"
        lines = {"port": self.port, "bind": "127.0.0.1", "dir": self.directory, "save": '""', "appendonly": "no"}
        lines |= {"requirepass": f'"{REDIS_PASSWORD}"', "logfile": self.directory / "log", **settings}
        config.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
        config.chmod(0o600)
        self.process = subprocess.Popen([program, str(config)])
        wait_until(self.client().ping, self.process)
        return self

    def client(self, **options: object) -> Redis:
        return Redis(port=self.port, password=REDIS_PASSWORD, **options)

    def connection(self) -> Connection:
        return Connection("test_redis", "redis", "127.0.0.1", self.port, password=REDIS_PASSWORD)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def restart_empty(self) -> None:
        self.kill()
        self.start()


MONGO_SERVERS = ["stand-in", *(["mongod"] if environ.get("SWITCHYARD_TEST_MONGO_URL") else [])]


@pytest.fixture(scope="session", params=MONGO_SERVERS)
def serve_mongo_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connection]:
    variable = {"stand-in": "MONGO_URL", "mongod": "SWITCHYARD_TEST_MONGO_URL"}[request.param]
    if url := environ.get(variable):
        yield Connection.from_uri("test_mongo", url)
        return
    server = Secantus(tmp_path_factory.mktemp("secantus"), free_port(27110, 27150)).start()
    yield Connection("test_mongo", "mongo", "127.0.0.1", server.port)
    server.kill()


@pytest.fixture
def serve_mongo(serve_mongo_server: Connection) -> Iterator[MongoTarget]:
    """A target on a database of this test's own."""
    extra = dict(serve_mongo_server.extra)
    if serve_mongo_server.login and serve_mongo_server.schema:
        extra.setdefault("authSource", serve_mongo_server.schema)
    connection = replace(serve_mongo_server, schema=f"switchyard_test_{uuid.uuid4().hex[:10]}", extra=extra)
    with MongoTarget(connection) as target:
        yield target
        target.client.drop_database(target.database.name)


@pytest.fixture(scope="session")
def serve_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"), free_port(27150, 27199)).start()
    yield server
    server.kill()
