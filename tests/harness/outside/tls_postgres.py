"""A PostgreSQL of a test's own that speaks TLS."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from harness.outside.certificates import Authority, Pair
from harness.outside.own_server import PATIENCE, free_port, run_as, wait_for_answer

_RULES = """
hostssl all guarded all scram-sha-256 clientcert=verify-full
hostssl all all all scram-sha-256
"""


@dataclass
class TlsPostgres:
    """The running server; its superuser is `postgres`, without TLS nobody gets in."""

    data: Path
    port: int
    password: str
    authority: Authority

    def run(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run statements, each in a transaction of its own; the last one's rows."""
        where = {"host": "localhost", "port": self.port, "user": "postgres", "dbname": database}
        rows: list[tuple[object, ...]] = []
        with psycopg.connect(**where, password=self.password, sslmode="require", autocommit=True) as session:
            for statement in statements:
                cursor = session.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def show(self, pair: Pair) -> None:
        """Answer with this certificate from the next session on."""
        for source, name in ((pair.certificate, "server.crt"), (pair.key, "server.key")):
            _give_away(self.data / name, source.read_bytes())
        self.run("select pg_reload_conf()")
        time.sleep(0.5)


def _give_away(path: Path, content: bytes) -> None:
    """Written whole, private, and PostgreSQL's own: a reload may come at any moment."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.chmod(0o600)
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(new, owner.pw_uid, owner.pw_gid)
    new.rename(path)


@contextlib.contextmanager
def open_tls_postgres(certificates: Path) -> Iterator[TlsPostgres]:
    """Start it on a free port of the loopback; its certificate is for `localhost`."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    directory = Path(tempfile.mkdtemp(prefix="tls-postgres-"))
    user = run_as("postgres", directory)
    data, password = directory / "data", "a password of the test's own"
    (directory / "password").write_text(password)
    (directory / "password").chmod(0o644)
    initdb = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", f"--pwfile={directory / 'password'}"]
    initdb += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **user)
    authority = Authority(certificates, "ca")
    port = free_port()
    right = authority.issue("right", ["localhost"])
    for source, name in ((right.certificate, "server.crt"), (right.key, "server.key"), (authority.file, "ca.crt")):
        _give_away(data / name, source.read_bytes())
    _give_away(data / "pg_hba.conf", _RULES.encode())
    options = ["-c", "ssl=on", "-c", "ssl_ca_file=ca.crt", "-c", "fsync=off", "-c", f"port={port}"]
    options += ["-c", "listen_addresses=localhost", "-c", "unix_socket_directories="]
    log = (directory / "log").open("wb")
    server = subprocess.Popen([str(programs / "postgres"), "-D", str(data), *options], stdout=log, stderr=log, **user)
    try:
        postgres = TlsPostgres(data, port, password, authority)
        wait_for_answer("PostgreSQL", server, directory / "log", lambda: _answers(postgres))
        yield postgres
    finally:
        server.terminate()
        server.wait(timeout=PATIENCE)
        log.close()
        shutil.rmtree(directory)


def _answers(postgres: TlsPostgres) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        postgres.run("select 1")
        return True
    return False
