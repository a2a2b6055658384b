"""Connections that a shell lets Airflow look up: in its secrets backend, its environment and its database.

Airflow takes seconds to start, so that one child answers for all ids of a command. It has this Python and this
environment, which are those of Airflow's own commands.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, cast

from switchyard.cli.options import ASK_AIRFLOW
from switchyard.connections import Connection, Connections, EnvironmentConnections, how_to_add
from switchyard.connections.variables import read_switch, read_variable
from switchyard.errors import ConnectionMissing, SwitchyardError

_BACKEND = "AIRFLOW__SECRETS__BACKEND"
_MODULE = "switchyard.airflow.lookup"
_LONGEST_REASON = 300


def shell_connections(environ: Mapping[str, str] = os.environ) -> Connections:
    """Where a command of this shell looks connections up: a task and a shell must never use different servers.

    Airflow is asked when that was asked for, or when a secrets backend is configured that only Airflow can read.
    """
    backend = read_variable(_BACKEND, environ=environ)
    only_airflow_reads_it = bool(backend) and not backend.endswith("LocalFilesystemBackend")
    if only_airflow_reads_it or read_switch(ASK_AIRFLOW, environ):
        return AirflowConnections()
    return EnvironmentConnections(environ)


@dataclass
class AirflowConnections:
    """What Airflow has, each id asked for once. The child is started by the first one; our end closes its input."""

    _known: dict[str, Connection] = field(default_factory=dict, repr=False)
    _child: subprocess.Popen[str] | None = None
    _log: IO[str] = field(default_factory=lambda: tempfile.TemporaryFile("w+"), repr=False)  # noqa: SIM115 - the child's

    def get(self, conn_id: str) -> Connection:
        """Return the connection; raises ConnectionMissing, SwitchyardError when Airflow does not run here."""
        if conn_id not in self._known:
            self._known[conn_id] = self._ask(conn_id)
        return self._known[conn_id]

    def _ask(self, conn_id: str) -> Connection:
        if self._child is None:
            self._child = self._start()
        questions, answers = cast(IO[str], self._child.stdin), cast(IO[str], self._child.stdout)
        try:
            print(conn_id, file=questions, flush=True)
            line = answers.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise self._ended()
        answer = json.loads(line)
        if "fields" in answer:
            return Connection.from_fields(conn_id, answer["fields"])
        failed_places = ", ".join(answer["failed"])
        places = f"; these places could not be asked: {failed_places}" if failed_places else ""
        raise ConnectionMissing(
            f"Airflow finds no connection with this id{places}",
            where=f"connection {conn_id}",
            cure=f"see why: airflow connections get {conn_id}; or {how_to_add(conn_id)}",
        )

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def _ended(self) -> SwitchyardError:
        self._log.seek(0)
        lines = self._log.read().strip().splitlines()
        reason = lines[-1][:_LONGEST_REASON] if lines else "it gave no reason"
        return SwitchyardError(
            f"Airflow could not look up connections: {reason}",
            where=sys.executable,
            cure="repeat your command in a shell where `airflow connections list` works: with the same Python, "
            "AIRFLOW_HOME and variables",
        )
