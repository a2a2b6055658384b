"""The cache's part of the serve leg: the gate closes before the publish, and opens when the changed keys are out."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from switchyard.catalog.chain import redis_database
from switchyard.catalog.lineage import cache_step
from switchyard.errors import ConnectionMissing, ConnectionNotHanded, SwitchyardError
from switchyard.flow.frozen import thaw
from switchyard.flow.naming import served_identity
from switchyard.flow.spec import Flow
from switchyard.handover import LineageStep
from switchyard.ledger.loads import Load
from switchyard.ledger.results import CacheSettled, ServePlanned, Staged
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve.recorded import planned_record
from switchyard.legs.serve.served import served_part
from switchyard.serve.cache.gate import Gate
from switchyard.serve.cache.publisher import CachePublisher, Warming
from switchyard.serve.mongo.connection import server_of_connection
from switchyard.serve.mongo.target import MongoTarget

log = logging.getLogger(__name__)


def _publisher(runtime: Runtime, flow: Flow) -> CachePublisher | None:
    if flow.cache is None:
        return None
    serve = served_part(flow)
    mongo = runtime.connections.get(serve.connection)
    identity = served_identity(server_of_connection(mongo), mongo.schema, serve.collection)
    return CachePublisher(flow.flow, runtime.connections.get(flow.cache.connection), identity)


def close_gate(runtime: Runtime, flow: Flow, load: Load) -> None:
    """Close the gate for this load, before anything of it is visible; readers go to MongoDB and fill nothing."""
    publisher = _publisher(runtime, flow)
    if publisher is None:
        return
    gate = publisher.gate()
    if gate is None or gate.seq != load.seq or not gate.is_open:
        counted_from = load.previous_seq if load.result(ServePlanned).previous is not None else None
        publisher.close(load.seq, served=counted_from)


def forget(runtime: Runtime, flow: Flow) -> None:
    """Remove a flow's gate and values: no reader of that name finds a gate any more, and all read MongoDB."""
    publisher = _publisher(runtime, flow)
    if publisher is not None:
        publisher.reset()


def leave(runtime: Runtime, before: Flow, now: Flow, seq: int) -> None:
    """Close a cache that the flow does not use any more: whoever still reads it, reads MongoDB from now on.

    One that does not answer stays as it is; a warning says for how long its readers may see old values.
    """
    if _is_same_redis(runtime, before, now):
        return
    try:
        publisher = _publisher(runtime, before)
        gate = publisher.gate() if publisher else None
        if publisher is not None and gate is not None and gate.is_open:
            publisher.close(max(seq, gate.seq + 1), served=None)
    except ConnectionNotHanded:
        raise
    except SwitchyardError as error:
        log.warning(
            "the cache of flow %s that was used before could not be closed: its readers may see old values for %s: %s",
            *(before.flow, before.cache.ttl if before.cache else "-", error.what),
        )


def _is_same_redis(runtime: Runtime, before: Flow, now: Flow) -> bool:
    """Whether two connections lead to one database of one Redis; False when one of them is not known."""
    if before.cache is None or now.cache is None:
        return False
    try:
        places = [runtime.connections.get(cache.connection) for cache in (before.cache, now.cache)]
    except ConnectionMissing:
        return False
    return len({(place.address, redis_database(place)) for place in places}) == 1


def leave_former(runtime: Runtime, ledger: Ledger, flow: Flow, load: Load) -> None:
    """Close the cache of the load that was served last, when this one has another, or none."""
    last = ledger.last_finished(flow.flow, "serve")
    before = thaw(last.spec) if last else flow
    if before.cache and (flow.cache is None or flow.cache.connection != before.cache.connection):
        leave(runtime, before, flow, load.seq)


def check(runtime: Runtime, flow: Flow) -> None:
    """Refuse a Redis that is down, or that could restore old state."""
    publisher = _publisher(runtime, flow)
    for warning in publisher.preflight() if publisher else ():
        log.warning("%s", warning)


def restore_gate(runtime: Runtime, ledger: Ledger, flow: Flow, served: Load) -> bool:
    """Bring back a gate that Redis lost, when there is nothing to serve. False: the version has to be served again.

    That is so when this load's gate stands for another collection: the connection's server was changed, and only a new
    seq tells the values of the two apart. It is so, too, when the gate is of a higher seq: a publish was given up, or
    both MongoDB and the ledger were restored, and the cache has values of later. A gate of another seq and another
    collection is another environment's, and is left alone: the readers of this one use MongoDB.
    """
    publisher = _publisher(runtime, flow)
    if publisher is None:
        return True
    gate = publisher.gate()
    if gate is not None and gate.is_of_another(publisher.identity):
        if gate.seq == served.seq:
            return False
        log.warning("the cache of flow %s serves another collection: readers of this one use MongoDB", flow.flow)
        return True
    if gate is not None and gate.seq > served.seq:
        return False
    publisher.restore(served.seq, upgrade=_always_served(ledger, flow))
    publisher.tell(planned_record(flow, served).describe())
    return True


def used_seq(runtime: Runtime, flow: Flow) -> int:
    """The seq of the cache's gate, whoever published it; 0 without one. A new load needs a higher one."""
    gate = gate_of(runtime, flow)
    return gate.seq if gate else 0


def gate_of(runtime: Runtime, flow: Flow) -> Gate | None:
    """The cache's gate as it stands; None without one, or without a cache."""
    publisher = _publisher(runtime, flow)
    return publisher.gate() if publisher else None


def _always_served(ledger: Ledger, flow: Flow) -> bool:
    """Whether every load that the ledger knows was served to the flow's collection: no cached value is another's."""
    serve = served_part(flow)
    served = (thaw(load.spec).serve for load in ledger.list_loads(flow.flow, "serve", ["served"]))
    places = {(earlier.connection, earlier.collection) for earlier in served if earlier}
    return places <= {(serve.connection, serve.collection)}


def settle(runtime: Runtime, flow: Flow, load: Load, scratch: Path) -> CacheSettled:
    """Invalidate exactly the changed keys, verify, warm and open the gate (protocol step 6)."""
    from switchyard.serve.delta import read_changed_ids

    publisher, serve = _publisher(runtime, flow), served_part(flow)
    assert publisher is not None and flow.cache is not None  # noqa: S101 - only cached flows come here
    staged, hdfs = load.result(Staged), runtime.hdfs(flow)
    has_changes = hdfs.exists(staged.changes)  # tidy deleted it, when an older ledger is back
    if not has_changes:
        log.warning(
            "the file of the keys that load %s changed is gone, as tidy deletes it when a load is served: every "
            "cached value is void now, and fills again as it is read",
            load.load_id,
        )
    changes = hdfs.download_file(staged.changes, scratch / "changes.parquet") if has_changes else scratch
    ids = partial(read_changed_ids, changes, serve.key, timestamps=serve.timestamps)
    fillable = partial(ids, ops=("insert", "update"))
    with MongoTarget(runtime.connections.get(serve.connection)) as mongo:
        keys = flow.cache.warm if has_changes else 0
        warming = Warming(mongo, serve.collection, keys, flow.cache.ttl) if keys else None
        settled = publisher.settle(
            load.seq,
            ids if has_changes and staged.changes_known else None,
            limit=flow.cache.max_invalidate,
            warm=warming,
            warm_ids=fillable,
        )
    publisher.tell(planned_record(flow, load).describe())
    return CacheSettled(
        invalidated=settled.invalidated.keys,
        unlinked=settled.invalidated.unlinked,
        floor_raised=settled.invalidated.floor_raised,
        verified=settled.verified,
        warmed=settled.warmed.warmed,
    )


def lineage(runtime: Runtime, flow: Flow, columns: Iterable[str]) -> LineageStep:
    """Collection → Redis keyspace."""
    assert flow.cache is not None  # noqa: S101 - only cached flows come here
    return cache_step(
        flow,
        mongo_database=runtime.connections.get(served_part(flow).connection).schema,
        redis_database=redis_database(runtime.connections.get(flow.cache.connection)),
        fields=columns,
    )
