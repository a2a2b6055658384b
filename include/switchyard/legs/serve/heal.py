"""A healing snapshot: ordered by a diff or a late batch, kept with loads, carried out by the next serve load.

The order is a fact of the load that is served, and of those at work, which may be the served ones by then: they were
planned before the order, and a delta of theirs changes only what it knows of. The serve leg then serves the current
version again even if it is the one that is served, whole: what the collection holds is not trusted, so no delta is made
of it and the cache's floor is raised. The load that is planned on the order carries none.
"""

from __future__ import annotations

from switchyard.errors import LedgerStateError
from switchyard.flow.frozen import thaw
from switchyard.ledger.loads import UNFINISHED, Load
from switchyard.ledger.results import HealOrdered
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve.served import last_served, served_part
from switchyard.serve.mongo import record
from switchyard.serve.mongo.target import MongoTarget

_MOST_READS = 20


def order_heal(runtime: Runtime, ledger: Ledger, compared: Load, diff_id: str) -> None:
    """Let the next serve load of the flow be a whole snapshot, because `compared` differs; an order twice is one.

    MongoDB's record keeps the order as well, because it outlives the ledger.
    """
    order_snapshot(ledger, compared, diff_id)
    flow = thaw(compared.spec)
    with MongoTarget(runtime.connections.get(served_part(flow).connection)) as mongo:
        record.order_snapshot(mongo, served_part(flow).collection, compared.load_id, diff_id)


def order_snapshot(ledger: Ledger, load: Load, ordered_by: str) -> None:
    """Let the next serve load to this load's collection be a snapshot, whoever is at work now and however that ends.

    A load that is planned later finds the order at the load that was served last.
    """
    order = HealOrdered(ordered_by)
    for attempt in range(_MOST_READS):
        at_work = ledger.list_loads(load.flow, "serve", UNFINISHED)
        served = last_served(ledger, thaw(load.spec))
        try:
            for each in (*at_work, *([served] if served else [])):
                ledger.advance(each, each.state, expected=[each.state], result=order)
        except LedgerStateError:  # one of them moved on meanwhile
            if attempt + 1 == _MOST_READS:
                raise
        else:
            return


def take_over_order(ledger: Ledger, planned: Load, last: Load | None) -> None:
    """Give the order to a load that was planned on `last` while the order was written to that one."""
    order = ledger.get(last.load_id).find_result(HealOrdered) if last else None
    if order is not None:
        ledger.advance(planned, planned.state, expected=[planned.state], result=order)


def trusted(served: Load | None) -> Load | None:
    """The load that is served, unless a snapshot was ordered: then what the collection holds is of no load."""
    return None if served is None or served.find_result(HealOrdered) else served
