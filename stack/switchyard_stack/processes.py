"""Processes seen from outside: who is ours, who holds a port, how much memory a server takes."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK_STATE = "SWITCHYARD_STACK_STATE"  # not SWITCHYARD_STATE, which people export in their shells
MARK_SERVICE = "SWITCHYARD_STACK_SERVICE"


@dataclass(frozen=True)
class Ours:
    """A process that some `up` of this state has started, with the service it belongs to."""

    service: str
    process: psutil.Process


def find_ours(state: Path) -> list[Ours]:
    """All processes of this state, by the mark in their environment; PostgreSQL's children by their directory."""
    return [Ours(service, process) for process in psutil.process_iter() if (service := _service_of(process, state))]


def _service_of(process: psutil.Process, state: Path) -> str:
    if process.pid == os.getpid():
        return ""
    with contextlib.suppress(psutil.Error):
        environment = process.environ()
        if environment.get(MARK_STATE):
            return environment.get(MARK_SERVICE, "") if environment[MARK_STATE] == str(state) else ""
    with contextlib.suppress(psutil.Error):  # a renamed process has written over its environment
        data = state / "data"
        cwd = Path(process.cwd())
        return cwd.name if cwd.parent == data else ""
    return ""


def end_processes(processes: Iterable[psutil.Process], *, patience: float = 8.0) -> None:
    """Ask politely (SIGINT to PostgreSQL, which means fast there), then kill."""
    alive = list(processes)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGINT if process.name() == "postgres" else signal.SIGTERM)
    _, stubborn = psutil.wait_procs(alive, timeout=patience)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=5)


def find_listener(port: int) -> str:
    """Name and pid of the process that listens on this port, or '' when nothing does."""
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            return describe(connection.pid)
    return ""


def describe(pid: int | None) -> str:
    """`java (pid 12)`; another user's process has no pid for us."""
    if pid is None:
        return "a process of another user"
    with contextlib.suppress(psutil.Error):
        return f"{psutil.Process(pid).name()} (pid {pid})"
    return f"pid {pid}"


def family(pid: int) -> Iterator[psutil.Process]:
    """The process and all its descendants that are alive."""
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(pid)
        yield parent
        yield from parent.children(recursive=True)


def memory_bytes(pid: int) -> int:
    """Memory of a process and its descendants; shared pages are counted once where the kernel tells."""
    total = 0
    for process in family(pid):
        with contextlib.suppress(psutil.Error):
            try:
                total += process.memory_full_info().pss
            except psutil.AccessDenied:
                total += process.memory_info().rss
    return total


def listening_addresses(pid: int) -> set[tuple[str, int]]:
    """(address, port) of every TCP socket that the process or a descendant listens on."""
    addresses = set()
    for process in family(pid):
        with contextlib.suppress(psutil.Error):
            addresses |= {
                (c.laddr.ip, c.laddr.port) for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN
            }
    return addresses
