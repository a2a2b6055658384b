"""The dry run of the serve leg: what it would do now, with counts. Changes nothing."""

from __future__ import annotations

from typing import Any

from switchyard.flow.spec import Flow
from switchyard.legs.runtime import Runtime
from switchyard.serve.mongo.target import MongoTarget


def forecast_serve(runtime: Runtime, flow: Flow) -> dict[str, Any]:
    """The version that would be served, the one that is, and how many documents each has."""
    assert flow.serve is not None  # noqa: S101 - the caller chose a flow that serves
    lake = flow.lake
    version = runtime.metastore(flow).read_version(lake.database, lake.table)
    with runtime.ledger() as ledger:
        ledger.migrate()
        last = ledger.last_finished(flow.flow, "serve")
    with MongoTarget(runtime.connections.get(flow.serve.connection)) as mongo:
        documents = mongo.state(flow.serve.collection).documents
    product = flow.serve.select is not None
    return {
        "serves": f"{lake.database}.{lake.table}" + (" by serve.select" if product else ""),
        "version": version.seq if version else None,
        "served_version": last.version if last else None,
        "rows": None if product or version is None else version.rows,
        "rows_are": "known after serve.select has run" if product else "exact",
        "documents_now": documents,
        "documents_now_are": "exact",
        "warnings": [] if version and version.seq > 0 else ["nothing is published yet: run the ingest leg first"],
    }
