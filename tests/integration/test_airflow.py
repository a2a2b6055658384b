"""Airflow's own servers: a trigger through the API that the UI uses runs both legs, the second by the asset."""

from __future__ import annotations

import json
import os
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import Servers

FINISHED = ("success", "failed")
PATIENCE_SECONDS = 300


class Api:
    """Airflow's REST API, as the UI calls it."""

    def __init__(self, url: str) -> None:
        self.url = url
        passwords = json.loads((Path(os.environ["AIRFLOW_HOME"]) / "passwords.json").read_text())
        self.token = ""
        login = {"username": "admin", "password": passwords["admin"]}
        self.token = self.call("POST", "/auth/token", login)["access_token"]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Content-Type", "application/json")
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def trigger(self, dag_id: str, **conf: Any) -> str:
        run_id = f"by-hand-{uuid.uuid4().hex[:8]}"
        self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None, "conf": conf})
        return run_id

    def runs(self, dag_id: str) -> dict[str, dict[str, Any]]:
        found = self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns?limit=100&order_by=-run_after")["dag_runs"]
        return {run["dag_run_id"]: run for run in found}

    def wait(self, dag_id: str, run_id: str) -> str:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            state = self.runs(dag_id)[run_id]["state"]
            if state in FINISHED:
                return str(state)
            time.sleep(1)
        raise AssertionError(f"{dag_id} {run_id} is still {state} after {PATIENCE_SECONDS} s")

    def tasks(self, dag_id: str, run_id: str) -> dict[str, str]:
        found = self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in found}

    def asset_events(self) -> int:
        return int(self.call("GET", "/api/v2/assets/events?source_dag_id=ingest__telemetry&limit=1")["total_entries"])


@pytest.fixture(scope="module")
def api(servers: Servers) -> Iterator[Api]:
    made = Api(os.environ["AIRFLOW_URL"])
    for dag_id in ("ingest__telemetry", "serve__telemetry"):
        made.call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})
    yield made


@pytest.fixture(autouse=True)
def _as_it_was(servers: Servers) -> Iterator[None]:
    """The demo's four rows, whatever a test did to them."""
    yield
    servers.postgres("delete from public.telemetry where id > 4")
    servers.postgres("update public.telemetry set wattage = 75000 where id = 1")


def test_a_trigger_by_hand_runs_both_legs_and_readers_follow(api: Api, servers: Servers) -> None:
    from switchyard.connections import EnvironmentConnections
    from switchyard.flow.loader import load_flows
    from switchyard.serve.cache import ReadThroughCache

    flow = load_flows(Path(__file__).parents[2] / "dags" / "flows")[0]["telemetry"]
    reader = ReadThroughCache.from_flow(flow, EnvironmentConnections())
    servers.postgres("insert into public.telemetry (id, name, wattage) values (5, 'Node5', 1)")
    _run_both(api)
    assert {key: (reader.get(key) or {}).get("wattage") for key in (1, 2, 5)} == {1: 75000, 2: 65000, 5: 1}
    servers.postgres("update public.telemetry set wattage = 76000 where id = 1")
    servers.postgres("delete from public.telemetry where id = 5")
    _run_both(api)
    hits = reader.counters().hits
    assert (reader.get(2) or {})["wattage"] == 65000
    assert reader.counters().hits == hits + 1, "a value that did not change is still served from the cache"
    assert (reader.get(1) or {})["wattage"] == 76000
    assert reader.get(5) is None


def test_a_dry_run_changes_nothing_and_wakes_nobody(api: Api, servers: Servers) -> None:
    events = api.asset_events()
    run_id = api.trigger("ingest__telemetry", plan=True)
    assert api.wait("ingest__telemetry", run_id) == "success"
    states = api.tasks("ingest__telemetry", run_id)
    assert states.pop("preflight") == "success"
    assert set(states.values()) == {"skipped"}
    assert api.asset_events() == events


def test_no_dag_file_has_an_import_error(api: Api) -> None:
    assert api.call("GET", "/api/v2/importErrors")["import_errors"] == []


def _run_both(api: Api) -> None:
    before = set(api.runs("serve__telemetry"))
    assert api.wait("ingest__telemetry", api.trigger("ingest__telemetry")) == "success"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (new := set(api.runs("serve__telemetry")) - before):
        assert time.monotonic() < deadline, "the asset woke no run of serve__telemetry"
        time.sleep(1)
    assert [api.wait("serve__telemetry", run_id) for run_id in new] == ["success"] * len(new)
