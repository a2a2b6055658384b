"""A healing snapshot: ordered by a diff, kept with the load that is served, carried out by the next serve load.

The order is a fact of the load whose documents were found to differ. The serve leg then serves the current version
again even if it is the one that is served, whole: what the collection holds is not trusted, so no delta is made of it
and the cache's floor is raised. The load that comes of it carries no order.
"""

from __future__ import annotations

from switchyard.flow.frozen import thaw
from switchyard.ledger.loads import Load
from switchyard.ledger.results import HealOrdered
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve.served import served_part
from switchyard.serve.mongo.record import order_snapshot
from switchyard.serve.mongo.target import MongoTarget


def order_heal(runtime: Runtime, ledger: Ledger, served: Load, diff_id: str) -> None:
    """Let the next serve load of the flow be a whole snapshot; an order twice is one.

    MongoDB's record keeps the order as well, because it outlives the ledger.
    """
    ledger.advance(served, served.state, expected=[served.state], result=HealOrdered(diff_id))
    flow = thaw(served.spec)
    with MongoTarget(runtime.connections.get(served_part(flow).connection)) as mongo:
        order_snapshot(mongo, served_part(flow).collection, served.load_id, diff_id)


def trusted(served: Load | None) -> Load | None:
    """The load that is served, unless a snapshot was ordered: then what the collection holds is of no load."""
    return None if served is None or served.find_result(HealOrdered) else served
