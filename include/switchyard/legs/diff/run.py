"""Diff: two stores of a flow compared by value, as they are now, never by digests stored beside the data.

Every row of both sides is read and digested. Buckets of keys whose digests differ are entered, and only the rows in
them whose own digests differ are compared value by value.
"""

from __future__ import annotations

from typing import Any, Literal

from switchyard.flow import naming
from switchyard.flow.frozen import thaw
from switchyard.flow.proof import DiffMode
from switchyard.flow.spec import Flow
from switchyard.ledger.loads import Load
from switchyard.ledger.store import Ledger
from switchyard.legs.diff.hive_mongodb import diff_served
from switchyard.legs.diff.postgres_hive import diff_source
from switchyard.legs.diff.result import DiffResult, require_equal
from switchyard.legs.runtime import Runtime, run_step
from switchyard.legs.serve.served import served_part
from switchyard.report import StepReport
from switchyard.serve.mongo.target import MongoTarget

Between = Literal["hive-mongodb", "postgres-hive"]


def wanted(flow: Flow) -> tuple[Between, ...]:
    """What a flow's `diff` compares when nobody says otherwise."""
    served: tuple[Between, ...] = ("hive-mongodb",) if flow.serve is not None else ()
    return (*served, "postgres-hive") if flow.diff.source or not served else served


def diff_stores(runtime: Runtime, flow: Flow, mode: DiffMode, between: Between, *, heal: bool = False) -> DiffResult:
    """Compare two stores of a flow, now. `heal` is for hive-mongodb."""
    if between == "postgres-hive":
        return diff_source(runtime, flow, mode)
    return diff_served(runtime, flow, mode, heal=heal)


def forecast_diff(runtime: Runtime, flow: Flow, mode: DiffMode) -> dict[str, Any]:
    """The dry run: what would be compared, and how many rows the stores say they have."""
    version = runtime.metastore(flow).read_version(flow.lake.database, flow.lake.table)
    found: dict[str, Any] = {
        "compares": list(wanted(flow)),
        "mode": mode,
        "version": version.seq if version else None,
        "hive_rows": version.rows if version else None,
    }
    if flow.serve is not None:
        with MongoTarget(runtime.connections.get(flow.serve.connection)) as mongo:
            found["documents"] = mongo.state(flow.serve.collection).documents
        found["differences_go_to"] = ".".join(
            (flow.lake.database, naming.diff_table(naming.served_table(flow.lake, flow.serve)[1]))
        )
        found["heals"] = flow.diff.heal
    return found


def after_serve(runtime: Runtime, load_id: str) -> StepReport:
    """The serve leg's own diff, by `serve.diff`; a difference fails the step, the publish stays."""

    def body(ledger: Ledger, load: Load) -> dict[str, Any]:
        flow = thaw(load.spec)
        mode = served_part(flow).diff
        assert mode is not None  # noqa: S101 - the step is left out without it
        result = diff_served(runtime, flow, mode, heal=flow.diff.heal)
        require_equal(flow, result)
        return result.facts

    return run_step(runtime, "diff", load_id, "serve", body)
