"""The dry run: what a leg would do now, with counts and whether they are exact. Changes nothing."""

from __future__ import annotations

from typing import Any

from switchyard.extract import postgres
from switchyard.flow.spec import Flow
from switchyard.legs import ingest
from switchyard.legs.runtime import Runtime
from switchyard.serve.mongo import MongoTarget


def forecast_ingest(runtime: Runtime, flow: Flow, *, exact: bool = True) -> dict[str, Any]:
    """Rows that would be read and the version they would replace; `exact` counts, otherwise PostgreSQL's estimate."""
    examined = ingest.preflight(runtime, flow)
    estimate = examined.shape.estimated_rows
    with postgres.connect(runtime.connections.get(flow.source.connection)) as session:
        rows = postgres.count_rows(session, flow.source) if exact or estimate is None else estimate
    lake = flow.lake
    version = runtime.metastore(flow).read_version(lake.database, lake.table)
    warnings = ["the source has no rows: refused unless reconcile.allow_empty"] if rows == 0 else []
    return {
        "reads": flow.source.table or "a query",
        "source_rows": rows,
        "source_rows_are": "exact" if exact or estimate is None else "estimated",
        "replaces": f"{lake.database}.{lake.table}",
        "current_seq": version.seq if version else None,
        "current_rows": version.rows if version else None,
        "current_rows_are": "exact" if version and version.rows is not None else "unknown",
        "warnings": warnings,
    }


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
