"""How calls ended (`switchyard.handover`): the same call asked again is answered from here.

An outcome holds no secret: it is what the step printed. It is needed for as long as a task may ask again, and is
deleted later by `tidy`.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from switchyard.handover import StepOutcome
from switchyard.ledger.loads import Load
from switchyard.ledger.store import Ledger
from switchyard.ledger.tables import outcomes

KEPT = dt.timedelta(days=30)


def find(ledger: Ledger, call_id: str) -> StepOutcome | None:
    """How a call ended; None: it has not. Raises SwitchyardError for an outcome that this release cannot read."""
    with ledger.session() as session:
        values = session.scalar(sa.select(outcomes.c.outcome).where(outcomes.c.call_id == call_id))
    return None if values is None else StepOutcome.from_json(values, f"the ledger's outcome of call {call_id}")


def keep(ledger: Ledger, outcome: StepOutcome) -> StepOutcome:
    """Write down how a call ended; returns what stands: of two processes with one call, the first one's outcome."""
    row = {
        "call_id": outcome.call_id,
        "flow": outcome.flow,
        "leg": outcome.leg,
        "step": outcome.step,
        "load_id": outcome.load_id or None,
        "outcome": outcome.to_json(),
    }
    with ledger.session() as session:
        session.execute(insert(outcomes).values(row).on_conflict_do_nothing())
    return find(ledger, outcome.call_id) or outcome


def is_announced(ledger: Ledger, load: Load) -> bool:
    """Whether a task has published a load, or has announced it since: both emit an event of what was published.

    A publish that a later run finished in `plan`, or that a shell made, has no such task. One that is older than
    outcomes are kept counts as announced.
    """
    good = sa.not_(outcomes.c.outcome.has_key("error"))
    published = outcomes.c.step == "publish"
    announced = outcomes.c.outcome.has_key("announces")
    of_load = (outcomes.c.leg == load.leg, outcomes.c.load_id == load.load_id)
    tasks = sa.exists().where(*of_load, good, sa.or_(published, announced))
    oldest = sa.func.pg_catalog.now() - (KEPT - dt.timedelta(days=1))
    is_old = sa.cast(load.published_at, sa.DateTime(timezone=True)) < oldest
    with ledger.session() as session:
        return bool(session.scalar(sa.select(sa.or_(tasks, is_old))))


def prune(ledger: Ledger) -> int:
    """Delete outcomes that no task can ask for again; returns how many."""
    with ledger.session() as session:
        old = outcomes.delete().where(outcomes.c.created_at < sa.func.pg_catalog.now() - KEPT)
        return session.execute(old).rowcount
