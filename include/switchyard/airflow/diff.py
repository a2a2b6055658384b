"""Operator of the nightly `diff` that compares the stores of one flow by value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias
from airflow.sdk.exceptions import AirflowSkipException

from switchyard.airflow.assets import lake_asset
from switchyard.airflow.operators import StepOperator
from switchyard.airflow.run_conf import require_obeyed
from switchyard.connections import ledger_connection_id
from switchyard.flow import naming
from switchyard.flow.frozen import frozen_spec
from switchyard.flow.proof import DiffMode
from switchyard.flow.spec import Flow
from switchyard.handover import StepCall

if TYPE_CHECKING:
    from airflow.sdk import Context

MODES: tuple[DiffMode, ...] = ("counts", "digest", "values")


def compare_flow(flow: Flow, **kwargs: Any) -> DiffOperator:
    """Return the task that compares a flow's stores, as its `diff` asks."""
    connections = {flow.lake.hdfs, flow.lake.hive, flow.lake.metastore, ledger_connection_id()}
    if flow.serve is not None:
        connections.add(flow.serve.connection)
    if flow.serve is None or flow.diff.source:
        connections.add(flow.source.connection)
    return DiffOperator(
        task_id=f"compare__{flow.flow}",
        flow=frozen_spec(flow),
        connections=sorted(connections),
        asset=diff_asset(flow),
        wake=lake_asset(flow) if flow.diff.heal else None,
        **kwargs,
    )


def diff_asset(flow: Flow) -> Asset:
    """Return the asset whose events carry the result of a flow's diff in their `extra`."""
    table = f"{flow.lake.database}.{naming.diff_table(flow.lake.table)}"
    uri = naming.lake_asset_uri(flow.lake.database, naming.diff_table(flow.lake.table))
    return Asset(name=table, uri=uri, group="diff")


class DiffOperator(StepOperator):
    """Compare the stores of one flow; succeeds also when they differ, so that its event carries the differences.

    Args:
        flow: the frozen flow file.
        connections: ids of the Airflow connections that the comparison may use.
        asset: its event carries the result.
        mode: counts, digest or values; empty: the flow's own.
        only: names of the flows to compare; empty means all.
        wake: the asset that wakes the serve leg, for a flow whose `diff.heal` may order a snapshot.
    """

    template_fields: Sequence[str] = ("dry_run_only", "mode", "only")
    ui_color = "#f4ecdb"

    def __init__(
        self,
        *,
        flow: dict[str, Any],
        connections: Sequence[str],
        asset: Asset,
        mode: str | None = None,
        only: str | list[str] | None = None,
        wake: Asset | None = None,
        **kwargs: Any,
    ) -> None:
        outlets = [asset, *([AssetAlias(f"heal__{flow['flow']}", group="diff")] if wake else [])]
        super().__init__(
            leg="diff", step="diff", flow=flow, connections=connections, asset=asset, outlets=outlets, **kwargs
        )
        self.mode = mode
        self.only = only
        self.wake = wake

    def execute(self, context: Context) -> dict[str, Any]:
        """Compare; returns the report. Skipped when the flow was not asked for, or has served nothing yet."""
        require_obeyed(context)
        if self.only and self.flow["flow"] not in self.only:
            raise AirflowSkipException(f"this flow is not among the flows to compare: {self.only}")
        report = super().execute(context)
        assert self.asset is not None  # noqa: S101 - the constructor wants one
        context["outlet_events"][self.asset].extra = {
            name: report[name] for name in ("equal", "found", "diffs", "heal_ordered")
        }
        if self.wake is not None and report["heal_ordered"]:
            alias = AssetAlias(f"heal__{self.flow['flow']}", group="diff")
            context["outlet_events"][alias].add(self.wake, extra={"heal": report["diffs"]})
        return report

    def _call(self, step: str, context: Context, take_over: list[str], conn_ids: list[str]) -> StepCall:
        mode = next((mode for mode in MODES if mode == self.mode), None)
        return replace(super()._call(step, context, take_over, conn_ids), mode=mode)
