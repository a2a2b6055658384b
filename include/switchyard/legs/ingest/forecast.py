"""The dry run: what a leg would do now, with counts and whether they are exact. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from switchyard.extract import postgres
from switchyard.extract.statement import row_condition
from switchyard.flow.spec import Flow
from switchyard.flow.threshold import rows_allowed
from switchyard.handover import ORDINARY, LoadRequest
from switchyard.legs.ingest import window as ingest_window
from switchyard.legs.ingest.merge_preview import KeyChanges, key_changes
from switchyard.legs.ingest.preflight import preflight, shown_version
from switchyard.legs.ingest.start import choose_start, read_now
from switchyard.legs.ingest.window import Window
from switchyard.legs.runtime import Runtime
from switchyard.prove.contract import Agreed
from switchyard.records import Record


@dataclass(frozen=True, kw_only=True)
class IngestForecast(Record):
    """What a load would read, and what it would do to the table if nothing is quarantined.

    `inserted` is known of modes append and merge, what follows it of merge; `late` rows are newer in the lake and stay.
    `notes`: what the preflight says of a source that may be read, and of what the serve leg will refuse.
    """

    reads: str
    low: Annotated[str | None, Field(alias="from")]
    up_to: str | None
    source_rows: int
    source_rows_are: str = "exact"
    mode: str
    changes: str
    current_seq: int | None
    current_rows: int | None
    current_rows_are: str
    rows_after: int | None
    inserted: int | None = None
    updated_or_unchanged: int | None = None
    late: int | None = None
    deleted: int | None = None
    rewrites: str = "the whole table"
    schema_changes: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()


def forecast_ingest(runtime: Runtime, flow: Flow, request: LoadRequest = ORDINARY) -> IngestForecast:
    """Rows that would be read, and what they would do to the table. All counts are exact, at this moment."""
    examined = preflight(runtime, flow, request)
    lake = flow.lake
    with runtime.ledger() as ledger:
        ledger.migrate()
        version = shown_version(runtime, ledger, flow, request)
        before = ingest_window.known_columns(ledger, flow, version)
    with postgres.connect(runtime.connections.get(flow.source.connection)) as session:
        agreed = ingest_window.agree(flow, examined, before)
        start = choose_start(session, flow, version, read_now(runtime, session, flow, examined.shape), request)
        window = ingest_window.find_window(session, flow, request, start, agreed, examined.shape)
        rows = postgres.count_rows(session, flow.source, row_condition(flow.source, window.bounds))
    current = version.rows if version and version.seq > 0 else 0
    expected = IngestForecast(
        reads=flow.source.table or "a query",
        low=window.low,
        up_to=window.high,
        source_rows=rows,
        mode=lake.mode,
        changes=f"{lake.database}.{lake.table}",
        current_seq=version.seq if version else None,
        current_rows=current,
        current_rows_are="unknown" if current is None else "exact",
        rows_after=rows,
        schema_changes=agreed.changes,
        warnings=(),
        notes=tuple(examined.notes),
    )
    if lake.mode == "append":
        after = None if current is None else current + rows
        expected = replace(expected, rows_after=after, inserted=rows, rewrites="nothing")
    if lake.mode == "merge":
        expected = _merged(expected, key_changes(runtime, flow, examined, version, window))
    held = version.held if version else None
    warnings = _warnings(flow, held, window, rows, current, expected.rows_after)
    return replace(expected, warnings=(*_read_again(window, start, agreed), *warnings))


def _read_again(window: Window, start: str | None, agreed: Agreed) -> tuple[str, ...]:
    """A warning when a merge does not begin at the bookmark, because of columns that no earlier load read."""
    if window.bounds is None or window.bounds.keys or window.low is not None or start is None:
        return ()
    return (f"everything is read again, once: rows read before may have another value in {', '.join(agreed.unread)}",)


def _merged(expected: IngestForecast, keys: KeyChanges) -> IngestForecast:
    return replace(
        expected,
        rows_after=(expected.current_rows or 0) + keys.inserted - keys.deleted,
        inserted=keys.inserted,
        updated_or_unchanged=keys.updated_or_unchanged,
        late=keys.late,
        deleted=keys.deleted,
    )


def _warnings(
    flow: Flow, held: str | None, window: Window, rows: int, current: int | None, after: int | None
) -> tuple[str, ...]:
    warnings = []
    if held is not None:
        warnings.append(f"the flow is on hold and would not run: {held}")
    if rows == 0 and window.bounds is not None:
        warnings.append("the source has nothing new: the run would end at once")
    elif rows == 0 and not flow.reconcile.allow_empty:
        warnings.append("the source has no rows: refused unless reconcile.allow_empty")
    shrink = flow.reconcile.max_shrink
    if shrink and current and after is not None and current - after > rows_allowed(shrink, current):
        warnings.append(
            f"{current - after} rows fewer than now: refused, at most {shrink} may go (reconcile.max_shrink)"
        )
    return tuple(warnings)
