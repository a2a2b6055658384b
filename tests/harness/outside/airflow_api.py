"""A small client of Airflow's REST API, as a person's script would be: token, trigger, look."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

PATIENCE = 300
ENDED = ("success", "failed")
SETTLED = 3
"""Seconds in which an asset's event has led to a run."""


class Airflow:
    """Raises AssertionError with the server's words when it refuses."""

    def __init__(self) -> None:
        self.url = os.environ["AIRFLOW_URL"]
        self._token = ""
        passwords = json.loads(Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]).read_text())
        login = {"username": "admin", "password": passwords["admin"]}
        self._token = self.call("POST", "/auth/token", login)["access_token"]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request; its JSON."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(self.url + path, data=data, headers=headers, method=method), timeout=60) as answer:
                return json.loads(answer.read() or b"{}")
        except HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()[:500]}") from error

    def get(self, path: str) -> Any:
        return self.call("GET", f"/api/v2{path}")

    def trigger(self, dag_id: str, **params: Any) -> str:
        """As the UI's button does; the run's id."""
        body = {"logical_date": None, "conf": params}
        return self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"]

    @contextmanager
    def paused(self, *dag_ids: str) -> Iterator[None]:
        """Keep the scheduler from `airflow dags test`: it takes such a run for one of its own (Airflow 3.3, seen).

        Runs that the schedule began end first: a paused DAG's run would stand still, and hold its leg.
        """
        while True:
            wait(lambda: not self._at_work(dag_ids), f"runs of {', '.join(dag_ids)} to end")
            self._pause(dag_ids, paused=True)
            time.sleep(SETTLED)
            if not self._at_work(dag_ids):
                break
            self._pause(dag_ids, paused=False)
        try:
            yield
        finally:
            self._pause(dag_ids, paused=False)

    def _pause(self, dag_ids: Iterable[str], *, paused: bool) -> None:
        for dag_id in dag_ids:
            self.call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": paused})

    def _at_work(self, dag_ids: Iterable[str]) -> bool:
        return any(run["state"] not in ENDED for dag_id in dag_ids for run in self.runs(dag_id))

    def wait_for_run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Wait until a run has ended."""
        return wait(lambda: self._ended(dag_id, run_id), f"run {run_id} of {dag_id} to end")

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Runs of a DAG, newest first."""
        return self.get(f"/dags/{dag_id}/dagRuns?order_by=-run_after&limit=50")["dag_runs"]

    def tasks(self, dag_id: str, run_id: str) -> dict[str, str]:
        """State of each task of a run."""
        found = self.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in found}

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """The text of a task's last try."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        tries = self.get(path)["try_number"]
        return json.dumps(self.get(f"{path}/logs/{tries}"))

    def events(self, dag_id: str) -> list[dict[str, Any]]:
        """Asset events that a DAG's runs made, newest first."""
        return self.get(f"/assets/events?source_dag_id={dag_id}&order_by=-timestamp&limit=50")["asset_events"]

    def _ended(self, dag_id: str, run_id: str) -> dict[str, Any] | None:
        run = self.get(f"/dags/{dag_id}/dagRuns/{run_id}")
        return run if run["state"] in ENDED else None


def wait(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Wait until something is true; its value."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.5)
    return found
