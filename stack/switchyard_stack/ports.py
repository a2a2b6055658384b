"""The ports of the stack: the preferred ones in one place, chosen once, remembered in the state directory."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

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


def choose_ports(remembered: Mapping[str, int], free: Callable[[int], bool] = is_free) -> dict[str, int]:
    """Keep the remembered ports; give each other name its preferred port, or the next free one."""
    chosen = {name: port for name, port in remembered.items() if name in PREFERRED}
    for name, preferred in PREFERRED.items():
        if name not in chosen:
            chosen[name] = _next_free(name, preferred, set(chosen.values()), free)
    return chosen


def _next_free(name: str, preferred: int, used: set[int], free: Callable[[int], bool]) -> int:
    for port in range(preferred, min(preferred + _STEP * _TRIES, 65536), _STEP):
        if port not in used and free(port):
            return port
    raise StackError(f"no free port for {name} among {preferred}, {preferred + _STEP}, …", cure="stop what holds them")


def remembered_ports(path: Path, *, bound: bool = True) -> dict[str, int]:
    """The ports of this state; chooses and writes them at first use.

    `bound`: there is data that names these ports (HDFS' in every table's location); without, one that somebody took
    meanwhile is chosen again.
    """
    remembered = json.loads(path.read_text()) if path.exists() else {}
    chosen = choose_ports(remembered if bound else {name: port for name, port in remembered.items() if is_free(port)})
    if chosen != remembered:
        path.write_text(json.dumps(chosen, indent=2) + "\n")
    return chosen
