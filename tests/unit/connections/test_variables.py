"""Environment variables are read in one way: an empty one is not set, a switch is on or off, nonsense is refused."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from harness.checkout import CHECKOUT
from switchyard.connections import EnvironmentConnections, ledger_connection_id
from switchyard.connections.variables import OFF, ON, read_switch, read_variable
from switchyard.errors import ConnectionMissing, StepFailed, SwitchyardError
from switchyard.extract.sqoop import sqoop_command
from switchyard.legs.runtime import Runtime

BACKEND = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
PACKAGE = CHECKOUT / "include/switchyard"
READERS = {
    "connections/variables.py": "the one that reads",
    "connections/sources.py": "connections, whose names are not known beforehand",
    "catalog/sync.py": "hands variables on to a child",
    "extract/sqoop.py": "hands all on to a child, with its JAVA_TOOL_OPTIONS extended",
    "cli/app.py": "sets a switch for the commands; whether click completes a word",
    "cli/airflow_connections.py": "hands all on",
    "cli/docs.py": "sets one for Airflow",
    "lake/hdfs.py": "sets one for libhdfs",
    "catalog/ingestion/landing_source.py": "sets one for libhdfs; this script has only DataHub",
}
"""Files that name `os.environ`, and why."""


@pytest.mark.parametrize("value", [*ON, "TRUE", "Yes", " on "])
def test_it_is_on(value: str) -> None:
    assert read_switch("X", {"X": value})


@pytest.mark.parametrize("value", [*OFF, "FALSE", "No", " off ", "", "  "])
def test_it_is_off(value: str) -> None:
    assert not read_switch("X", {"X": value})


def test_it_is_off_if_it_is_not_set() -> None:
    assert not read_switch("X", {})


@pytest.mark.parametrize(
    ("value", "near"), [("flase", "did you mean false?"), ("tru", "did you mean true?"), ("yse", "did you mean yes?")]
)
def test_nonsense_is_refused_with_the_near_match(value: str, near: str) -> None:
    with pytest.raises(SwitchyardError, match="neither on nor off") as refused:
        read_switch("X", {"X": value})
    assert refused.value.where == "environment variable X"
    assert near in refused.value.cure


@pytest.mark.parametrize("value", ["2", "-2", "perhaps"])
def test_what_is_near_to_nothing_is_refused_too(value: str) -> None:
    with pytest.raises(SwitchyardError) as refused:
        read_switch("X", {"X": value})
    assert refused.value.cure.startswith("set it to 1")


@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_variable_is_not_set(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Runtime(EnvironmentConnections({}), "me").scratch_root
    for name in ("SWITCHYARD_LEDGER", "SWITCHYARD_SCRATCH", "SWITCHYARD_SQOOP"):
        monkeypatch.setenv(name, value)
    assert read_variable("SWITCHYARD_LEDGER", "x") == "x"
    assert ledger_connection_id() == "switchyard_ledger"
    assert Runtime(EnvironmentConnections({}), "me").scratch_root == before
    assert sqoop_command() == ["sqoop"]


def test_a_command_whose_quotes_are_open_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHYARD_SQOOP", "nice 'sqoop")
    with pytest.raises(StepFailed, match="cannot be divided into words"):
        sqoop_command()


@pytest.mark.parametrize("kwargs", ["{", "[]", "null", '"hunter2"'])
def test_arguments_of_the_secrets_backend_that_are_no_object(kwargs: str) -> None:
    environ = {"AIRFLOW__SECRETS__BACKEND": BACKEND, "AIRFLOW__SECRETS__BACKEND_KWARGS": kwargs}
    with pytest.raises(ConnectionMissing, match="is not a JSON object") as refused:
        EnvironmentConnections(environ).get("any")
    assert refused.value.where == "environment variable AIRFLOW__SECRETS__BACKEND_KWARGS"
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "what"), [(None, "cannot be read"), ("{", "is not a JSON object"), ("[1]", "JSON object")]
)
def test_a_secrets_file_that_is_none(content: str | None, what: str, tmp_path: Path) -> None:
    path = tmp_path / "connections.json"
    if content is not None:
        path.write_text(content)
    kwargs = json.dumps({"connections_file_path": str(path)})
    environ = {"AIRFLOW__SECRETS__BACKEND": BACKEND, "AIRFLOW__SECRETS__BACKEND_KWARGS": kwargs}
    with pytest.raises(ConnectionMissing, match=what) as refused:
        EnvironmentConnections(environ).get("any")
    assert refused.value.where == str(path)


def test_variables_are_read_in_one_place() -> None:
    readers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(ast.unparse(node) in ("os.environ", "os.getenv") for node in ast.walk(ast.parse(path.read_text())))
    }
    assert readers == set(READERS)
