"""Why a load does not add up: the source is asked whether it is deterministic, before values are called lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from switchyard.errors import ReconcileMismatch, SwitchyardError
from switchyard.extract import postgres
from switchyard.extract.repeatable import unrepeatable_parts
from switchyard.flow.spec import Flow
from switchyard.legs.ingest.planned import Planned
from switchyard.legs.runtime import Runtime


@contextmanager
def blaming_the_source(runtime: Runtime, flow: Flow, planned: Planned) -> Iterator[None]:
    """Turn a mismatch into the sentence that the source is not deterministic, when it is not."""
    try:
        yield
    except ReconcileMismatch as mismatch:
        parts = _ask_twice(runtime, flow, planned)
        if not parts:
            raise
        raise ReconcileMismatch(
            f"the source is not deterministic: evaluated twice in one snapshot, it differs in: {', '.join(parts)}",
            where=f"flow {flow.flow}",
            cure="nothing was published; take random(), gen_random_uuid() and the like out of source.query, give LIMIT "
            "an ORDER BY by unique columns; or read a materialized view that keeps the result",
        ) from mismatch


def _ask_twice(runtime: Runtime, flow: Flow, planned: Planned) -> list[str]:
    """What differs between two reads; empty when the source cannot be asked, so that the mismatch itself is raised."""
    try:
        with postgres.connect(runtime.connections.get(flow.source.connection)) as session:
            return unrepeatable_parts(session, flow.source, planned.columns, planned.bounds, planned.left_out)
    except SwitchyardError:
        return []
