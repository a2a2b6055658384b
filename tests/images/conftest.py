"""The images, built (or left as they are, when nothing changed) once; and a source for Sqoop."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.built_images import Image, build_images, open_image


class Images(dict[str, Image]):
    """Images by target, each built and opened when a test first asks for it."""

    def __init__(self, opened: ExitStack) -> None:
        super().__init__()
        self._opened = opened

    def __missing__(self, target: str) -> Image:
        build_images("--archive", target)
        self[target] = open_image(target, self._opened)
        return self[target]


@pytest.fixture(scope="session")
def images() -> Iterator[Images]:
    """All images by target."""
    with ExitStack() as opened:
        yield Images(opened)


@pytest.fixture(scope="session")
def source() -> Iterator[str]:
    """The JDBC URL of an empty PostgreSQL of this machine, on loopback, which trusts everybody.

    Its data is not in pytest's directory, which every session of pytest closes to other users.
    """
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data = Path(tempfile.mkdtemp(prefix="switchyard-source-"))
    owner = pwd.getpwnam("postgres")
    os.chown(data, owner.pw_uid, owner.pw_gid)
    as_owner = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    subprocess.run([*as_owner, programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust"], check=True, cwd="/")
    settings = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories="
    control = [*as_owner, programs / "pg_ctl", "-D", data, "-w", "-l", data / "log"]
    subprocess.run([*control, "-o", settings, "start"], check=True, cwd="/")
    yield f"jdbc:postgresql://127.0.0.1:{port}/postgres"
    subprocess.run([*control, "-m", "fast", "stop"], check=True, cwd="/")
    shutil.rmtree(data)
