"""The chart's scripts as their pods run them: PostgreSQL's, Redis' and the metastore's tables', on real servers."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
import redis

from harness.charts import CHART
from harness.outside.own_server import free_port
from switchyard_stack.prerequisites import POSTGRES_USER, find_postgres_bin

PASSWORDS = {
    "postgres": "postgres-password",
    "ledger": "ledger-password",
    "source": "source-password",
    "redis": "redis-password-1",
}
PATIENCE_SECONDS = 120


@dataclass
class Pod:
    """A directory with what a pod mounts, and a user who is not root."""

    home: Path
    environment: dict[str, str]
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def command(self, script: str) -> list[str]:
        """The script as the pod's command names it; as root, by the user that PostgreSQL may run as."""
        user = [f"--reuid={POSTGRES_USER}", f"--regid={POSTGRES_USER}", "--clear-groups"]
        return [*(["setpriv", *user] if os.getuid() == 0 else []), "sh", str(self.home / "scripts" / script)]

    def start(self, script: str) -> subprocess.Popen[bytes]:
        """Start a server; its log is `log`."""
        with (self.home / "log").open("ab") as log:
            server = subprocess.Popen(self.command(script), env=self.environment, stdout=log, stderr=log, cwd="/")
        self.servers.append(server)
        return server

    def run(self, script: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a script that ends."""
        environment = {**self.environment, **more}
        return subprocess.run(
            self.command(script), env=environment, capture_output=True, text=True, cwd="/", timeout=60
        )

    def wait_until_ready(self, script: str) -> None:
        """Ask the probe until it is content."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.run(script).returncode:
            assert time.monotonic() < deadline, (self.home / "log").read_text()
            time.sleep(0.2)

    def stop(self) -> None:
        """End what was started: SIGINT, which PostgreSQL takes for a fast shutdown."""
        for server in self.servers:
            server.send_signal(2)
        for server in self.servers:
            server.wait(timeout=60)
        self.servers.clear()


@pytest.fixture
def pod() -> Iterator[Pod]:
    home = Path(tempfile.mkdtemp(prefix="chart-pod-"))
    shutil.copytree(CHART / "files", home / "scripts")
    (home / "secrets").mkdir()
    (home / "data").mkdir()
    for name, password in PASSWORDS.items():
        (home / "secrets" / name).write_text(password)
    (home / "log").touch()
    owner = pwd.getpwnam(POSTGRES_USER) if os.getuid() == 0 else None
    if owner is not None:
        for path in [home, *home.rglob("*")]:
            os.chown(path, owner.pw_uid, owner.pw_gid)
    own = Pod(home, environment(home))
    try:
        yield own
    finally:
        own.stop()
        shutil.rmtree(home)


def environment(home: Path) -> dict[str, str]:
    """What the pod's environment says, and where this machine has what a pod mounts."""
    port = str(free_port())
    programs = find_postgres_bin()
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOSTNAME": "grid-0",
        "DATA": str(home / "data"),
        "SECRETS": str(home / "secrets"),
        "SCRIPTS": str(home / "scripts"),
        "READY": str(home / "databases-made"),
        "SOCKETS": str(home),
        "LISTEN": "127.0.0.1",
        "PORT": port,
        "PGPORT": port,
        "MAX_MEMORY": "64mb",
        "DATABASES": "ledger:ledger powergrid:source",
        "SOURCE": "powergrid",
    }


@pytest.mark.parametrize("script", sorted((CHART / "files").glob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_of_a_shell_and_ends_at_the_first_error(script: Path) -> None:
    subprocess.run(["sh", "-n", str(script)], check=True)
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/bin/sh\n# ")
    assert "set -eu\n" in text or "until " in text


def connect(pod: Pod, database: str, password: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host="127.0.0.1", port=int(pod.environment["PGPORT"]), user=database, dbname=database, password=password
    )


def test_postgresql_makes_its_databases_and_keeps_them(pod: Pod) -> None:
    pod.start("postgresql.sh")
    pod.wait_until_ready("postgresql-ready.sh")
    with connect(pod, "powergrid", "source-password") as session:
        session.execute("create table telemetry (id int)")
        assert session.execute("select pg_has_role('powergrid', 'pg_read_all_stats', 'member')").fetchone() == (True,)
    with connect(pod, "ledger", "ledger-password") as session:
        assert session.execute("select pg_has_role('ledger', 'pg_read_all_stats', 'member')").fetchone() == (False,)
    pod.stop()

    # Another part is switched on: the pod starts anew, and what was there stays.
    pod.environment["DATABASES"] = "metastore:source ledger:ledger powergrid:source"
    pod.start("postgresql.sh")
    pod.wait_until_ready("postgresql-ready.sh")
    with connect(pod, "powergrid", "source-password") as session:
        assert session.execute("select count(*) from telemetry").fetchone() == (0,)
    connect(pod, "metastore", "source-password").close()
    assert [password for password in PASSWORDS.values() if password in (pod.home / "log").read_text()] == []


def test_postgresql_that_was_killed_while_it_was_made_is_made_again(pod: Pod) -> None:
    """What is half made lies beside its place, so the next start neither serves it nor stumbles over it."""
    half = pod.home / "data" / "cluster.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("17\n")
    if os.getuid() == 0:
        for path in (half, half / "PG_VERSION"):
            shutil.chown(path, POSTGRES_USER, POSTGRES_USER)
    pod.start("postgresql.sh")
    pod.wait_until_ready("postgresql-ready.sh")
    connect(pod, "ledger", "ledger-password").close()
    assert not half.exists()


def test_the_metastores_tables_are_made_whole_or_not_at_all(pod: Pod) -> None:
    pod.start("postgresql.sh")
    pod.wait_until_ready("postgresql-ready.sh")
    schema = pod.home / "schema.sql"
    asked = {
        "PGHOST": "127.0.0.1",
        "PGDATABASE": "ledger",
        "PGUSER": "ledger",
        "PASSWORD_FILE": str(pod.home / "secrets" / "ledger"),
        "SCHEMA_FILE": str(schema),
    }
    version = 'create table "VERSION" ("SCHEMA_VERSION" text);\n'
    schema.write_text(f"\\connect nowhere\n{version}insert into nothing values (1);\n")
    assert pod.run("metastore-schema.sh", **asked).returncode != 0
    with connect(pod, "ledger", "ledger-password") as session:
        assert session.execute("select to_regclass('public.\"VERSION\"')").fetchone() == (None,)

    schema.write_text(f"\\connect nowhere\n{version}")
    assert "tables are made" in pod.run("metastore-schema.sh", **asked).stdout
    assert "tables are there" in pod.run("metastore-schema.sh", **asked).stdout
    assert pod.run("metastore-wait.sh", **asked).returncode == 0


def test_redis_wants_its_password_and_keeps_nothing(pod: Pod) -> None:
    server = pod.start("redis.sh")
    pod.wait_until_ready("redis-ready.sh")
    port = int(pod.environment["PORT"])
    with redis.Redis("127.0.0.1", port, password="redis-password-1") as client:
        assert client.config_get("save") == {"save": ""}
        assert client.config_get("appendonly") == {"appendonly": "no"}
        assert client.config_get("maxmemory") == {"maxmemory": str(64 * 1024 * 1024)}
    with redis.Redis("127.0.0.1", port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    arguments = Path(f"/proc/{server.pid}/cmdline").read_bytes()
    assert b"redis-password-1" not in arguments
