"""The Secret of connections, read by those who will read it: this package, and Airflow."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from harness.charts import CHART, case, rendered_case
from harness.checkout import CHECKOUT
from switchyard.cli.app import build_app
from switchyard.connections import Connection
from switchyard.connections.hive import hiveserver2_access, metastore_access
from switchyard.connections.postgres import read_extras as read_postgres
from switchyard.connections.redis import read_extras as read_redis
from switchyard.connections.sources import EnvironmentConnections
from switchyard.flow.files.loader import load_flows
from switchyard.serve.mongo.connection import connect, server_of_connection

IDS = {
    "powergrid_postgres": "postgres",
    "switchyard_ledger": "postgres",
    "lake_hdfs": "hdfs",
    "lake_hive": "hiveserver2",
    "lake_metastore": "hive_metastore",
    "powergrid_mongo": "mongo",
    "powergrid_redis": "redis",
    "datahub": "datahub_rest",
}


def connection(name: str, conn_id: str) -> Connection:
    """A connection of a case, as a step reads it from its environment."""
    return EnvironmentConnections(rendered_case(name).secret("connections")).get(conn_id)


@pytest.mark.parametrize("name", ["all", "existing"])
def test_every_server_has_a_connection_that_the_package_reads(name: str) -> None:
    assert {conn_id: connection(name, conn_id).conn_type for conn_id in IDS} == IDS


def test_airflow_reads_the_same_of_each() -> None:
    from airflow.models.connection import Connection as AirflowConnection

    for name in ("all", "existing"):
        for conn_id in IDS:
            ours = connection(name, conn_id)
            value = rendered_case(name).secret("connections")[f"AIRFLOW_CONN_{conn_id.upper()}"]
            theirs = AirflowConnection.from_json(value, conn_id)
            assert (theirs.host, theirs.login or "", theirs.password or "", theirs.schema or "") == (
                ours.host,
                ours.login,
                ours.password,
                ours.schema,
            )
            assert theirs.port == ours.port
            assert theirs.extra_dejson == dict(ours.extra)


def test_the_ids_are_those_that_the_shipped_flow_files_name() -> None:
    flows = CHECKOUT / "dags" / "flows"
    named = {text for path in flows.glob("*.yaml") for text in strings(yaml.safe_load(path.read_text()))}
    assert set(IDS) - {"datahub", "switchyard_ledger"} <= named


def strings(value: Any) -> set[str]:
    """Every string in a YAML tree."""
    if isinstance(value, dict):
        return set().union(*map(strings, value.values())) if value else set()
    return {value} if isinstance(value, str) else set()


def test_the_servers_of_the_release_are_named_by_their_services() -> None:
    services = {each["metadata"]["name"] for each in rendered_case("all").kind("Service")}
    for conn_id in set(IDS) - {"datahub", "powergrid_mongo"}:
        name, namespace, suffix = connection("all", conn_id).host.split(".")
        assert (namespace, suffix) == ("data", "svc")
        assert name in services
        ports = [
            port["port"] for port in rendered_case("all").get("Service", name.removeprefix("grid-"))["spec"]["ports"]
        ]
        assert connection("all", conn_id).port in ports


def test_passwords_of_the_connections_are_those_of_the_servers() -> None:
    passwords = rendered_case("all").secret("passwords")
    assert connection("all", "powergrid_postgres").password == passwords["source"] == "source-password"
    assert connection("all", "switchyard_ledger").password == passwords["ledger"]
    assert connection("all", "powergrid_mongo").password == passwords["mongodb"]
    assert connection("all", "powergrid_redis").password == passwords["redis"]
    assert connection("all", "datahub").password == "token"
    assert "catalog" not in passwords  # no server of the release has it


@pytest.mark.parametrize(("name", "members"), [("all", 1), ("production", 3)])
def test_mongodb_is_named_by_all_its_members(name: str, members: int) -> None:
    mongo = connection(name, "powergrid_mongo")
    hosts = [f"grid-mongodb-{number}.grid-mongodb.data.svc:27017" for number in range(members)]
    assert server_of_connection(mongo) == ",".join(hosts)
    with connect(mongo) as client:  # no server is asked
        assert client._topology_settings.replica_set_name == "switchyard"
    statefulset = rendered_case(name).get("StatefulSet", "mongodb")["spec"]
    environment = {each["name"]: each["value"] for each in statefulset["template"]["spec"]["containers"][0]["env"]}
    assert environment["MEMBERS"] == ",".join(hosts)
    assert environment["REPLICA_SET"] == "switchyard"
    assert statefulset["replicas"] == members


def test_extras_of_servers_that_exist_are_honoured() -> None:
    """What the values of the case say in clear: TLS, hosts, passwords with signs."""
    assert read_postgres(connection("existing", "switchyard_ledger")).libpq["sslmode"] == "verify-full"
    assert connection("existing", "switchyard_ledger").host == "pg-a.example.org,pg-b.example.org"
    assert connection("existing", "switchyard_ledger").password == "l:e/d@g"
    assert connection("existing", "powergrid_postgres").password == "s ö"
    assert connection("existing", "powergrid_mongo").password == "m%25"
    assert hiveserver2_access(connection("existing", "lake_hive")).mechanism == "LDAP"
    assert metastore_access(connection("existing", "lake_metastore")).tls
    redis = read_redis(connection("existing", "powergrid_redis"))
    assert (redis.database, redis.tls["ssl"]) == (3, True)


def test_bundled_servers_are_asked_as_they_are_configured() -> None:
    assert hiveserver2_access(connection("all", "lake_hive")).mechanism == "NOSASL"
    assert "<name>hive.server2.authentication</name><value>NOSASL</value>" in configuration("hiveserver2", "hive-site")
    assert read_redis(connection("all", "powergrid_redis")).database == 0
    hdfs = connection("all", "lake_hdfs")
    assert f"<value>hdfs://{hdfs.host}:{hdfs.port}</value>" in configuration("hadoop", "core-site")
    metastore = connection("all", "lake_metastore")
    assert f"<value>thrift://{metastore.host}:{metastore.port}</value>" in configuration("hiveserver2", "hive-site")


def configuration(config_map: str, file: str) -> str:
    return str(rendered_case("all").get("ConfigMap", config_map)["data"][f"{file}.xml"])


def test_other_ids_are_the_keys() -> None:
    keys = rendered_case("stores").secret("connections").keys()
    assert {"AIRFLOW_CONN_SIMBENCH_MONGO", "AIRFLOW_CONN_SIMBENCH_REDIS"} <= keys
    assert "AIRFLOW_CONN_POWERGRID_MONGO" not in keys


def test_a_server_that_is_left_out_has_no_connection() -> None:
    keys = rendered_case("stores").secret("connections").keys()
    assert not {"AIRFLOW_CONN_LAKE_HIVE", "AIRFLOW_CONN_POWERGRID_POSTGRES", "AIRFLOW_CONN_DATAHUB"} & keys


def test_the_flow_of_helm_test_is_a_flow_and_names_the_connections(tmp_path: Path) -> None:
    files = rendered_case("all").get("ConfigMap", "test")["data"]
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    flows, faults = load_flows(tmp_path)
    assert faults == []
    flow = flows["helm_test"]
    assert flow.source.connection == "powergrid_postgres"
    assert (flow.lake.hdfs, flow.lake.hive, flow.lake.metastore) == ("lake_hdfs", "lake_hive", "lake_metastore")
    assert flow.serve is not None
    assert flow.serve.connection == "powergrid_mongo"
    assert flow.cache is not None
    assert flow.cache.connection == "powergrid_redis"


def test_helm_test_uses_commands_that_there_are() -> None:
    """Each line of the script that calls our command line is one that it takes."""
    script = (CHART / "files" / "test.sh").read_text(encoding="utf-8")
    commands = [shlex.split(line)[1:] for line in script.splitlines() if line.startswith("switchyard ")]
    assert len(commands) == 3
    for arguments in commands:
        result = CliRunner().invoke(build_app(arguments), [*arguments, "--no-such-option"])
        assert "No such option: --no-such-option" in result.output, arguments


def test_the_fixed_passwords_are_where_their_servers_read_them() -> None:
    given = {name: value for name, value in case("all")["passwords"].items() if name != "catalog"}
    assert rendered_case("all").secret("passwords") == given
