"""DataHub's listener with our changes: failed tasks leave the edges alone, a directory gets our emitter."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from datahub.api.entities.dataprocess.dataprocess_instance import InstanceRunResult
from datahub_airflow_plugin._config import get_lineage_config
from datahub_airflow_plugin.airflow3.datahub_listener import DataHubListener

from switchyard.airflow.catalog_listener import CatalogListener
from switchyard.airflow.lineage import operator_lineage
from switchyard.catalog import lineage, urns
from switchyard.catalog.files import read_records
from switchyard.catalog.sink import DirectoryEmitter
from switchyard.catalog.walk import Catalog

SOURCE, TARGET = urns.postgres_table("grid", "public", "t"), urns.hive_table("db", "t")
FACTS = lineage.copy_step(SOURCE, TARGET, [("Id", "id")])


class MovingOperator(BaseOperator):
    """Moves data, as the plugin sees it."""

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        return operator_lineage(FACTS)


def finish(directory: Path, monkeypatch: pytest.MonkeyPatch, result: InstanceRunResult) -> None:
    for name, value in {"cluster": "PROD", "capture_executions": "False", "enabled": "True"}.items():
        monkeypatch.setenv(f"AIRFLOW__DATAHUB__{name.upper()}", value)
    listener = DataHubListener(get_lineage_config())
    listener.__class__ = CatalogListener
    listener._emitter = DirectoryEmitter(directory)
    with DAG("moves", schedule=None):
        task = MovingOperator(task_id="move")
    instance = SimpleNamespace(task=task, dag_id="moves", task_id="move", run_id="r1")
    listener.on_task_instance_finish(instance, result)


def test_a_good_run_leaves_edges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(tmp_path, monkeypatch, InstanceRunResult.SUCCESS)
    catalog = Catalog.load(tmp_path)
    (hop,) = catalog.path(SOURCE, TARGET) or []
    assert hop.job == urns.data_job("moves", "move")
    assert catalog.column_path(urns.field(SOURCE, "Id"), urns.field(TARGET, "id"))


def test_a_failed_run_says_nothing_of_edges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(tmp_path, monkeypatch, InstanceRunResult.FAILURE)
    aspects = {record["aspectName"] for record in read_records(tmp_path)}
    assert "dataJobInfo" in aspects
    assert "dataJobInputOutput" not in aspects


def test_a_failed_run_does_not_take_the_edges_of_the_good_one_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(tmp_path, monkeypatch, InstanceRunResult.SUCCESS)
    finish(tmp_path, monkeypatch, InstanceRunResult.FAILURE)
    assert Catalog.load(tmp_path).path(SOURCE, TARGET)


@pytest.mark.parametrize(("host", "ours"), [("/catalog", True), ("/catalog/one.json", False)])
def test_the_connection_chooses_the_emitter(host: str, ours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_A_CATALOG", f'{{"conn_type": "datahub-file", "host": "{host}"}}')
    listener = DataHubListener(get_lineage_config())
    listener.__class__ = CatalogListener
    emitter = listener._create_single_emitter_from_connection("a_catalog")
    assert isinstance(emitter, DirectoryEmitter) is ours
    assert emitter is not None
