"""What the ledger keeps of a flow as a whole: its bookmark, and whether it is on hold."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from switchyard.errors import FlowHeld, PublishConflict
from switchyard.ledger.results import PlanOutline
from switchyard.ledger.store import Ledger
from switchyard.ledger.tables import flows


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


def release(ledger: Ledger, flow: str) -> str | None:
    """Let loads begin again; returns why they could not."""
    held = read_state(ledger, flow).held
    with ledger.session() as session:
        session.execute(flows.update().where(flows.c.flow == flow).values(held=None))
    return held


def require_released(ledger: Ledger, flow: str) -> FlowState:
    """The flow's state; raises FlowHeld when it is on hold."""
    state = read_state(ledger, flow)
    if state.held is not None:
        raise FlowHeld(
            f"the flow is on hold: {state.held}",
            where=f"flow {flow}",
            next=f"when the reason is gone: switchyard release {flow}",
        )
    return state


def require_standing(ledger: Ledger, flow: str, version: int) -> None:
    """Raise PublishConflict when a rollback has undone a version since it was picked to be served."""
    for load in ledger.list_loads(flow, "ingest", ["published"]):
        undone = load.find_result(PlanOutline) if load.kind == "rollback" and load.seq > version else None
        if undone is not None and undone.rollback is not None and undone.rollback.to_seq < version:
            raise PublishConflict(
                f"seq {version} was rolled back to seq {undone.rollback.to_seq} meanwhile, by load {load.load_id}",
                where=f"flow {flow}, leg serve",
                next="nothing was published; run serve again: it serves what Hive shows",
            )
