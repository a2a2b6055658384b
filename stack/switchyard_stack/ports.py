"""The ports of the stack: the preferred ones in one place, chosen once, remembered in the state directory.

A port that another stack has chosen may be free still, because that one has not started yet, or is down. So the states
of a user's stacks are listed in one file of the machine, and one command at a time chooses. The list is all that is
written outside a state; the ports themselves are in each one's ports.json, and end with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import IO

from switchyard_stack.errors import StackError

LOOPBACK = "127.0.0.1"
PREFERRED: Mapping[str, int] = {
    "postgres": 25432,
    "redis": 25379,
    "mongo": 25017,
    "namenode": 25020,
    "namenode_http": 25070,
    "datanode": 25066,
    "datanode_http": 25064,
    "datanode_ipc": 25067,
    "metastore": 25083,
    "hiveserver2": 25010,
    "airflow": 25080,
}
REGISTRY = Path("/tmp") / f"switchyard-stacks-{os.getuid()}"  # noqa: S108 - opened as ours or not at all
"""Paths of the ports files of this user's stacks, one a line; the lock that choosing takes."""
_STEP = 100
_TRIES = 70  # 25432 taken → 25532, 25632, …: below the ephemeral range of most systems for a while


def is_free(port: int) -> bool:
    """True when a server could bind this port on loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose_ports(
    remembered: Mapping[str, int], free: Callable[[int], bool] = is_free, reserved: Collection[int] = ()
) -> dict[str, int]:
    """Keep the remembered ports; give each other name its preferred port, or the next free one.

    `reserved`: ports that are taken only when all others are.
    """
    chosen = {name: port for name, port in remembered.items() if name in PREFERRED}
    for name in PREFERRED:
        if name not in chosen:
            chosen[name] = _next_free(name, set(chosen.values()), free, reserved)
    return chosen


def _next_free(name: str, used: Collection[int], free: Callable[[int], bool], reserved: Collection[int]) -> int:
    preferred = PREFERRED[name]
    candidates = [port for port in range(preferred, min(preferred + _STEP * _TRIES, 65536), _STEP) if port not in used]
    candidates.sort(key=lambda port: port in reserved)
    for port in candidates:
        if free(port):
            return port
    raise StackError(f"no free port for {name} among {preferred}, {preferred + _STEP}, …", cure="stop what holds them")


def remembered_ports(path: Path, *, bound: bool = True, registry: Path = REGISTRY) -> dict[str, int]:
    """The ports of this state; chooses and writes them at first use.

    `bound`: there is data that names these ports (HDFS' in every table's location); without, one that somebody took
    meanwhile is chosen again.
    """
    with _locked(registry) as listed:
        remembered = json.loads(path.read_text()) if path.exists() else {}
        kept = remembered if bound else {name: port for name, port in remembered.items() if is_free(port)}
        before = [Path(line) for line in listed.read().splitlines()]
        files = [file for file in before if file.exists() and file != path]
        chosen = choose_ports(kept, reserved={port for file in files for port in _ports_of_another(file)})
        if chosen != remembered:
            path.write_text(json.dumps(chosen, indent=2) + "\n")
        if path not in before or len(files) + 1 < len(before):
            listed.seek(0)
            listed.truncate()
            listed.write("".join(f"{file}\n" for file in [*files, path]))
    return chosen


def _ports_of_another(path: Path) -> Collection[int]:
    """The ports of another state; none if its file is gone meanwhile, or damaged, which its own commands will say."""
    try:
        return dict(json.loads(path.read_text())).values()
    except (FileNotFoundError, ValueError, TypeError):
        return ()


@contextlib.contextmanager
def _locked(registry: Path) -> Iterator[IO[str]]:
    """The list, to be read and written by nobody else meanwhile; the lock dies with its process."""
    try:
        descriptor = os.open(registry, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _not_ours(registry, str(error)) from error
    with os.fdopen(descriptor, "r+") as listed:
        if os.fstat(descriptor).st_uid != os.getuid():
            raise _not_ours(registry, "it belongs to another user")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield listed


def _not_ours(registry: Path, reason: str) -> StackError:
    return StackError(f"the list of this user's stacks cannot be used: {registry}: {reason}", cure="remove that file")
