"""A DAG that a person triggers reaches all its servers by TLS, verified; with another CA it loads nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.checkout import CHECKOUT
from harness.outside.airflow_api import Airflow, wait
from harness.outside.certificates import Authority
from harness.outside.grounds import CACHE, MONGO, SOURCE, FlowUnderTest, Grounds
from harness.outside.tls_estate import HIVE, METASTORE, TlsEstate, open_tls_estate
from harness.outside.tls_postgres import TlsPostgres, open_tls_postgres
from harness.outside.wiretap import Wiretap

pytestmark = [pytest.mark.kin, pytest.mark.outage]  # it starts the stack's Airflow again
CANARY = "canary-in-a-coal-mine"
DATABASE, PASSWORD = "source", "of the readers"
OWN_CONNECTIONS = Path(os.environ.get("SWITCHYARD_STATE", ".")) / "own-connections.json"
SECRETS = "AIRFLOW__SECRETS__BACKEND_KWARGS"


@dataclass(frozen=True)
class Deployment:
    """A flow whose file lies among the shipped ones, and whose connections are a newcomer's own on the stack."""

    flow: FlowUnderTest
    connections: Mapping[str, Mapping[str, Any]]
    source: TlsPostgres
    estate: TlsEstate
    airflow: Airflow

    def switchyard(self, *arguments: str) -> Any:
        """Run `switchyard …` with the connections that the stack's tasks have."""
        return self.flow.run(*arguments, **{SECRETS: os.environ[SECRETS]})

    def run_dag(self, leg: str) -> tuple[str, dict[str, str]]:
        """Trigger a leg's DAG, and wait for its end; returns the run's id and the state of each task."""
        dag_id = f"{leg}__{self.flow.name}"
        run = self.airflow.trigger(dag_id)
        self.airflow.wait_for_run(dag_id, run)
        return run, self.airflow.tasks(dag_id, run)


def start_stack() -> None:
    """As `make up`: lays OWN_CONNECTIONS over the stack's, and starts Airflow if it is not up."""
    command = [str(Path(sys.executable).with_name("switchyard")), "stack", "up", "--airflow"]
    subprocess.run(command, check=True, capture_output=True, timeout=400)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsPostgres]:
    with open_tls_postgres(tmp_path_factory.mktemp("certificates")) as server:
        server.run(
            f"create role reader login password '{PASSWORD}' in role pg_read_all_data", f"create database {DATABASE}"
        )
        server.run("create table t (id text primary key, v text)", database=DATABASE)
        server.run(f"insert into t values ('{CANARY}', '{CANARY}'), ('b', 'b')", database=DATABASE)
        yield server


@pytest.fixture(scope="module")
def deployment(grounds: Grounds, source: TlsPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    make = tmp_path_factory.mktemp
    before = OWN_CONNECTIONS.read_text() if OWN_CONNECTIONS.exists() else None
    flow = grounds.flow("tls_dag", serve={}, cache={"warm": 10})
    flow_file = CHECKOUT / "dags" / "flows" / f"{flow.name}.yaml"
    with open_tls_estate(make, Authority(make("authority"), "ca")) as estate:
        ids = {like: f"{flow.name}_{like}" for like in (SOURCE, HIVE, METASTORE, MONGO, CACHE)}
        own = {ids[like]: {**grounds.connections[like], **estate.fields(like)} for like in estate.servers}
        own[ids[SOURCE]] = {
            **grounds.connections[SOURCE],
            **{"host": "localhost", "port": source.port, "schema": DATABASE, "login": "reader", "password": PASSWORD},
            "extra": {"sslmode": "verify-full", "sslrootcert": str(source.authority.file)},
        }
        for conn_id, fields in own.items():
            grounds.connections[conn_id] = fields
        flow.change(
            source={"connection": ids[SOURCE], "table": "public.t"},
            lake={"hive": ids[HIVE], "metastore": ids[METASTORE]},
            serve={"connection": ids[MONGO]},
            cache={"connection": ids[CACHE]},
            checks=[{"accepted_values": {"column": "v", "values": [CANARY, "b", "c"]}}],
        )
        try:
            OWN_CONNECTIONS.write_text(json.dumps({**json.loads(before or "{}"), **own}))
            flow_file.write_text(yaml.safe_dump(flow.spec))
            start_stack()
            yield Deployment(flow, own, source, estate, open_airflow(flow.name))
        finally:
            flow_file.unlink(missing_ok=True)
            if before is None:
                OWN_CONNECTIONS.unlink(missing_ok=True)
            else:
                OWN_CONNECTIONS.write_text(before)
            start_stack()


def open_airflow(flow: str) -> Airflow:
    """Airflow's API, once it knows both DAGs of the flow."""
    airflow = Airflow()
    wanted = {f"ingest__{flow}", f"serve__{flow}"}
    wait(lambda: wanted <= {dag["dag_id"] for dag in airflow.get("/dags?limit=1000")["dags"]}, "the DAGs to be parsed")
    for dag_id in wanted:
        airflow.call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})
    return airflow


def test_no_value_passes_in_clear_and_every_server_is_verified(deployment: Deployment) -> None:
    """Ingest by the button, serve by the asset's event; the shell compares both ends through the same connections."""
    flow, airflow = deployment.flow, deployment.airflow
    serve = f"serve__{flow.name}"
    plain = int(deployment.flow.grounds.connections["switchyard_ledger"]["port"])
    ports = [deployment.source.port, *(server.port for server in deployment.estate.servers.values())]
    with Wiretap([*ports, plain]) as wiretap:
        run, tasks = deployment.run_dag("ingest")
        assert set(tasks.values()) == {"success"}, (tasks, airflow.log(f"ingest__{flow.name}", run, "preflight"))
        served = wait(lambda: airflow.runs(serve), "the asset's run")[0]["dag_run_id"]
        assert airflow.wait_for_run(serve, served)["state"] == "success", airflow.tasks(serve, served)
    assert wiretap.carried(plain, b"select"), "the wiretap hears nothing"
    assert [port for port in ports if wiretap.carried(port, CANARY.encode())] == []
    assert all(wiretap.payloads[port] for port in ports), "each server was used"
    deployment.switchyard("diff", flow.name, "--mode", "values").require_success()
    assert flow.ids() == ["b", CANARY]


@pytest.mark.parametrize("like", [SOURCE, HIVE, METASTORE])
def test_with_another_ca_the_dag_loads_nothing_and_names_the_connection(
    deployment: Deployment, tmp_path: Path, like: str
) -> None:
    flow, airflow = deployment.flow, deployment.airflow
    before = flow.ids()
    deployment.source.run("insert into t values ('c', 'c') on conflict do nothing", database=DATABASE)
    conn_id = f"{flow.name}_{like}"
    fields = deployment.connections[conn_id]
    ca = {SOURCE: "sslrootcert"}.get(like, "ca_cert")
    another = {**fields, "extra": {**fields["extra"], ca: str(Authority(tmp_path, "another").file)}}
    everything = json.loads(OWN_CONNECTIONS.read_text())
    OWN_CONNECTIONS.write_text(json.dumps({**everything, conn_id: another}))
    try:
        start_stack()
        run, tasks = deployment.run_dag("ingest")
    finally:
        OWN_CONNECTIONS.write_text(json.dumps(everything))
        start_stack()
    failed = next(task for task, state in tasks.items() if state == "failed")
    assert tasks["publish"] == "upstream_failed"
    log = airflow.log(f"ingest__{flow.name}", run, failed)
    assert "certificate" in log
    assert conn_id in log
    assert flow.ids() == before
