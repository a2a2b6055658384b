"""Hands the lineage of a step's report to the DataHub Airflow plugin, in the form that its listener reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from switchyard.handover import LineageStep


def operator_lineage(step: LineageStep | None) -> Any:
    """OperatorLineage for the listener; None when the step moved nothing (or did not succeed)."""
    from airflow.providers.openlineage.extractors import OperatorLineage
    from datahub_airflow_plugin._constants import DATAHUB_SQL_PARSING_RESULT_KEY

    from switchyard.catalog.lineage import parsing_result

    if step is None:
        return None
    return OperatorLineage(run_facets={DATAHUB_SQL_PARSING_RESULT_KEY: parsing_result(step)})
