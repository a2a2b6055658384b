"""supervisord, driven over its socket: it keeps the pids, the logs and their rotation; it restarts nothing."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
import xmlrpc.client
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, cast

from supervisor.xmlrpc import Faults, SupervisorTransport  # type: ignore[import-untyped]

from switchyard_stack.errors import StackError
from switchyard_stack.processes import MARK_SERVICE, MARK_STATE, end_processes, find_ours
from switchyard_stack.render import Site

_UNREACHABLE = (OSError, HTTPException)
_FOREIGN_SETTINGS = (
    *("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH"),
    *("HADOOP_", "HIVE_", "SQOOP_", "TEZ_", "PG", "SUPERVISOR_"),
)


@dataclass(frozen=True)
class State:
    """The state of one program, as supervisord reports it; `is_dead`: it ended, and nobody had stopped it."""

    running: bool
    pid: int
    text: str
    is_dead: bool = False


@dataclass(frozen=True)
class Supervisor:
    """The supervisord of one state directory."""

    site: Site

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self.site.layout.supervisor_socket}")
        try:
            proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
            for part in method.split("."):
                proxy = getattr(proxy, part)
            return cast("Any", proxy)(*arguments)
        finally:
            transport.close()

    def answers(self) -> bool:
        """True if supervisord answers."""
        if not self.site.layout.supervisor_socket.exists():
            return False
        try:
            return bool(self._call("supervisor.getPID"))
        except (*_UNREACHABLE, xmlrpc.client.Error):
            return False

    def ensure(self) -> None:
        """Have it running with the configuration of now; ends what a dead supervisord left behind."""
        if self.answers():
            self._apply_changes()
            return
        end_processes([ours.process for ours in find_ours(self.site.layout.state)])
        self._start()

    def _start(self) -> None:
        layout = self.site.layout
        command = [str(layout.scripts / "supervisord"), "-c", str(layout.supervisor_conf)]
        started = subprocess.run(
            command, env=server_environment(self.site), cwd=layout.run, capture_output=True, text=True
        )
        deadline = time.monotonic() + 10
        while started.returncode == 0 and time.monotonic() < deadline:
            if self.answers():
                return
            time.sleep(0.05)
        output = (started.stderr or started.stdout).strip()[-500:]
        raise StackError(f"supervisord did not start: {output}", cure=f"read {layout.logs / 'supervisord.log'}")

    def _apply_changes(self) -> None:
        """Reread the configuration; stop the programs whose lines have changed: `up` starts them again."""
        try:
            [[added, changed, removed]] = self._call("supervisor.reloadConfig")
        except xmlrpc.client.Fault as fault:
            raise StackError(f"supervisord refused its configuration: {fault.faultString}") from fault
        for name in [*changed, *removed]:
            self.stop(name)
            self._call("supervisor.removeProcessGroup", name)
        for name in [*added, *changed]:
            self._call("supervisor.addProcessGroup", name)

    def states(self) -> dict[str, State]:
        """States of all programs, by name; empty when supervisord does not answer."""
        if not self.answers():
            return {}
        return {info["name"]: _state(info) for info in self._call("supervisor.getAllProcessInfo")}

    def state(self, name: str) -> State:
        """One program."""
        return self.states().get(name, State(False, 0, "not started"))

    def start(self, name: str) -> None:
        """Start a program; fine when it runs already."""
        self._tolerating(Faults.ALREADY_STARTED, "supervisor.startProcess", name, False)

    def stop(self, name: str) -> None:
        """Stop a program and wait; fine when it does not run."""
        self._tolerating(Faults.NOT_RUNNING, "supervisor.stopProcess", name)

    def kill(self, name: str) -> None:
        """SIGKILL the program's process, as a fault test does."""
        self._tolerating(Faults.NOT_RUNNING, "supervisor.signalProcess", name, "KILL")

    def _tolerating(self, fault_code: int, method: str, *arguments: Any) -> None:
        try:
            self._call(method, *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != fault_code:
                raise StackError(f"supervisord: {fault.faultString}") from fault

    def shutdown(self) -> None:
        """End supervisord itself and wait for its socket to go."""
        with contextlib.suppress(*_UNREACHABLE, xmlrpc.client.Error):
            self._call("supervisor.shutdown")
        deadline = time.monotonic() + 15
        while self._socket_is_alive() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _socket_is_alive(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.site.layout.supervisor_socket)) == 0


def _state(info: dict[str, Any]) -> State:
    name = info["statename"]
    running = name in ("RUNNING", "STARTING", "STOPPING")
    if running or name == "STOPPED" or not info["stop"]:
        return State(running, int(info["pid"]), info["spawnerr"] if name == "FATAL" else name.lower())
    how = f"exit status {info['exitstatus']}" if info["exitstatus"] >= 0 else "killed by a signal"
    return State(False, 0, f"dead, {how}", is_dead=True)


def server_environment(site: Site, service: str = "supervisord") -> dict[str, str]:
    """The environment of the servers: the caller's without what would bend them, and our mark."""
    layout = site.layout
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_SETTINGS)}
    home = layout.run / "home"
    home.mkdir(exist_ok=True)
    path = f"{layout.bin}:{layout.scripts}:{site.programs.java_home}/bin:{os.environ.get('PATH', '/usr/bin:/bin')}"
    ours = {
        "PATH": path,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "TMPDIR": str(layout.tmp),
    }
    marks = {"SWITCHYARD_STATE": str(layout.state), MARK_STATE: str(layout.state), MARK_SERVICE: service}
    return {**kept, **ours, **marks, "JAVA_HOME": str(site.programs.java_home)}
