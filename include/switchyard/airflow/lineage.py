"""Lineage of our operators, in the form that DataHub's Airflow plugin asks every task for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from switchyard.catalog.lineage import LineageStep, parsing_result

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage


class RecordsLineage:
    """Mixin of operators: call `record_lineage` in `execute` (or when resumed) after the work succeeded.

    A task that failed, was skipped or only planned has recorded nothing, and the plugin gets nothing.
    """

    _lineage: LineageStep | None = None

    def record_lineage(self, step: LineageStep | Mapping[str, Any]) -> None:
        """Remember what this task read and wrote: a `LineageStep`, or its facts from a step's report."""
        self._lineage = step if isinstance(step, LineageStep) else LineageStep.from_facts(step)

    def get_openlineage_facets_on_start(self) -> OperatorLineage | None:
        """Nothing is known, and nothing has moved, when a task starts."""
        return None

    def get_openlineage_facets_on_complete(self, task_instance: object) -> OperatorLineage | None:
        """What was recorded; DataHub's listener reads tables and columns from its own run facet."""
        return None if self._lineage is None else operator_lineage(self._lineage)


def operator_lineage(step: LineageStep) -> OperatorLineage:
    """A step's lineage as the plugin reads it."""
    from airflow.providers.openlineage.extractors import OperatorLineage
    from datahub_airflow_plugin._constants import DATAHUB_SQL_PARSING_RESULT_KEY

    return OperatorLineage(run_facets={DATAHUB_SQL_PARSING_RESULT_KEY: parsing_result(step)})
