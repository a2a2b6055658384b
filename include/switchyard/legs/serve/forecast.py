"""The dry run of the serve leg: what it would do now, with counts. Changes nothing."""

from __future__ import annotations

from switchyard.flow.servable import require_servable
from switchyard.flow.spec import Flow
from switchyard.ledger.reports import ServeForecast
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve import check
from switchyard.legs.truth.check import require_agreement
from switchyard.serve.mongo.target import MongoTarget


def forecast_serve(runtime: Runtime, flow: Flow) -> ServeForecast:
    """Look at Hive, the ledger and the collection; raises TruthConflict where the run itself would be refused."""
    assert flow.serve is not None  # noqa: S101 - the caller chose a flow that serves
    lake = flow.lake
    version = runtime.metastore(flow).read_version(lake.database, lake.table)
    with runtime.ledger() as ledger:
        ledger.migrate()
        require_agreement(runtime, ledger, flow)
        check.require_known(runtime, ledger, flow)
        last = ledger.last_finished(flow.flow, "serve")
    with MongoTarget(runtime.connections.get(flow.serve.connection)) as mongo:
        documents = mongo.state(flow.serve.collection).documents
    product = flow.serve.select is not None
    if version is not None and version.seq > 0 and not product:
        require_servable(flow, version.name, version.columns)
    return ServeForecast(
        serves=f"{lake.database}.{lake.table}" + (" by serve.select" if product else ""),
        version=version.seq if version else None,
        served_version=last.version if last else None,
        rows=None if product or version is None else version.rows,
        rows_are="known after serve.select has run" if product else "exact",
        documents_now=documents,
        warnings=() if version and version.seq > 0 else ("nothing is published yet: run the ingest leg first",),
    )
