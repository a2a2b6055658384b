"""Statements of the ledger that a publish is made of."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from switchyard.ledger.loads import FINISHED, Load
from switchyard.ledger.results import FlowChanges, StepResult
from switchyard.ledger.tables import flows, loads


def supersede(load: Load, above: int) -> sa.Update:
    """Date the end of the loads that this one replaces; those up to the seq `above` stay."""
    replaced = (
        loads.c.flow == load.flow,
        loads.c.leg == load.leg,
        loads.c.state == FINISHED[load.leg],
        loads.c.superseded_at.is_(None),
        loads.c.seq < load.seq,
        loads.c.seq > above,
    )
    return loads.update().where(*replaced).values(superseded_at=sa.func.pg_catalog.now())


def change_flow(flow: str, changes: FlowChanges) -> sa.Update:
    """Give the flow's row new values."""
    statement = flows.update().where(flows.c.flow == flow).values(bookmark=changes.bookmark)
    return statement if changes.held is None else statement.values(held=changes.held)


def facts_with(*results: StepResult) -> sa.ColumnElement[Any]:
    """The facts of a load with these results, in place of earlier ones of the same steps."""
    return loads.c.facts.op("||")(sa.cast({result.step: result.to_json() for result in results}, loads.c.facts.type))
