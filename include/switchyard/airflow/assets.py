"""The assets of a flow's DAGs, and what their events say in `extra`: the names of a report, and those of the event."""

from __future__ import annotations

from collections.abc import Mapping

from airflow.sdk import Asset, AssetAlias

from switchyard.flow import naming
from switchyard.flow.spec import Flow, Serve

LAKE_EVENT: Mapping[str, str] = {name: name for name in ("load_id", "seq", "rows", "bytes", "quarantined")}
SERVED_EVENT: Mapping[str, str] = {
    "load_id": "load_id",
    "seq": "serve_seq",
    "version": "lake_seq",
    "rows": "documents",
    "changed_keys": "changed_keys",
}


def lake_asset(flow: Flow) -> Asset:
    """The asset that wakes the serve leg: the flow's Hive table."""
    table = f"{flow.lake.database}.{flow.lake.table}"
    return Asset(name=table, uri=naming.lake_asset_uri(flow.lake.database, flow.lake.table), group="lake")


def late_alias(asset: Asset) -> AssetAlias:
    """The outlet of a step `plan`: through it goes an event of the asset only if one is owed."""
    return AssetAlias(f"late__{asset.name}", group="late")


def served_asset(serve: Serve) -> Asset:
    """The asset that others can wait for: the collection as MongoDB shows it."""
    uri = naming.served_asset_uri(serve.connection, serve.collection)
    return Asset(name=f"{serve.connection}/{serve.collection}", uri=uri, group="served")
