"""Operators of `metadata_sync`: ingest the schemas of one server, and check each flow in the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowSkipException

from switchyard.airflow.connections import resolve
from switchyard.airflow.dead_runs import warn_of_earlier_run
from switchyard.airflow.run_conf import require_obeyed
from switchyard.connections import GivenConnections
from switchyard.errors import StepFailed
from switchyard.flow.files.loader import load_flows

if TYPE_CHECKING:
    from airflow.sdk import Context

    from switchyard.catalog.chain import Chain
    from switchyard.catalog.target import Target
    from switchyard.flow.spec import Flow


class IngestMetadataOperator(BaseOperator):
    """Re-ingest one server that flows touch.

    Args:
        kind: `postgres`, `hdfs`, `hive`, `mongodb` or `redis`.
        connection: id of its Airflow connection.
        flows_directory: directory of the flow files, which name the databases, tables and keyspaces.
        plan: log what would be ingested, and ingest nothing.
        only: ids of the tasks to run; empty means all.
    """

    template_fields: Sequence[str] = ("plan", "only")
    ui_color = "#e3ecda"

    def __init__(
        self,
        *,
        kind: str,
        connection: str,
        flows_directory: str,
        plan: str | bool = False,
        only: str | list[str] = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.connection = connection
        self.flows_directory = flows_directory
        self.plan = plan
        self.only = only

    def execute(self, context: Context) -> dict[str, Any]:
        """Ingest; returns counts. Raises ServerUnavailable, which names the connection and the cure."""
        from switchyard.catalog import recipes, sync, target

        require_obeyed(context)
        warn_of_earlier_run(context)
        key = recipes.SourceKey(self.kind, self.connection)  # type: ignore[arg-type]
        if self.only and key.name not in self.only:
            raise AirflowSkipException(f"this source is not among those to ingest: {self.only}")
        connections = GivenConnections(resolve([self.connection, target.connection_id()]))
        recipe = recipes.build_recipe(key, _flows(self.flows_directory), connections)
        if str(self.plan) == "True":
            self.log.info("would ingest %s", recipe.shown)
            raise AirflowSkipException("plan only: nothing was ingested; the recipe is in this task's log")
        report = sync.ingest(recipe, target.find_target(connections))
        for warning in report.warnings:
            self.log.warning("%s", warning)
        return {"events": report.events, "seconds": round(report.seconds, 1), "without_schema": list(report.missing)}


class CheckCatalogOperator(BaseOperator):
    """Walk every flow in the catalog: each dataset and column that its tasks named must have been ingested.

    A URN that tasks and ingestion spell differently is a failure; a flow that has not run yet is not.
    """

    ui_color = "#e3ecda"

    def __init__(self, *, flows_directory: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.flows_directory = flows_directory

    def execute(self, context: Context) -> dict[str, int]:
        """Check; returns flow → number of hops known. Raises AirflowException naming every mismatch."""
        from switchyard.catalog import target

        flows = _flows(self.flows_directory)
        connections = GivenConnections(resolve([*_connections(flows), target.connection_id()]))
        chains = _walk(target.find_target(connections), flows, connections)
        for chain in chains:
            self.log.info("%s: %s", chain.flow, "; ".join(chain.missing) or "complete")
        mismatched = [f"{chain.flow}: {mismatch}" for chain in chains for mismatch in chain.mismatched]
        if mismatched:
            for mismatch in mismatched:
                self.log.warning("%s", mismatch)
            error = StepFailed(
                "lineage names tables or columns that are not in the catalog:",
                where="DAG metadata_sync",
                cure="flows are not affected; read the warnings in the logs of earlier tasks of this run; if there "
                "are none, report this as a bug",
                findings=mismatched,
                more="the log of this task has all",
            )
            raise AirflowException(str(error))
        return {chain.flow: sum(1 for link in chain.links if link.hops) for chain in chains}


def _walk(where: Target, flows: list[Flow], connections: GivenConnections) -> list[Chain]:
    """Return the flows' chains in the local catalog, or as far as a server holds their schemas."""
    from switchyard.catalog.chain import flow_datasets, walk_flow
    from switchyard.catalog.sync import read_catalog

    catalog = read_catalog(where, [urn for flow in flows for urn in flow_datasets(flow, connections)])
    return [walk_flow(catalog, flow, connections) for flow in flows]


def _flows(directory: str) -> list[Flow]:
    """Return the flows that can be used; a broken file fails in a DAG of its own."""
    return list(load_flows(Path(directory))[0].values())


def _connections(flows: list[Flow]) -> list[str]:
    from switchyard.catalog.recipes import list_sources

    return sorted({key.connection for key in list_sources(flows)})
