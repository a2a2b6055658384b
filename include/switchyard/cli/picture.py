"""A plan as a person reads it: warnings first, then what is read, what changes, what it costs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from switchyard.ledger.reports import ServeForecast
    from switchyard.legs.ingest.forecast import IngestForecast

_WIDTH = 9


def picture_ingest(plan: IngestForecast) -> Iterator[str]:
    """Lines on a plan of the ingest leg."""
    yield from _several("warning", plan.warnings)
    yield _line("reads", f"{plan.reads}: {_rows(plan.source_rows, plan.source_rows_are)}")
    if plan.low is not None or plan.up_to is not None:
        yield _line("", f"from {plan.low or 'the beginning'} up to {plan.up_to or 'now'}")
    yield _line("changes", f"{plan.changes}, mode {plan.mode}: {_now(plan)} → {_rows(plan.rows_after)}")
    if counts := _counts(plan):
        yield _line("", ", ".join(counts))
    yield from _several("schema", plan.schema_changes)
    yield _line("costs", f"reads {_rows(plan.source_rows)} of the source; rewrites {_rewritten(plan)}")
    yield from _several("note", plan.notes)


def picture_serve(plan: ServeForecast) -> Iterator[str]:
    """Lines on a plan of the serve leg."""
    yield from _several("warning", plan.warnings)
    version = "no version yet" if plan.version is None else f"version {plan.version}"
    yield _line("serves", f"{plan.serves}, {version}: {_rows(plan.rows, plan.rows_are)}")
    shown = "nothing yet" if plan.served_version is None else f"version {plan.served_version}"
    documents = f"{plan.documents_now:,} documents ({plan.documents_now_are})"
    yield _line("changes", f"the collection, which shows {shown}: {documents}")


def _now(plan: IngestForecast) -> str:
    if not plan.current_seq:
        return "nothing there yet"
    return f"version {plan.current_seq}, {_rows(plan.current_rows, plan.current_rows_are)}"


def _counts(plan: IngestForecast) -> list[str]:
    counts = {
        "new": plan.inserted,
        "updated or unchanged": plan.updated_or_unchanged,
        "late, newer in the lake": plan.late,
        "deleted": plan.deleted,
    }
    return [f"{count:,} {name}" for name, count in counts.items() if count is not None]


def _rewritten(plan: IngestForecast) -> str:
    if plan.rewrites == "nothing" or plan.rows_after is None:
        return plan.rewrites
    return f"{plan.rewrites}, {_rows(plan.rows_after)}"


def _rows(count: int | None, how: str = "") -> str:
    if count is None:
        return f"rows {how}" if how else "rows unknown"
    return f"{count:,} rows ({how})" if how else f"{count:,} rows"


def _several(label: str, sentences: Sequence[str]) -> Iterator[str]:
    return (_line(label, sentence) for sentence in sentences)


def _line(label: str, text: str) -> str:
    return f"{label:<{_WIDTH}}{text}"
