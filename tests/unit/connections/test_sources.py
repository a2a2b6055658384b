"""Airflow connections without Airflow: the same places, the same forms, no secret shown."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from switchyard.connections import CallConnections, Connection, EnvironmentConnections, GivenConnections
from switchyard.errors import ConnectionMissing, ConnectionNotHanded

URI = "postgres://root:p%40ss%2Fw%3Ard@db.example:5433/power%20grid?sslmode=require"


def test_the_uri_form_is_decoded() -> None:
    connection = Connection.from_uri("pg", URI)
    assert (connection.conn_type, connection.address) == ("postgres", "db.example:5433")
    assert (connection.login, connection.password) == ("root", "p@ss/w:rd")
    assert (connection.schema, connection.extra) == ("power grid", {"sslmode": "require"})


def test_nested_extra_of_a_uri() -> None:
    assert Connection.from_uri("x", "hive-cli://h/?__extra__=%7B%22auth%22%3A+%22NOSASL%22%7D").extra == {
        "auth": "NOSASL"
    }
    assert Connection.from_uri("x", "hive-cli://h").conn_type == "hive_cli"


def test_both_forms_say_the_same() -> None:
    fields = Connection.from_uri("pg", URI).fields()
    assert Connection.from_fields("pg", fields) == Connection.from_uri("pg", URI)
    assert Connection.from_fields("pg", {**fields, "extra": json.dumps(fields["extra"])}).extra == fields["extra"]


def test_a_url_of_another_scheme_is_quoted() -> None:
    assert Connection.from_uri("pg", URI).url("postgresql", 5432) == (
        "postgresql://root:p%40ss%2Fw%3Ard@db.example:5433/power%20grid"
    )
    assert Connection("h", "hdfs", host="nn").url("hdfs", 8020) == "hdfs://nn:8020/"


def test_secrets_are_not_shown() -> None:
    connection = Connection.from_uri("pg", URI)
    handed = GivenConnections({"pg": connection.fields()})
    environment = EnvironmentConnections({"AIRFLOW_CONN_PG": URI})
    for shown in (repr(connection), str(connection), repr(handed), repr(environment), repr(environment.get("pg"))):
        assert "p@ss" not in shown
        assert "p%40ss" not in shown
        assert "require" not in shown


def test_the_secrets_file_comes_before_the_environment_as_in_airflow(tmp_path: Path) -> None:
    file = tmp_path / "connections.json"
    file.write_text(json.dumps({"pg": URI, "mongo": {"conn_type": "mongo", "host": "m", "port": 27017}}))
    environment = {
        "AIRFLOW_CONN_PG": '{"conn_type": "postgres", "host": "second"}',
        "AIRFLOW_CONN_ONLY": '{"conn_type": "postgres", "host": "here"}',
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(file)}),
    }
    connections = EnvironmentConnections(environment)
    assert connections.get("pg").host != "second"
    assert connections.get("only").host == "here"
    assert connections.get("mongo").address == "m:27017"
    with pytest.raises(ConnectionMissing):
        connections.get("redis")


def test_a_step_asks_its_task_for_the_connection_of_a_load_that_it_recovers() -> None:
    given = GivenConnections({"pg": {"conn_type": "postgres", "host": "h"}})
    assert CallConnections(given).get("pg").host == "h"
    with pytest.raises(ConnectionNotHanded, match="planned with this connection") as asked:
        CallConnections(given).get("old_mongo")
    assert asked.value.conn_id == "old_mongo"
    with pytest.raises(ConnectionMissing):
        CallConnections(given, frozenset({"old_mongo"})).get("old_mongo")


@pytest.mark.parametrize(
    ("connections", "cure"),
    [
        (EnvironmentConnections({}), "set AIRFLOW_CONN_LAKE_HIVE"),
        (GivenConnections({}), "airflow connections add lake_hive"),
    ],
)
def test_a_missing_connection_says_how_to_add_it_where_it_is_looked_up(
    connections: EnvironmentConnections | GivenConnections, cure: str
) -> None:
    with pytest.raises(ConnectionMissing, match=cure) as caught:
        connections.get("lake_hive")
    assert "AIRFLOW_CONN_LAKE_HIVE" in str(caught.value)
    assert isinstance(connections, GivenConnections) or "airflow connections add" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["postgres://u:hunter2@h:port/x", '{"password": "hunter2", ', "postgres://u:hunter2@[::1"]
)
def test_a_connection_that_cannot_be_read_is_named_and_not_shown(text: str) -> None:
    with pytest.raises(ConnectionMissing, match="pg") as caught:
        EnvironmentConnections({"AIRFLOW_CONN_PG": text}).get("pg")
    assert "hunter2" not in str(caught.value)
    assert "correct its value" in caught.value.cure
    assert caught.value.__cause__ is None


NO_OBJECT = ["[]", "[1]", "5", "1.5", "true", '"sslmode"', "not JSON", '{"a": ']
TYPES = ["postgres", "mongo", "redis", "hdfs", "hiveserver2", "hive_metastore", "datahub-rest"]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("extra", NO_OBJECT)
def test_an_extra_that_is_no_object_is_one_sentence(kind: str, extra: str) -> None:
    fields = {"conn_type": kind, "host": "h", "password": "hunter2", "extra": extra}
    sources = [GivenConnections({"pg": fields}), EnvironmentConnections({"AIRFLOW_CONN_PG": json.dumps(fields)})]
    if extra not in ("not JSON", '{"a": '):
        parsed = {**fields, "extra": json.loads(extra)}
        sources.append(EnvironmentConnections({"AIRFLOW_CONN_PG": json.dumps(parsed)}))
    sources.append(EnvironmentConnections({"AIRFLOW_CONN_PG": f"{kind}://h/?__extra__={quote(extra, safe='')}"}))
    for connections in sources:
        with pytest.raises(ConnectionMissing, match=r"connection pg: its extra is") as caught:
            connections.get("pg")
        assert "hunter2" not in str(caught.value)
        assert extra not in caught.value.what


@pytest.mark.parametrize("extra", [None, "", "  ", "null", "{}", {}])
def test_an_extra_that_says_nothing_is_empty(extra: object) -> None:
    fields = {"conn_type": "redis", "host": "h", "extra": extra}
    assert GivenConnections({"r": fields}).get("r").extra == {}
    assert EnvironmentConnections({"AIRFLOW_CONN_R": json.dumps(fields)}).get("r").extra == {}


def test_an_address_of_ipv6_is_in_brackets() -> None:
    connection = Connection("h", "hdfs", host="::1", port=8020)
    assert (connection.address, connection.url("hdfs", 8020)) == ("[::1]:8020", "hdfs://[::1]:8020/")
