"""What `metadata_sync` would ingest, and that no secret shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from switchyard.catalog import recipes, sync, target
from switchyard.catalog.recipes import SourceKey
from switchyard.connections import GivenConnections
from switchyard.errors import StepFailed, SwitchyardError
from switchyard.flow import naming
from switchyard.flow.spec import Flow

SECRET = "s3cret,pa55word"
CONNECTIONS = GivenConnections(
    {
        "pg": {"conn_type": "postgres", "host": "db", "login": "u", "password": SECRET, "schema": "grid"},
        "lake_hdfs": {"conn_type": "hdfs", "host": "nn", "port": 9000},
        "lake_metastore": {"conn_type": "hive_metastore", "host": "hms"},
        "mongo": {"conn_type": "mongo", "host": "m", "login": "u", "password": SECRET, "schema": "grid"},
        "redis": {"conn_type": "redis", "host": "r", "password": SECRET, "extra": {"db": 2}},
    }
)


def make_flow(name: str) -> Flow:
    return Flow.model_validate(
        {
            "flow": name,
            "source": {"connection": "pg", "table": f"public.{name}"},
            "lake": {"database": "db", "table": name},
            "serve": {"connection": "mongo", "collection": name, "key": ["id"]},
            "cache": {"connection": "redis"},
        }
    )


FLOWS = [make_flow("a"), make_flow("b")]


def test_each_server_is_asked_once_in_the_order_data_goes() -> None:
    names = [key.name for key in recipes.list_sources(FLOWS)]
    assert names == ["postgres__pg", "hdfs__lake_hdfs", "hive__lake_metastore", "mongodb__mongo", "redis__redis"]


@pytest.mark.parametrize("key", recipes.list_sources(FLOWS), ids=lambda key: key.kind)
def test_no_secret_shows(key: SourceKey) -> None:
    recipe = recipes.build_recipe(key, FLOWS, CONNECTIONS)
    assert SECRET not in repr(recipe)
    assert SECRET not in str(recipe.shown)
    assert len(recipe.expected) == 2
    answer = sync._Answer(False, warnings=(f"x {SECRET}",), failures=(f"y {SECRET}",), error=f"z {SECRET}")
    assert SECRET not in repr(answer.without((SECRET,)))


def test_staging_is_left_out() -> None:
    recipe = recipes.build_recipe(SourceKey("mongodb", "mongo"), FLOWS, CONNECTIONS)
    (denied,) = recipe.config["collection_pattern"]["deny"]
    assert re.match(denied, f"grid.{naming.staging_collection('a', 7, naming.new_try())}")
    assert not re.match(denied, "grid.a__summary")
    assert recipes.build_recipe(SourceKey("hive", "lake_metastore"), FLOWS, CONNECTIONS).config["database_pattern"] == {
        "allow": ["^db$"]
    }


@pytest.mark.parametrize(
    ("conn_type", "host", "directory"),
    [
        ("datahub-file", "/catalog", Path("/catalog")),
        ("datahub_file", "/catalog", Path("/catalog")),
        ("datahub-file", "/catalog/one.json", None),
        ("datahub-rest", "http://gms", None),
    ],
)
def test_the_connection_says_where_the_catalog_is(conn_type: str, host: str, directory: Path | None) -> None:
    assert target.local_catalog(conn_type, host) == directory


def test_one_connection_moves_the_catalog_to_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DATAHUB__CONN_ID", "datahub")
    connections = GivenConnections(
        {"datahub": {"conn_type": "datahub-rest", "host": "gms", "port": 8080, "password": "t"}}
    )
    catalog = target.find_target(connections)
    assert catalog.server == {"server": "http://gms:8080", "token": "t"}
    assert "'t'" not in repr(catalog)
    with pytest.raises(SwitchyardError, match="cannot write to a connection"):
        target.find_target(GivenConnections({"datahub": {"conn_type": "datahub-kafka", "host": "k"}}))


@pytest.mark.parametrize("python", ["", "/nowhere/python"])
def test_a_missing_environment_says_how_to_get_it(python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sync.PYTHON_VARIABLE, python)
    recipe = recipes.build_recipe(SourceKey("hive", "lake_metastore"), FLOWS, CONNECTIONS)
    with pytest.raises(StepFailed, match=r"requirements/ingestion\.txt"):
        sync.ingest(recipe, target.Target("datahub", directory=tmp_path))
    assert not list(tmp_path.iterdir())


def test_an_environment_without_datahub_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "python"
    broken.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    broken.chmod(0o755)
    monkeypatch.setenv(sync.PYTHON_VARIABLE, str(broken))
    recipe = recipes.build_recipe(SourceKey("hive", "lake_metastore"), FLOWS, CONNECTIONS)
    with pytest.raises(SwitchyardError, match="No module named 'datahub'"):
        sync.ingest(recipe, target.Target("datahub", directory=tmp_path / "catalog"))


def test_the_module_of_names_imports_nothing_heavy() -> None:
    heavy = "{'datahub', 'airflow', 'pymongo', 'pyarrow', 'sqlglot', 'sqlalchemy', 'redis'}"
    modules = (
        "switchyard.catalog.urns, switchyard.catalog.lineage, switchyard.catalog.recipes, switchyard.catalog.chain"
    )
    code = f"import sys, {modules}; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
