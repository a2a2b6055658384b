"""A PgBouncer in front of the stack's PostgreSQL, as people have it who must let pgjdbc through: it drops `options`."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from harness.outside.grounds import Unprepared

_CONFIGURATION = """
[databases]
* = host={host} port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {directory}/users
pool_mode = session
ignore_startup_parameters = extra_float_digits,options
logfile = {directory}/log
pidfile = {directory}/pid
"""
_PATIENCE = 15
_UNPRIVILEGED = "nobody"


@contextlib.contextmanager
def open_pooler(host: str, server_port: int, login: str, password: str) -> Iterator[int]:
    """Start it on a free port of the loopback, for one login; yields the port."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise Unprepared("no pgbouncer on this machine: stack/install-prerequisites.sh installs it")
    port = _free_port()
    directory = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    try:
        settings = _CONFIGURATION.format(host=host, server_port=server_port, port=port, directory=directory)
        (directory / "pgbouncer.ini").write_text(settings)
        (directory / "users").write_text(f'"{login}" "{password}"\n')
        process = subprocess.Popen([program, "-q", str(directory / "pgbouncer.ini")], **_unprivileged(directory))
        try:
            _wait_for(port, process, directory)
            yield port
        finally:
            process.terminate()
            process.wait(timeout=_PATIENCE)
    finally:
        shutil.rmtree(directory)


def _unprivileged(directory: Path) -> dict[str, object]:
    """PgBouncer refuses to run as root: then it runs as nobody, who must be able to read its directory."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam(_UNPRIVILEGED)
    for path in (directory, *directory.iterdir()):
        os.chown(path, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], directory: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    log = directory / "log"
    raise Unprepared(f"pgbouncer did not start: {log.read_text() if log.exists() else process.poll()}")
