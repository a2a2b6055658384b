"""The dry run: what a leg would do now, with counts and whether they are exact. Changes nothing."""

from __future__ import annotations

from typing import Any

from switchyard.extract import postgres
from switchyard.extract.preflight import Examined
from switchyard.extract.statement import row_condition
from switchyard.flow.spec import Flow
from switchyard.flow.threshold import rows_allowed
from switchyard.lake.metastore import TableVersion
from switchyard.ledger.flow_state import read_state
from switchyard.legs.ingest import leg as ingest_leg
from switchyard.legs.ingest import window as ingest_window
from switchyard.legs.ingest.load_request import ORDINARY, Request
from switchyard.legs.ingest.merge_preview import key_changes
from switchyard.legs.ingest.window import Window
from switchyard.legs.runtime import Runtime


def forecast_ingest(runtime: Runtime, flow: Flow, request: Request = ORDINARY) -> dict[str, Any]:
    """Rows that would be read, and what they would do to the table. All counts are exact, at this moment."""
    examined = ingest_leg.preflight(runtime, flow)
    lake = flow.lake
    version = runtime.metastore(flow).read_version(lake.database, lake.table)
    with runtime.ledger() as ledger:
        ledger.migrate()
        state, known = read_state(ledger, flow.flow), ingest_window.known_columns(ledger, flow, version)
    with postgres.connect(runtime.connections.get(flow.source.connection)) as session:
        agreed = ingest_window.agree(flow, examined, known)
        window = ingest_window.find_window(session, flow, request, state.bookmark, agreed)
        rows = postgres.count_rows(session, flow.source, row_condition(flow.source, window.bounds))
    current = version.rows if version and version.seq > 0 else 0
    outcome = _outcome(runtime, flow, examined, version, window, rows, current)
    return {
        "reads": flow.source.table or "a query",
        "from": window.low,
        "up_to": window.high,
        "source_rows": rows,
        "source_rows_are": "exact",
        "mode": lake.mode,
        "changes": f"{lake.database}.{lake.table}",
        "current_seq": version.seq if version else None,
        "current_rows": current,
        "current_rows_are": "unknown" if current is None else "exact",
        **outcome,
        "schema_changes": list(agreed.changes),
        "warnings": _warnings(flow, state.held, window, rows, current, outcome["rows_after"]),
    }


def _outcome(
    runtime: Runtime,
    flow: Flow,
    examined: Examined,
    version: TableVersion | None,
    window: Window,
    rows: int,
    current: int | None,
) -> dict[str, Any]:
    """Rows afterwards, and how many the load adds, changes and deletes, if nothing is quarantined."""
    if flow.lake.mode == "replace":
        return {"rows_after": rows, "rewrites": "the whole table"}
    if flow.lake.mode == "append":
        return {"rows_after": None if current is None else current + rows, "inserted": rows, "rewrites": "nothing"}
    counted = key_changes(runtime, flow, examined, version, window)
    after = (current or 0) + counted["inserted"] - counted["deleted"]
    return {"rows_after": after, **counted, "rewrites": "the whole table"}


def _warnings(
    flow: Flow, held: str | None, window: Window, rows: int, current: int | None, after: int | None
) -> list[str]:
    found = []
    if held is not None:
        found.append(f"the flow is on hold and would not run: {held}")
    if rows == 0 and window.bounds is not None:
        found.append("the source has nothing new: the run would end at once")
    elif rows == 0 and not flow.reconcile.allow_empty:
        found.append("the source has no rows: refused unless reconcile.allow_empty")
    shrink = flow.reconcile.max_shrink
    if shrink and current and after is not None and current - after > rows_allowed(shrink, current):
        found.append(f"{current - after} rows fewer than now: refused, at most {shrink} may go (reconcile.max_shrink)")
    return found
