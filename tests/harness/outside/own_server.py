"""A server that a test starts for itself: its port, the user that it runs as, and the wait until it answers."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from harness.outside.grounds import Unprepared

PATIENCE = 20
"""Seconds that such a server has to start, and to end."""


def free_port() -> int:
    """A port of the loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_as(name: str, directory: Path) -> dict[str, object]:
    """How `subprocess` starts a server that refuses to run as root: as another user, who gets the directory.

    Nothing is changed when we are not root.
    """
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam(name)
    for path in (directory, *directory.iterdir()):
        os.chown(path, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": directory}


def wait_for_answer(
    name: str,
    process: subprocess.Popen[bytes],
    log: Path,
    answers: Callable[[], bool],
    *,
    patience: float = PATIENCE,
) -> None:
    """Wait until a server answers; raises Unprepared with its log when it ends, or takes too long."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and process.poll() is None:
        if answers():
            return
        time.sleep(0.1)
    raise Unprepared(f"{name} did not start: {log.read_text() if log.exists() else process.poll()}")
