"""Airflow's own servers run the shipped flow `telemetry`: triggered through the REST API as by the UI's button."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.checkout import CHECKOUT
from harness.outside.airflow_api import ENDED, Airflow, wait
from harness.servers import Servers
from switchyard.connections import EnvironmentConnections
from switchyard.errors import LedgerStateError, LoadInProgress
from switchyard.flow.files.loader import load_flow
from switchyard.flow.naming import Leg
from switchyard.handover import DagRun
from switchyard.ledger.drivers import AirflowLoadUnfinished, Driver
from switchyard.legs.ingest import leg as ingest_leg
from switchyard.legs.runtime import Runtime
from switchyard.legs.steps import run_leg
from switchyard.serve.cache.reader import ReadThroughCache

FLOWS = CHECKOUT / "dags" / "flows"
INGEST, SERVE = "ingest__telemetry", "serve__telemetry"
INGEST_STEPS = ["preflight", "plan", "land_and_prove.land", "land_and_prove.convert", "land_and_prove.prove"]


@pytest.fixture(scope="module")
def airflow(servers: Servers) -> Airflow:
    """Airflow's API; it fails, and does not skip, when Airflow's servers are not up."""
    try:
        found = Airflow()
        wait(lambda: {INGEST, SERVE} <= {dag["dag_id"] for dag in found.get("/dags")["dags"]}, "the DAGs to be parsed")
    except OSError as error:
        pytest.fail(f"Airflow does not answer ({error}): switchyard stack up --airflow", pytrace=False)
    for dag_id in (INGEST, SERVE):
        found.call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})
    return found


@pytest.fixture(scope="module")
def telemetry(servers: Servers, airflow: Airflow, telemetry_alone: None) -> Iterator[Servers]:
    """Rows of the tests' own in public.telemetry; taken away again, on every hop."""
    servers.postgres("delete from public.telemetry where id >= 9000")
    servers.postgres("insert into public.telemetry (id, name, wattage) values (9001, 'T1', 1), (9002, 'T2', 2)")
    run_here()
    yield servers
    servers.postgres("delete from public.telemetry where id >= 9000")
    run_here()


def run_here() -> None:
    """Both legs, without Airflow: it takes a minute and more for the two runs, most of it its own."""
    runtime = Runtime(EnvironmentConnections(), "test")
    for leg in ("ingest", "serve"):
        wait(lambda leg=leg: _is_run(runtime, leg), f"the {leg} leg to be free of the flow's own schedule")


def _is_run(runtime: Runtime, leg: Leg) -> bool:
    try:
        list(run_leg(runtime, leg, load_flow(FLOWS / "telemetry.yaml")))
    except (LoadInProgress, LedgerStateError):
        return False
    return True


def run_both(airflow: Airflow) -> tuple[str, str]:
    """Trigger the ingest leg, and wait for the serve leg that its asset wakes; both runs' ids."""
    before = {run["dag_run_id"] for run in airflow.runs(SERVE)}
    ingested = airflow.trigger(INGEST)
    assert airflow.wait_for_run(INGEST, ingested)["state"] == "success", airflow.tasks(INGEST, ingested)
    served = wait(lambda: [run for run in airflow.runs(SERVE) if run["dag_run_id"] not in before], "the asset's run")
    assert served[0]["run_type"] == "asset_triggered"
    assert airflow.wait_for_run(SERVE, served[0]["dag_run_id"])["state"] == "success"
    return ingested, served[0]["dag_run_id"]


def numbers(servers: Servers) -> list[tuple[int, str, Any]]:
    return [(d["_id"], d["name"], d["wattage"]) for d in servers.mongo["telemetry"].find({}).sort("_id", 1)]


def cache() -> ReadThroughCache:
    return ReadThroughCache.from_flow(load_flow(FLOWS / "telemetry.yaml"), EnvironmentConnections())


def test_there_are_no_import_errors(airflow: Airflow) -> None:
    assert airflow.get("/importErrors")["import_errors"] == []
    done = subprocess.run(
        [str(Path(sys.executable).with_name("airflow")), "dags", "list-import-errors"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "No data found" in done.stdout


def test_a_trigger_by_hand_runs_both_legs(airflow: Airflow, telemetry: Servers) -> None:
    """Acceptance 4, in Airflow: changed values and deleted rows leave Redis and MongoDB, the others are hits."""
    source = "select id, name, wattage from public.telemetry order by id"
    assert numbers(telemetry) == telemetry.postgres(source)
    reader = cache()
    for _ in range(2):
        assert [reader.get(key)["wattage"] for key in (9001, 9002, 1)] == [1, 2, 75000]
    telemetry.postgres("update public.telemetry set wattage = 11 where id = 9001")
    telemetry.postgres("delete from public.telemetry where id = 9002")

    ingested, served = run_both(airflow)
    assert numbers(telemetry) == telemetry.postgres(source)
    assert telemetry.hive("select id, name, wattage from telemetry_db.telemetry order by id") == numbers(telemetry)
    before = reader.counters()
    assert reader.get(1)["wattage"] == 75000
    assert reader.counters().hits == before.hits + 1
    assert (reader.get(9001)["wattage"], reader.get(9002)) == (11, None)
    assert airflow.tasks(INGEST, ingested) == dict.fromkeys([*INGEST_STEPS, "publish", "tidy"], "success")
    steps = ["plan", "stage_and_prove.stage", "publish", "refresh_cache", "tidy"]
    assert airflow.tasks(SERVE, served) == dict.fromkeys(steps, "success")


def test_the_event_tells_people_what_was_published(airflow: Airflow, telemetry: Servers) -> None:
    event = airflow.events(INGEST)[0]
    rows = telemetry.hive("select count(*) from telemetry_db.telemetry")[0][0]
    assert event["extra"].keys() >= {"load_id", "seq", "rows", "bytes"}
    assert event["extra"]["rows"] == rows
    assert event["extra"]["bytes"] > 0
    with Runtime(EnvironmentConnections(), "test").ledger() as ledger:
        assert ledger.get(event["extra"]["load_id"]).state == "published"


def test_the_event_of_the_collection_says_what_was_served(airflow: Airflow, telemetry: Servers) -> None:
    """Others can wait for MongoDB: load, both seqs, documents and how many keys changed."""
    telemetry.postgres("update public.telemetry set wattage = wattage + 1 where id = 9001")
    run_both(airflow)
    event = airflow.events(SERVE)[0]
    assert event["uri"] == "x-mongodb://powergrid_mongo/telemetry"
    assert event["extra"].keys() >= {"load_id", "serve_seq", "lake_seq", "documents", "changed_keys"}
    assert event["extra"]["documents"] == telemetry.mongo["telemetry"].count_documents({})
    assert event["extra"]["changed_keys"] == {"inserted": 0, "updated": 1, "deleted": 0, "complete": True}
    with Runtime(EnvironmentConnections(), "test").ledger() as ledger:
        load = ledger.get(event["extra"]["load_id"])
    assert (load.state, load.seq, load.version) == ("served", event["extra"]["serve_seq"], event["extra"]["lake_seq"])


def test_what_a_shell_served_is_announced_by_the_next_run_and_once(airflow: Airflow, telemetry: Servers) -> None:
    telemetry.postgres("update public.telemetry set wattage = wattage + 1 where id = 9001")
    run_here()
    with Runtime(EnvironmentConnections(), "test").ledger() as ledger:
        served = ledger.last_finished("telemetry", "serve")
    assert served is not None
    for plan in ("success", "skipped"):
        run = airflow.trigger(SERVE)
        assert airflow.wait_for_run(SERVE, run)["state"] == "success"
        tasks = airflow.tasks(SERVE, run)
        assert tasks.pop("plan") == plan
        assert set(tasks.values()) == {"skipped"}
    announced = [event for event in airflow.events(SERVE) if event["extra"].get("load_id") == served.load_id]
    assert [event["extra"]["documents"] for event in announced] == [len(numbers(telemetry))]


def test_a_key_of_the_conf_that_is_no_param_is_refused(airflow: Airflow, telemetry: Servers) -> None:
    """Airflow takes any key: a misspelt `plan` would be a load."""
    before = airflow.events(INGEST)
    run = airflow.trigger(INGEST, plann=True)
    assert airflow.wait_for_run(INGEST, run)["state"] == "failed"
    assert airflow.tasks(INGEST, run)["preflight"] == "failed"
    log = airflow.log(INGEST, run, "preflight")
    assert "unknown key `plann`, did you mean `plan`?" in log
    assert airflow.events(INGEST) == before


def test_a_plan_changes_nothing_and_wakes_nobody(airflow: Airflow, telemetry: Servers) -> None:
    def state() -> Any:
        with Runtime(EnvironmentConnections(), "test").ledger() as ledger:
            loads = [(load.load_id, load.state) for load in ledger.list_loads("telemetry")]
        return loads, airflow.events(INGEST), [run["dag_run_id"] for run in airflow.runs(SERVE)]

    telemetry.postgres("insert into public.telemetry (id, name, wattage) values (9003, 'T3', 3)")
    before = state()
    planned = airflow.trigger(INGEST, plan=True)
    assert airflow.wait_for_run(INGEST, planned)["state"] == "success"
    tasks = airflow.tasks(INGEST, planned)
    assert (tasks["preflight"], tasks["plan"], tasks["publish"]) == ("success", "skipped", "skipped")
    rows = telemetry.postgres("select count(*) from public.telemetry")[0][0]
    log = " ".join(airflow.log(INGEST, planned, "plan").split())
    assert f"source rows {rows}" in log
    assert "source rows are exact" in log
    assert state() == before


def test_what_an_ended_run_left_is_taken_over_and_only_airflow_knows(airflow: Airflow, telemetry: Servers) -> None:
    ended = next(run["dag_run_id"] for run in airflow.runs(INGEST) if run["state"] in ENDED)
    flow, connections = load_flow(FLOWS / "telemetry.yaml"), EnvironmentConnections()
    theirs = Driver(DagRun(INGEST, ended), take_over=frozenset("*"))
    left = ingest_leg.plan(Runtime(connections, f"Airflow run {ended}", driver=theirs), flow)
    with pytest.raises(AirflowLoadUnfinished, match=re.escape(ended)):
        list(run_leg(Runtime(connections, "test"), "ingest", flow))
    run, _ = run_both(airflow)
    assert "That run is over: its load is taken over" in airflow.log(INGEST, run, "plan")
    with Runtime(connections, "test").ledger() as ledger:
        assert ledger.get(left.load_id).state == "abandoned"


def test_params_are_checked(airflow: Airflow) -> None:
    with pytest.raises(AssertionError, match=r"400.*plan"):
        airflow.trigger(INGEST, plan="perhaps")


def test_a_failed_task_says_what_where_and_what_next(airflow: Airflow, telemetry: Servers) -> None:
    """A source that cannot be carried fails the preflight, at once and for good; the old version stays."""
    before = numbers(telemetry)
    telemetry.postgres("alter table public.telemetry add x interval")
    try:
        run = airflow.trigger(INGEST)
        assert airflow.wait_for_run(INGEST, run)["state"] == "failed"
    finally:
        telemetry.postgres("alter table public.telemetry drop x")
    tasks = airflow.tasks(INGEST, run)
    assert (tasks["preflight"], tasks["plan"]) == ("failed", "upstream_failed")
    log = airflow.log(INGEST, run, "preflight")
    assert "connection powergrid_postgres" in log
    assert "column 'x' is interval" in log
    assert "as: string" in log
    tries = airflow.get(f"/dags/{INGEST}/dagRuns/{run}/taskInstances/preflight")["try_number"]
    assert tries == 1, "what would fail again in the same way is not retried"
    assert numbers(telemetry) == before


def test_a_shell_uses_a_connection_that_only_airflows_database_has(servers: Servers, tmp_path: Path) -> None:
    conn_id = "only_in_airflows_database"
    programs = Path(sys.executable).parent
    source = EnvironmentConnections().get("powergrid_postgres")
    stored = tmp_path / "connections.json"
    stored.write_text(json.dumps({conn_id: {**source.fields(), "extra": json.dumps(dict(source.extra))}}))
    for name in ("defaults.yaml", "telemetry.yaml"):
        (tmp_path / name).write_text((FLOWS / name).read_text().replace("powergrid_postgres", conn_id))
    look = ["preflight", "telemetry", "--flows", tmp_path]
    subprocess.run([programs / "airflow", "connections", "import", stored, "--overwrite"], check=True)
    try:
        alone = subprocess.run([programs / "switchyard", *look], capture_output=True, text=True)
        asked = subprocess.run(
            [programs / "switchyard", "--airflow-connections", *look], capture_output=True, text=True
        )
    finally:
        subprocess.run([programs / "airflow", "connections", "delete", conn_id], check=True)
    assert alone.returncode == 1
    assert f"connection {conn_id}" in alone.stderr
    assert "switchyard --airflow-connections" in alone.stderr
    assert asked.returncode == 0, asked.stderr
    assert source.password not in asked.stdout + asked.stderr
