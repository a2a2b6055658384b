"""Whether the source is still the one that the plan saw: the load's statement was written for that one.

Between the plan and the reading hours may pass, in which a task waits for its pool. A column of another type would be
read by the old one's rule, and a table that was made anew by a bookmark of the old one's rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from switchyard.errors import ReconcileMismatch
from switchyard.extract import postgres
from switchyard.flow.choices import left_out
from switchyard.flow.cures import run_again
from switchyard.flow.spec import Flow
from switchyard.legs.ingest.planned import Planned
from switchyard.legs.ingest.start import read_now
from switchyard.legs.ingest.window import Session
from switchyard.legs.runtime import Runtime
from switchyard.types.carry import CarriedColumn, SourceColumn


def require_unmoved(runtime: Runtime, session: Session, flow: Flow, planned: Planned) -> None:
    """Raise ReconcileMismatch when the columns, or what the rows come from, are others than the plan saw."""
    shape = postgres.read_shape(session, flow.source, flow.flow, left_out(flow.columns))
    changes = column_changes((*planned.columns, *planned.left_out), shape.columns)
    if planned.bookmark is not None and not changes:
        changes = planned.bookmark.reading.changes_to(read_now(runtime, session, flow, shape))
    if changes:
        raise ReconcileMismatch(
            "the source was changed after this load was planned:",
            where=f"flow {flow.flow}, connection {flow.source.connection}",
            cure=f"nothing was published; {run_again('ingest', flow.flow)}: it plans anew",
            findings=changes,
            more=f"switchyard preflight {flow.flow}",
        )


def column_changes(planned: Sequence[CarriedColumn], now: Sequence[SourceColumn]) -> list[str]:
    """One sentence for each column that is another one now. New ones do not matter: the next plan looks at them."""
    by_name = {column.name: column for column in now}
    changes = (_change(column, by_name.get(column.source)) for column in planned if column.source)
    return [change for change in changes if change]


def _change(planned: CarriedColumn, now: SourceColumn | None) -> str:
    if now is None:
        return f"column {planned.source} is gone"
    if planned.postgres_type != now.type.text:
        return f"column {planned.source} was {planned.postgres_type} and is {now.type.text}"
    if planned.place and now.place and planned.place != now.place:
        return (
            f"column {planned.source} is not the same column any more: it, or its table, was dropped and created again"
        )
    if planned.labels and planned.labels != (now.type.element or now.type).labels:
        return f"column {planned.source}: the labels, fields or locale of its type have changed"
    return ""
