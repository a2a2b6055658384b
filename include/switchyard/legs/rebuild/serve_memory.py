"""What the stores tell of a flow's serve leg, for a ledger that is made again.

The last serve load cannot be made again: it is written down as given up, so that the next serve is a snapshot with a
raised floor. What must be known is a seq above all that were used, because a cache's gate refuses a lower one.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass

from switchyard.errors import UNREACHABLE, ConnectionUnusable, SwitchyardError
from switchyard.flow.frozen import frozen_spec, spec_hash
from switchyard.flow.spec import Flow
from switchyard.ledger.registry import RegisteredLoad
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve import refresh_cache
from switchyard.legs.serve.check import product_seq, require_known
from switchyard.legs.serve.served import served_part
from switchyard.serve.mongo.record import Shown, read_shown
from switchyard.serve.mongo.target import MongoTarget


@dataclass(frozen=True)
class ServeMemory:
    """What the stores know.

    Args:
        last_seq: the highest serve seq that was seen.
        sentences: what was seen, and what cannot be known.
        loads: the loads that MongoDB names.
    """

    last_seq: int
    sentences: tuple[str, ...] = ()
    loads: tuple[RegisteredLoad, ...] = ()


def read_serve_memory(runtime: Runtime, flow: Flow) -> ServeMemory:
    """The memory of a flow that serves. Raises ServerUnavailable when MongoDB does not answer.

    Where nothing was seen, the seq is the seconds since 1970: above every seq that a ledger counted by ones, and rising
    from rebuild to rebuild.
    """
    collection = served_part(flow).collection
    with MongoTarget(runtime.connections.get(served_part(flow).connection)) as mongo:
        shown, staged = read_shown(mongo, collection), mongo.staged_seq(collection)
    sentences = ["the next serve is a snapshot, and what is cached is void"]
    gate = 0
    try:
        gate = refresh_cache.used_seq(runtime, flow)
    except UNREACHABLE as error:
        gate = int(time.time())
        sentences.append(f"the cache's gate was not seen ({error.what})")
    last_seq = max(shown.seq, staged, gate, product_seq(runtime, flow))
    if shown.record is not None:
        sentences.append(f"MongoDB's record names load {shown.record.load_id}, serve seq {shown.record.serve_seq}")
    if last_seq == 0:
        sentences.append("no serve seq was seen anywhere")
    return ServeMemory(last_seq or int(time.time()), tuple(sentences), _named_loads(flow, shown))


def disagreement(runtime: Runtime, ledger: Ledger, flow: Flow) -> str | None:
    """Why the ledger does not know what the collection shows; None when it does, or nothing is served.

    A restored MongoDB is not such a disagreement, because no ledger could end it: the next serve is a snapshot.
    """
    try:
        require_known(runtime, ledger, flow)
    except SwitchyardError as error:
        if error.retryable or isinstance(error, ConnectionUnusable):
            raise
        return error.what
    return None


def _named_loads(flow: Flow, shown: Shown) -> tuple[RegisteredLoad, ...]:
    """The loads that MongoDB's record and marker name, as given up: how much of them was served is not known."""
    named = {}
    if shown.marker is not None:
        named[shown.marker.load_id] = (shown.marker.serve_seq, shown.marker.lake_seq)
    if shown.record is not None and shown.record.flow == flow.flow:
        named[shown.record.load_id] = (shown.record.serve_seq, shown.record.lake_seq)
    return tuple(_given_up(flow, load_id, *seqs) for load_id, seqs in named.items())


def _given_up(flow: Flow, load_id: str, serve_seq: int, lake_seq: int) -> RegisteredLoad:
    return RegisteredLoad(
        load_id=load_id,
        flow=flow.flow,
        leg="serve",
        seq=serve_seq,
        previous_seq=None,
        version=lake_seq,
        state="abandoned",
        kind="load",
        low=None,
        high=None,
        spec=frozen_spec(flow),
        spec_hash=spec_hash(flow),
        try_id=None,
        location=None,
        created_at=dt.datetime.now(dt.UTC),
        facts={},
        error="the ledger was made again: what of this load was served is not known",
    )
