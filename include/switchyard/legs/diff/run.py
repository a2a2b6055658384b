"""Diff: two stores of a flow compared by value, as they are now, never by digests stored beside the data.

Every row of both sides is read and digested. Keys are compared only in buckets whose digests differ,
values only in rows whose digests differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from switchyard.flow import naming
from switchyard.flow.frozen import thaw
from switchyard.flow.proof import DiffMode
from switchyard.flow.spec import Flow
from switchyard.handover import StepReport
from switchyard.ledger.loads import Load
from switchyard.ledger.results import Compared
from switchyard.ledger.store import Ledger
from switchyard.legs.diff.hive_mongodb import diff_served
from switchyard.legs.diff.postgres_hive import diff_source
from switchyard.legs.diff.result import DiffResult, require_equal
from switchyard.legs.runtime import Delivery, Runtime, run_step
from switchyard.legs.serve.served import served_part
from switchyard.records import Record
from switchyard.serve.mongo.target import MongoTarget

Between = Literal["hive-mongodb", "postgres-hive"]


def compared_pairs(flow: Flow) -> tuple[Between, ...]:
    """The pairs of stores that a flow's `diff` section compares."""
    served: tuple[Between, ...] = ("hive-mongodb",) if flow.serve is not None else ()
    return (*served, "postgres-hive") if flow.diff.source or not served else served


def diff_stores(runtime: Runtime, flow: Flow, mode: DiffMode, between: Between, *, heal: bool = False) -> DiffResult:
    """Compare two stores of a flow, now. `heal` is for hive-mongodb."""
    if between == "postgres-hive":
        return diff_source(runtime, flow, mode)
    return diff_served(runtime, flow, mode, heal=heal)


@dataclass(frozen=True, kw_only=True)
class DiffForecast(Record):
    """What would be compared, and how many rows the stores report; the last three only for a flow that serves."""

    compares: tuple[Between, ...]
    mode: DiffMode
    version: int | None
    hive_rows: int | None
    documents: int | None = None
    differences_go_to: str | None = None
    heals: bool | None = None


def forecast_diff(runtime: Runtime, flow: Flow, mode: DiffMode) -> DiffForecast:
    """The dry run: look at the stores, compare nothing."""
    version = runtime.metastore(flow).read_version(flow.lake.database, flow.lake.table)
    forecast = DiffForecast(
        compares=compared_pairs(flow),
        mode=mode,
        version=version.seq if version else None,
        hive_rows=version.rows if version else None,
    )
    if flow.serve is None:
        return forecast
    with MongoTarget(runtime.connections.get(flow.serve.connection)) as mongo:
        documents = mongo.state(flow.serve.collection).documents
    table = naming.diff_table(naming.served_table(flow.lake, flow.serve)[1])
    return replace(
        forecast, documents=documents, differences_go_to=f"{flow.lake.database}.{table}", heals=flow.diff.heal
    )


def after_serve(runtime: Runtime, load_id: str) -> StepReport[Compared]:
    """The serve leg's own diff, by `serve.diff`; a difference fails the step, the publish stays."""

    def body(ledger: Ledger, load: Load) -> Delivery[Compared]:
        flow = thaw(load.spec)
        mode = served_part(flow).diff
        assert mode is not None  # noqa: S101 - the step is left out without it
        result = diff_served(runtime, flow, mode, heal=flow.diff.heal)
        require_equal(flow, result)
        return Delivery(result.compared)

    return run_step(runtime, "diff", load_id, "serve", body)
