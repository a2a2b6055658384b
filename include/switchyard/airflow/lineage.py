"""Lineage of a step's report, in the form that the listener of DataHub's Airflow plugin reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from switchyard.handover import LineageStep


def operator_lineage(step: LineageStep | None) -> OperatorLineage[Any, Any] | None:
    """Return the OperatorLineage for the listener; None if the step moved nothing or failed."""
    from airflow.providers.openlineage.extractors import OperatorLineage
    from datahub_airflow_plugin._constants import DATAHUB_SQL_PARSING_RESULT_KEY

    from switchyard.catalog.lineage import parsing_result

    if step is None:
        return None
    return OperatorLineage(run_facets={DATAHUB_SQL_PARSING_RESULT_KEY: parsing_result(step)})
