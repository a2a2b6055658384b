"""A PgBouncer in front of the stack's PostgreSQL, as people have it who must let pgjdbc through: it drops `options`."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.outside.grounds import Unprepared
from harness.outside.own_server import PATIENCE, free_port, run_as, wait_for_answer

_CONFIGURATION = """
[databases]
* = host={host} port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {directory}/users
pool_mode = {mode}
ignore_startup_parameters = extra_float_digits,options
logfile = {directory}/log
pidfile = {directory}/pid
"""
_UNPRIVILEGED = "nobody"
"""PgBouncer refuses to run as root."""


@contextlib.contextmanager
def open_pooler(host: str, server_port: int, login: str, password: str, mode: str = "session") -> Iterator[int]:
    """Start it on a free port of the loopback, for one login and in this `pool_mode`; yields the port."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise Unprepared("no pgbouncer on this machine: stack/install-prerequisites.sh installs it")
    port = free_port()
    directory = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    try:
        address = {"host": host, "server_port": server_port, "port": port}
        settings = _CONFIGURATION.format(**address, directory=directory, mode=mode)
        (directory / "pgbouncer.ini").write_text(settings)
        (directory / "users").write_text(f'"{login}" "{password}"\n')
        process = subprocess.Popen(
            [program, "-q", str(directory / "pgbouncer.ini")], **run_as(_UNPRIVILEGED, directory)
        )
        try:
            wait_for_answer("pgbouncer", process, directory / "log", lambda: _listens(port))
            yield port
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)
    finally:
        shutil.rmtree(directory)


def _listens(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
