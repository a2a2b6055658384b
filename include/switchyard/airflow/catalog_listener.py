"""Two changes to DataHub's own Airflow listener (plugin 1.7.0.17), made on the instance that Airflow registered.

1. A failed task describes itself and its run, but not the inputs and outputs: the plugin would overwrite the edges
   of the last good run with nothing.
2. A `datahub-file` connection whose host is a directory gets `DirectoryEmitter` instead of the testing emitter, whose
   cost grows with the square of the records. A host that ends in `.json` keeps the plugin's own.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Connection
from datahub.api.entities.datajob import DataJob
from datahub.api.entities.dataprocess.dataprocess_instance import InstanceRunResult
from datahub.emitter.generic_emitter import Emitter
from datahub_airflow_plugin.airflow3.datahub_listener import DataHubListener, get_airflow_plugin_listener

from switchyard.catalog.sink import DirectoryEmitter
from switchyard.catalog.target import local_catalog


class CatalogListener(DataHubListener):
    """DataHub's listener with the two changes; made by `adopt`, never constructed."""

    _result = InstanceRunResult.SUCCESS

    def on_task_instance_finish(self, task_instance: Any, status: InstanceRunResult, session: Any = None) -> None:
        """Remember how the task ended, for the job description that follows."""
        self._result = status
        super().on_task_instance_finish(task_instance, status, session)

    def _generate_and_emit_datajob(
        self, dagrun: Any, task: Any, dag: Any, task_instance: Any, complete: bool = False, session: Any = None
    ) -> DataJob:
        good = complete and self._result is InstanceRunResult.SUCCESS
        return super()._generate_and_emit_datajob(dagrun, task, dag, task_instance, complete=good, session=session)

    def _create_single_emitter_from_connection(self, conn_id: str) -> Emitter | None:
        connection = Connection.get(conn_id)
        directory = local_catalog(connection.conn_type or "", connection.host or "")
        return DirectoryEmitter(directory) if directory else super()._create_single_emitter_from_connection(conn_id)


def adopt() -> None:
    """Turn the registered DataHub listener into ours, in place; nothing to do when `[datahub] enabled` is off."""
    listener = get_airflow_plugin_listener()
    if listener is not None:
        listener.__class__ = CatalogListener
