"""Rows of the ledger that get another name, or another frozen flow."""

from __future__ import annotations

import sqlalchemy as sa

from switchyard.flow.frozen import frozen_spec, hash_of
from switchyard.flow.spec import Flow
from switchyard.ledger.loads import Load
from switchyard.ledger.results import TableLeft
from switchyard.ledger.statements import facts_with
from switchyard.ledger.store import Ledger
from switchyard.ledger.tables import flows, loads


def knows(ledger: Ledger, flow: str) -> bool:
    """Whether the ledger has a load of a flow."""
    return bool(ledger.list_loads(flow, limit=1))


def rename_rows(ledger: Ledger, old: str, new: str, *, rev: int | None) -> None:
    """Write another name into every row of a flow, frozen flows included, in one transaction.

    `rev` is the table's, after its parameters were renamed.
    """
    shown = (loads.c.leg == "ingest", loads.c.state == "published", loads.c.superseded_at.is_(None))
    with ledger.session() as session:
        session.execute(flows.delete().where(flows.c.flow == new))  # a row of seqs alone: it has no load
        session.execute(flows.update().where(flows.c.flow == old).values(flow=new))
        if rev is not None:
            note_rev = loads.update().where(loads.c.flow == old, *shown).values(facts=facts_with(TableLeft(rev)))
            session.execute(note_rev)
        for row in session.execute(sa.select(loads.c.load_id, loads.c.spec).where(loads.c.flow == old)).all():
            spec = {**row.spec, "flow": new}
            values = {"flow": new, "spec": spec, "spec_hash": hash_of(spec)}
            session.execute(loads.update().where(loads.c.load_id == row.load_id).values(values))


def freeze_again(ledger: Ledger, load: Load, flow: Flow) -> Load:
    """Keep another flow with a load, when its connections lead nowhere any more and those of the file do."""
    spec = frozen_spec(flow)
    values = {"spec": spec, "spec_hash": hash_of(spec), "updated_at": sa.func.pg_catalog.now()}
    with ledger.session() as session:
        session.execute(loads.update().where(loads.c.load_id == load.load_id).values(values))
    return ledger.get(load.load_id)
