"""What every source of connections has to do: the same id in, the same Connection or the same kind of refusal out.

The sources are the environment (both of Airflow's forms), the secrets file (both forms), what a parent hands over, and
what Airflow itself resolves and `switchyard.airflow.connections` hands over. A new source is one entry of SOURCES.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from switchyard.cli.airflow_connections import AirflowConnections, shell_connections
from switchyard.cli.options import ASK_AIRFLOW
from switchyard.connections import Connection, Connections, EnvironmentConnections, GivenConnections
from switchyard.errors import ConnectionMissing, SwitchyardError

Outcome = Connection | ConnectionMissing | str
SECRET = "p@ss/w:rd+%2F#é"
QUOTED = quote(SECRET, safe="")


@dataclass(frozen=True)
class Example:
    """One connection in both of Airflow's forms."""

    uri: str
    fields: Mapping[str, Any]
    expected: Connection


def example(uri: str, **fields: Any) -> Example:
    """The fields in JSON's form say the same as the URI; the expected Connection is written out of them."""
    known = {"host": "", "port": None, "login": "", "password": "", "schema": "", "extra": {}} | fields
    kind = {"postgresql": "postgres"}.get(known["conn_type"], known["conn_type"].replace("-", "_"))
    port = None if known["port"] is None else int(known["port"])
    return Example(uri, fields, Connection("", **{**known, "conn_type": kind, "port": port}))


NESTED = {"auth": "NOSASL", "deep": {"list": [1, None, True]}, "n": 5}
EXAMPLES = {
    "whole": example(
        f"postgres://root:{QUOTED}@db.example:5433/power%20grid?sslmode=require",
        conn_type="postgres",
        host="db.example",
        port=5433,
        login="root",
        password=SECRET,
        schema="power grid",
        extra={"sslmode": "require"},
    ),
    "host_alone": example("hdfs://namenode", conn_type="hdfs", host="namenode"),
    "port_as_text": example("redis://cache:6380", conn_type="redis", host="cache", port="6380"),
    "password_alone": example(f"redis://:{QUOTED}@cache", conn_type="redis", host="cache", password=SECRET),
    "dashes": example("hive-cli://h/default", conn_type="hive-cli", host="h", schema="default"),
    "postgresql": example("postgresql://h/d", conn_type="postgresql", host="h", schema="d"),
    "ipv6": example("hdfs://[::1]:8020", conn_type="hdfs", host="::1", port=8020),
    "nested": example(
        f"hiveserver2://h/?__extra__={quote(json.dumps(NESTED), safe='')}",
        conn_type="hiveserver2",
        host="h",
        extra=NESTED,
    ),
    "empty_extra": example("mongo://m/d?replicaSet=&tls=on", conn_type="mongo", host="m", schema="d",
                           extra={"replicaSet": "", "tls": "on"}),
    "extra_of_nothing": example("mongo://m/d?__extra__=%7B%7D", conn_type="mongo", host="m", schema="d"),
    "letters": example("postgres://%C3%BC%20ser:x@h/%C3%A9", conn_type="postgres", host="h", login="ü ser",
                       password="x", schema="é"),
}  # fmt: skip

BAD_EXTRAS = {"list": [1], "text": "sslmode", "number": 5}
UNREADABLE = {"a_port_of_letters": "postgres://u:hunter2@h:port/x", "half_a_json": '{"password": "hunter2", '}


def in_uri(name: str) -> Any:
    return EXAMPLES[name].uri


def in_fields(name: str) -> Any:
    return dict(EXAMPLES[name].fields)


def bad_in_fields(name: str) -> Any:
    return {"conn_type": "mongo", "host": "h", "password": "hunter2", "extra": BAD_EXTRAS[name]}


def bad_in_uri(name: str) -> Any:
    return f"mongo://u:hunter2@h/?__extra__={quote(json.dumps(BAD_EXTRAS[name]), safe='')}"


def entries(form: str, refused: Iterable[str] = BAD_EXTRAS) -> dict[str, Any]:
    """Every example, good and `refused`, in one form, under ids that hold the form's name."""
    good, bad = (in_uri, bad_in_uri) if form.endswith("uri") else (in_fields, bad_in_fields)
    found = {f"{name}_{form}": good(name) for name in EXAMPLES}
    return found | {f"{name}_{form}": bad(name) for name in refused}


def environment(directory: Path, refused_in_file: Iterable[str] = BAD_EXTRAS) -> dict[str, str]:
    """Variables and a secrets file that hold everything, without any other connection."""
    file = directory / "connections.json"
    file.write_text(json.dumps(entries("file_uri", refused_in_file) | entries("file_json", refused_in_file)))
    variables = {**entries("env_uri"), **entries("env_json"), **UNREADABLE}
    shown = {name: value if isinstance(value, str) else json.dumps(value) for name, value in variables.items()}
    return {
        **{f"AIRFLOW_CONN_{name.upper()}": value for name, value in shown.items()},
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(file)}),
    }


RESOLVE = """
import json, sys
from switchyard.airflow.connections import resolve
from switchyard.errors import ConnectionMissing, SwitchyardError
answers = {}
for conn_id in json.load(sys.stdin):
    try:
        answers[conn_id] = resolve([conn_id])[conn_id]
    except ConnectionMissing as error:
        answers[conn_id] = str(error)
print("answers " + json.dumps(answers))
"""


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Airflow resolves in a process of its own: the fields that are handed over, or the error's text.

    Its secrets file holds no connection that Airflow refuses: one of those hides every other one of the file (seen).
    """
    home = tmp_path_factory.mktemp("airflow")
    outer = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    forms = ("env_uri", "env_json", "file_uri", "file_json")
    ids = [conn_id for form in forms for conn_id in entries(form, [] if "file" in form else BAD_EXTRAS)]
    environ = {**outer, **environment(home, []), "AIRFLOW_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.run(
        [sys.executable, "-c", RESOLVE],
        input=json.dumps([*ids, *UNREADABLE, "nowhere"]),
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert child.returncode == 0, child.stderr[-3000:]
    answer = next(line for line in child.stdout.splitlines() if line.startswith("answers "))
    answers: dict[str, Any] = json.loads(answer.removeprefix("answers "))
    return answers


def look_up(connections: Connections, conn_id: str) -> Outcome:
    try:
        return connections.get(conn_id)
    except ConnectionMissing as error:
        return error


def from_airflow(answers: Mapping[str, Any], conn_id: str) -> Outcome:
    answer = answers[conn_id]
    return answer if isinstance(answer, str) else GivenConnections({conn_id: answer}).get(conn_id)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowConnections]:
    """A shell that lets Airflow look up, with the same in Airflow's environment and secrets file."""
    home = tmp_path_factory.mktemp("airflow_of_a_shell")
    outer = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    ours = {**outer, **environment(home, []), "AIRFLOW_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - set(ours):
            patch.delenv(name)
        for name, value in ours.items():
            patch.setenv(name, value)
        connections = AirflowConnections()
        connections.get("whole_env_uri")  # the child is started, with these variables
    yield connections


Source = Callable[[str], Outcome]
SOURCES = {
    "environment, URI": "env_uri",
    "environment, JSON": "env_json",
    "secrets file, URI": "file_uri",
    "secrets file, fields": "file_json",
    "given": "given_json",
    "a shell's Airflow, environment, URI": "env_uri",
    "a shell's Airflow, secrets file, fields": "file_json",
    "Airflow's environment, URI": "env_uri",
    "Airflow's environment, JSON": "env_json",
    "Airflow's secrets file, URI": "file_uri",
    "Airflow's secrets file, fields": "file_json",
}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    name = request.param
    if name.startswith("Airflow"):
        answers = request.getfixturevalue("resolved")
        return lambda conn_id: from_airflow(answers, conn_id)
    if name.startswith("a shell's Airflow"):
        connections = request.getfixturevalue("asked")
        return lambda conn_id: look_up(connections, conn_id)
    if name == "given":
        given = GivenConnections(entries("given_json"))
        return lambda conn_id: look_up(given, conn_id)
    environ = EnvironmentConnections(environment(tmp_path))
    return lambda conn_id: look_up(environ, conn_id)


@pytest.fixture
def form(request: pytest.FixtureRequest, source: Source) -> str:
    """How the source writes its connections, the end of its ids."""
    return SOURCES[request.node.callspec.params["source"]]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_same_connection_comes_out(source: Source, form: str, name: str) -> None:
    conn_id = f"{name}_{form}"
    assert source(conn_id) == replace(EXAMPLES[name].expected, conn_id=conn_id)


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_comes_out_survives_being_handed_over(source: Source, form: str, name: str) -> None:
    connection = source(f"{name}_{form}")
    assert isinstance(connection, Connection)
    piped = json.loads(json.dumps({connection.conn_id: connection.fields()}))
    assert GivenConnections(piped).get(connection.conn_id) == connection


def test_a_connection_that_is_missing_is_named_with_what_to_do(source: Source) -> None:
    text = str(source("nowhere"))
    assert text.startswith("connection nowhere: ")
    assert "airflow connections add nowhere --conn-uri" in text or "→ set AIRFLOW_CONN_NOWHERE" in text
    assert "AIRFLOW_CONN_NOWHERE" in text


@pytest.mark.parametrize(
    "source", [name for name in SOURCES if not name.startswith(("Airflow's secrets", "a shell's"))], indirect=True
)
@pytest.mark.parametrize("name", BAD_EXTRAS)
def test_an_extra_that_is_no_object_is_refused_and_not_shown(source: Source, form: str, name: str) -> None:
    text = str(source(f"{name}_{form}"))
    assert text.startswith(f"connection {name}_{form}: its extra is a")
    assert "hunter2" not in text
    assert str(BAD_EXTRAS[name]) not in text.split("\n")[0].removeprefix(f"connection {name}_{form}")


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("reader", ["shell", "Airflow"])
def test_a_connection_that_cannot_be_read_is_named_and_not_shown(
    reader: str, name: str, tmp_path: Path, resolved: dict[str, Any]
) -> None:
    """Airflow says of it that it is not there."""
    shell = look_up(EnvironmentConnections(environment(tmp_path)), name)
    text = str(shell if reader == "shell" else resolved[name])
    assert text.startswith(f"connection {name}: ")
    assert ("correct its value" if reader == "shell" else f"airflow connections add {name}") in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("environ", "source"),
    [
        ({}, EnvironmentConnections),
        (
            {"AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend"},
            EnvironmentConnections,
        ),
        ({"AIRFLOW__SECRETS__BACKEND": "airflow.providers.hashicorp.secrets.vault.VaultBackend"}, AirflowConnections),
        ({ASK_AIRFLOW: "1"}, AirflowConnections),
        ({ASK_AIRFLOW: "true"}, AirflowConnections),
        ({ASK_AIRFLOW: "0"}, EnvironmentConnections),
        ({ASK_AIRFLOW: "no"}, EnvironmentConnections),
        ({ASK_AIRFLOW: ""}, EnvironmentConnections),
    ],
)
def test_a_shell_uses_what_a_task_uses(environ: Mapping[str, str], source: type) -> None:
    assert type(shell_connections(environ)) is source


def test_a_place_of_airflows_that_fails_is_named(asked: AirflowConnections) -> None:
    """Its database was never made, and an extra is not an object; no value is shown."""
    for conn_id, backend in [("nowhere", "MetastoreBackend"), ("number_env_uri", "EnvironmentVariablesBackend")]:
        text = str(look_up(asked, conn_id))
        assert f"{backend} failed with" in text
        assert "hunter2" not in text


def test_an_airflow_that_does_not_run_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "nonsense://")
    with pytest.raises(SwitchyardError, match="Airflow could not look up connections") as caught:
        AirflowConnections().get("any")
    assert "airflow connections list" in caught.value.cure
