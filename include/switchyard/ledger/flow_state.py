"""What the ledger remembers of a flow as a whole: bookmark and hold, as the flow's table had them last."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from switchyard.errors import PublishConflict
from switchyard.flow.cures import run_again
from switchyard.ledger.results import PlanOutline
from switchyard.ledger.store import Ledger
from switchyard.ledger.tables import flows, loads


@dataclass(frozen=True)
class FlowState:
    """`bookmark`: the high watermark of what is published, as PostgreSQL's text; `held`: why no load may begin."""

    bookmark: str | None
    held: str | None


def read_state(ledger: Ledger, flow: str) -> FlowState:
    """The flow's row; all None for a flow that never ran."""
    with ledger.session() as session:
        row = session.execute(sa.select(flows.c.bookmark, flows.c.held).where(flows.c.flow == flow)).one_or_none()
    return FlowState(row.bookmark, row.held) if row else FlowState(None, None)


def list_flows(ledger: Ledger) -> tuple[str, ...]:
    """The names of all flows that have loads, also of those whose file is gone."""
    with ledger.session() as session:
        return tuple(session.scalars(sa.select(loads.c.flow).distinct().order_by(loads.c.flow)))


def require_standing(ledger: Ledger, flow: str, version: int) -> None:
    """Raise PublishConflict when a rollback has undone a version since it was picked to be served."""
    for load in ledger.list_loads(flow, "ingest", ["published"]):
        undone = load.find_result(PlanOutline) if load.kind == "rollback" and load.seq > version else None
        if undone is not None and undone.rollback is not None and undone.rollback.to_seq < version:
            raise PublishConflict(
                f"the version that was to be served, seq {version}, was rolled back to seq {undone.rollback.to_seq} "
                f"meanwhile, by load {load.load_id}",
                where=f"flow {flow}, leg serve",
                cure=f"nothing was published; {run_again('serve', flow)}; the new run serves what Hive shows then",
            )
