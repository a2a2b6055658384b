"""The node's servers, driven over their supervisord's socket, which the machine reaches as a file."""

from __future__ import annotations

import xmlrpc.client
from http.client import HTTPException
from pathlib import Path

from supervisor.xmlrpc import Faults, SupervisorTransport  # type: ignore[import-untyped]

from switchyard_stack.errors import StackError

SERVERS = (  # in the order of their start
    "containerd",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "coredns",
)
_UNREACHABLE = (OSError, HTTPException)


def answers(socket: Path) -> bool:
    """True if the node's supervisord answers."""
    try:
        states(socket)
    except _UNREACHABLE:
        return False
    return True


def states(socket: Path) -> dict[str, str]:
    """The state of each server in supervisord's words, `RUNNING` or another; raises OSError when it does not answer."""
    with _proxy(socket) as proxy:
        processes = proxy.supervisor.getAllProcessInfo()
    assert isinstance(processes, list)  # noqa: S101  (the protocol's type, for mypy)
    return {process["name"]: process["statename"] for process in processes}


def start(socket: Path, server: str) -> None:
    """Start a server; fine when it runs already."""
    with _proxy(socket) as proxy:
        _tolerate(Faults.ALREADY_STARTED, proxy.supervisor.startProcess, server, False)


def stop(socket: Path, server: str) -> None:
    """Stop a server and wait; fine when it does not run."""
    with _proxy(socket) as proxy:
        _tolerate(Faults.NOT_RUNNING, proxy.supervisor.stopProcess, server)


def kill(socket: Path, server: str) -> None:
    """SIGKILL a server, as a crash would."""
    with _proxy(socket) as proxy:
        _tolerate(Faults.NOT_RUNNING, proxy.supervisor.signalProcess, server, "KILL")


def _proxy(socket: Path) -> xmlrpc.client.ServerProxy:
    transport = SupervisorTransport(None, None, f"unix://{socket}")
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)


def _tolerate(fault_code: int, method: xmlrpc.client._Method, *arguments: str | bool) -> None:
    try:
        method(*arguments)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != fault_code:
            raise StackError(
                f"supervisord of the node: {fault.faultString}", cure="`switchyard cluster status` shows the servers"
            ) from fault
