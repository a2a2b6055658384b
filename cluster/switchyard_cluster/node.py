"""The node: namespaces of its own with supervisord as their first process, and one link to the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from switchyard_cluster import addresses, supervision
from switchyard_cluster.configuration import write_configuration
from switchyard_cluster.control_groups import make_groups, remove_groups
from switchyard_cluster.kernel_settings import remember_settings, restore_settings
from switchyard_cluster.layout import NODE_FILES, BenchLayout
from switchyard_stack.errors import NotHealthy, StackError
from switchyard_stack.processes import MARK_SERVICE, MARK_STATE, end_processes, find_ours

_PATIENCE = 30.0
_KEPT = {"PATH", "LANG", "HOME"}  # the servers see nothing else of the caller's environment


@dataclass(frozen=True)
class Node:
    """The node of one bench."""

    layout: BenchLayout

    def is_alive(self) -> bool:
        """True if the namespaces exist and their supervisord answers."""
        return supervision.answers(self.layout.socket)

    def create(self) -> None:
        """Make a new node, with no pods and no data; whatever an earlier one left is removed first."""
        self.remove()
        _require_free_link(self.layout.node)
        self.layout.make_directories()
        remember_settings(self.layout.kernel_settings)
        write_configuration(self.layout)
        make_groups()
        process = self._enter_namespaces()
        _link_machine(_first_process(process), self.layout.node)
        self._await_supervisord(process)

    def _enter_namespaces(self) -> psutil.Popen:
        environment = {name: value for name, value in os.environ.items() if name in _KEPT}
        marks = {MARK_STATE: str(self.layout.node), MARK_SERVICE: "node"}
        supervisord = Path(sys.executable).parent / "supervisord"
        with (self.layout.log / "node.log").open("w") as log:
            return psutil.Popen(
                [
                    *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child=KILL"),
                    *("sh", str(NODE_FILES / "enter.sh"), str(self.layout.node), str(supervisord)),
                ],
                env={**environment, **marks},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _await_supervisord(self, process: psutil.Popen) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not self.is_alive():
            if process.poll() is not None or time.monotonic() > deadline:
                log = self.layout.log / "node.log"
                raise NotHealthy(f"the node did not start:\n{log.read_text()[-1500:]}", cure=f"read {log}")
            time.sleep(0.1)

    def command(self, words: list[str]) -> list[str]:
        """A command as it runs within the node."""
        keepers = [ours.process for ours in find_ours(self.layout.node) if ours.process.name() == "unshare"]
        if not keepers:
            raise StackError("the node does not run", cure="start it with `switchyard cluster up`")
        [first] = keepers[0].children()
        return ["nsenter", "--target", str(first.pid), "--mount", "--net", "--pid", *words]

    def remove(self) -> None:
        """End the node: with its first process go all others, the mounts, links and rules. Then remove what it left."""
        processes = [ours.process for ours in find_ours(self.layout.node)]
        end_processes([process for process in processes if process.name() == "unshare"], patience=0)
        end_processes([process for process in processes if process.is_running()], patience=0)
        _await_link_gone(self.layout.node)
        remove_groups()
        restore_settings(self.layout.kernel_settings)
        if self.layout.node.exists():
            shutil.rmtree(self.layout.node)


def _first_process(keeper: psutil.Popen) -> int:
    """The first process of the namespaces, as soon as it is there; `keeper` is the unshare that waits for it."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and keeper.poll() is None:
        children = keeper.children()
        if children:
            return int(children[0].pid)
        time.sleep(0.02)
    raise NotHealthy("the node's namespaces could not be made", cure="`unshare --mount --net --pid` must work here")


def _link_machine(first: int, owner: Path) -> None:
    """Join the machine and the node by a pair of links, and route pods and services to the node."""
    _ip("link", "add", addresses.HOST_LINK, "type", "veth", "peer", "name", addresses.NODE_LINK, "netns", str(first))
    _ip("link", "set", addresses.HOST_LINK, "alias", str(owner))
    _ip("addr", "add", f"{addresses.HOST_ADDRESS}/{addresses.LINK_PREFIX}", "dev", addresses.HOST_LINK)
    _ip("link", "set", addresses.HOST_LINK, "up")
    for network in (addresses.PODS, addresses.SERVICES):
        _ip("route", "add", network, "via", addresses.NODE_ADDRESS, "dev", addresses.HOST_LINK)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise StackError(
            f"`ip {' '.join(words)}`: {done.stderr.strip()}",
            cure="`ip route` shows whether another network of this machine has the bench's addresses",
        )


def _link_owner() -> str:
    """The bench that has the link on this machine, or '' when there is no link."""
    alias = Path("/sys/class/net") / addresses.HOST_LINK / "ifalias"
    return alias.read_text().strip() if alias.exists() else ""


def _require_free_link(node: Path) -> None:
    owner = _link_owner()
    if owner and owner != str(node):
        raise StackError(
            f"a bench runs on this machine already, in {owner}; a machine has room for one",
            cure="set KUBECONFIG to its kubeconfig, or run `make cluster-down` in its checkout",
        )


def _await_link_gone(node: Path) -> None:
    """Wait for the kernel: it takes namespaces down after their last process has gone."""
    deadline = time.monotonic() + _PATIENCE
    while _link_owner() == str(node):
        if time.monotonic() > deadline:
            raise NotHealthy(
                f"the link {addresses.HOST_LINK} is still there {_PATIENCE:.0f} s after the node has ended",
                cure=f"ip link del {addresses.HOST_LINK}",
            )
        time.sleep(0.1)
