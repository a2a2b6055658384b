"""The cache's part of the serve leg: the gate closes before the publish, and opens when the changed keys are out."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from switchyard.catalog.chain import redis_database
from switchyard.catalog.lineage import cache_step
from switchyard.flow.spec import Flow
from switchyard.handover import LineageStep
from switchyard.ledger.loads import Load
from switchyard.ledger.results import CacheSettled, ServePlanned, Staged
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve.served import served_part
from switchyard.serve.cache.publisher import CachePublisher, Warming
from switchyard.serve.mongo.target import MongoTarget

log = logging.getLogger(__name__)


def _publisher(runtime: Runtime, flow: Flow) -> CachePublisher | None:
    return CachePublisher(flow.flow, runtime.connections.get(flow.cache.connection)) if flow.cache else None


def close_gate(runtime: Runtime, ledger: Ledger, flow: Flow, load: Load) -> None:
    """Close the gate for this load, before anything of it is visible; readers go to MongoDB and fill nothing."""
    publisher = _publisher(runtime, flow)
    if publisher is None:
        return
    served = ledger.last_finished(flow.flow, "serve")
    gate = publisher.gate()
    if gate is None or gate.seq != load.seq or not gate.is_open:
        publisher.close(load.seq, served=served.seq if served and load.result(ServePlanned).previous else None)


def check(runtime: Runtime, flow: Flow) -> None:
    """Refuse a Redis that is down, or that could restore old state."""
    publisher = _publisher(runtime, flow)
    for warning in publisher.preflight() if publisher else ():
        log.warning("%s", warning)


def restore_gate(runtime: Runtime, flow: Flow, served: Load) -> None:
    """Bring back a gate that Redis lost, when there is nothing to serve."""
    publisher = _publisher(runtime, flow)
    if publisher is not None:
        publisher.restore(served.seq)


def settle(runtime: Runtime, flow: Flow, load: Load, scratch: Path) -> CacheSettled:
    """Invalidate exactly the changed keys, verify, warm and open the gate (protocol step 6)."""
    from switchyard.serve.delta import read_changed_ids

    publisher, serve = _publisher(runtime, flow), served_part(flow)
    assert publisher is not None and flow.cache is not None  # noqa: S101 - only cached flows come here
    staged = load.result(Staged)
    changes = runtime.hdfs(flow).download_file(staged.changes, scratch / "changes.parquet")
    ids = partial(read_changed_ids, changes, serve.key, timestamps=serve.timestamps)
    fillable = partial(ids, ops=("insert", "update"))
    with MongoTarget(runtime.connections.get(serve.connection)) as mongo:
        warming = Warming(mongo, serve.collection, flow.cache.warm, flow.cache.ttl) if flow.cache.warm else None
        settled = publisher.settle(
            load.seq,
            ids if staged.changes_known else None,
            limit=flow.cache.max_invalidate,
            warm=warming,
            warm_ids=fillable,
        )
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
