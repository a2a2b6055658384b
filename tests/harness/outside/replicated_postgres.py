"""A PostgreSQL of a test's own with a standby that can take over: one port, two addresses of the loopback."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from harness.outside.own_server import PATIENCE, free_port, run_as, wait_for_answer

PRIMARY = "127.0.0.1"
STANDBY = "127.0.0.2"
_RULES = "host all all 127.0.0.0/8 trust\nhost replication all 127.0.0.0/8 trust\n"


def programs() -> Path:
    """The directory of the newest PostgreSQL's programs."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


@dataclass
class ReplicatedPostgres:
    """The two servers; everybody may log in as `postgres` from the loopback."""

    directory: Path
    port: int
    user: dict[str, object]
    servers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def hosts(self) -> str:
        """Both addresses, as a connection's host has them."""
        return f"{PRIMARY},{STANDBY}"

    def run(self, *statements: str, host: str = PRIMARY, database: str = "source") -> list[tuple[object, ...]]:
        """Run statements, each in a transaction of its own; the last one's rows."""
        rows: list[tuple[object, ...]] = []
        address = {"host": host, "port": self.port, "user": "postgres", "dbname": database}
        with psycopg.connect(**address, autocommit=True) as session:
            for statement in statements:
                cursor = session.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def start(self, host: str) -> None:
        """Start the server of an address, and wait until it answers."""
        data = self.directory / host
        options = ["-c", f"port={self.port}", "-c", f"listen_addresses={host}", "-c", "unix_socket_directories="]
        command = [str(programs() / "postgres"), "-D", str(data), *options, "-c", "fsync=off"]
        log = self.directory / f"{host}.log"
        with log.open("ab") as output:
            server = subprocess.Popen(command, stdout=output, stderr=output, **self.user)
        self.servers[host] = server
        wait_for_answer("PostgreSQL", server, log, lambda: self._answers(host))

    def stop(self, host: str) -> None:
        """End the server of an address as if its machine had died."""
        server = self.servers.pop(host)
        server.kill()
        server.wait(timeout=PATIENCE)

    def wait_for_replay(self) -> None:
        """Wait until the standby has replayed all that the primary has written."""
        [(written,)] = self.run("select pg_current_wal_lsn()")
        wait = f"pg_last_wal_replay_lsn() >= '{written}'"
        for _ in range(PATIENCE * 10):
            [(replayed, _)] = self.run(f"select {wait}, pg_sleep(0.1)", host=STANDBY)
            if replayed:
                return
        raise AssertionError("the standby did not replay")

    def take_over(self) -> None:
        """Kill the primary and promote the standby."""
        self.stop(PRIMARY)
        self.run("select pg_promote()", host=STANDBY)

    def _answers(self, host: str) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.run("select 1", host=host, database="postgres")
            return True
        return False


@contextlib.contextmanager
def open_replicated_postgres() -> Iterator[ReplicatedPostgres]:
    """Start a primary with an empty database `source`, and its standby."""
    directory = Path(tempfile.mkdtemp(prefix="replicated-postgres-"))
    servers = ReplicatedPostgres(directory, free_port(), run_as("postgres", directory))
    try:
        primary = directory / PRIMARY
        initdb = [str(programs() / "initdb"), "-D", str(primary), "-U", "postgres", "--auth=trust"]
        initdb += ["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **servers.user)
        (primary / "pg_hba.conf").write_text(_RULES)
        servers.start(PRIMARY)
        servers.run("create database source", database="postgres")
        address = ["-h", PRIMARY, "-p", str(servers.port), "-U", "postgres"]
        copy = [str(programs() / "pg_basebackup"), *address, "-D", str(directory / STANDBY), "-R", "-X", "stream"]
        subprocess.run([*copy, "-c", "fast", "--no-sync"], check=True, **servers.user)
        servers.start(STANDBY)
        yield servers
    finally:
        for host in list(servers.servers):
            servers.stop(host)
        shutil.rmtree(directory)
