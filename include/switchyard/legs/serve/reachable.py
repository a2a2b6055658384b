"""Which connections an unfinished serve load is finished by, when the flow file names others by now.

A load keeps the flow that it was planned with. Its servers may be gone, or renamed: the connections of the flow file
are used when they reach the same data, which the load's id proves. For the cache any Redis will do, because nothing in
it is believed.
"""

from __future__ import annotations

import logging

from switchyard.errors import ConnectionMissing, ConnectionNotHanded, ServerUnavailable, SwitchyardError
from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Cache, Flow
from switchyard.lake.hdfs import Hdfs
from switchyard.ledger.loads import Load
from switchyard.ledger.renaming import freeze_again
from switchyard.ledger.results import Staged
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve import refresh_cache
from switchyard.legs.serve.served import served_part
from switchyard.serve.mongo.record import read_shown
from switchyard.serve.mongo.target import MongoTarget

log = logging.getLogger(__name__)

_GONE = (ConnectionMissing, ServerUnavailable)


def use_reachable(runtime: Runtime, ledger: Ledger, load: Load, now: Flow) -> Load:
    """Write into a load the connections that it is finished by: those of the file where they reach its data.

    Raises:
        SwitchyardError: neither connection reaches the load's data; it names both.
    """
    frozen = thaw(load.spec)
    if now.serve is None or _connections(frozen) == _connections(now):
        return load
    serve = served_part(frozen).model_copy(update={"connection": _choose_mongo(runtime, load, frozen, now)})
    lake = frozen.lake.model_copy(update={"hdfs": _choose_hdfs(runtime, load, frozen, now)})
    cache = _choose_cache(runtime, load, frozen, now)
    chosen = frozen.model_copy(update={"serve": serve, "lake": lake, "cache": cache})
    log.warning(
        "load %s was planned with connections %s and is finished by %s",
        *(load.load_id, ", ".join(_connections(frozen)), ", ".join(_connections(chosen))),
    )
    return freeze_again(ledger, load, chosen)


def _connections(flow: Flow) -> tuple[str, ...]:
    cache = (flow.cache.connection,) if flow.cache else ()
    return (served_part(flow).connection, flow.lake.hdfs, *cache)


def _choose_mongo(runtime: Runtime, load: Load, frozen: Flow, now: Flow) -> str:
    old, new = served_part(frozen).connection, served_part(now).connection
    if old == new or _mongo_has(runtime, new, load):
        return new
    if _answers(runtime, old):
        return old
    raise _neither(load, "MongoDB", old, new, "has no staging and no record of it")


def _mongo_has(runtime: Runtime, conn_id: str, load: Load) -> bool:
    """Whether a MongoDB has this load's staging, record or marker. A server that does not answer has nothing."""
    collection, staged = served_part(thaw(load.spec)).collection, load.find_result(Staged)
    try:
        with MongoTarget(runtime.connections.get(conn_id)) as mongo:
            shown = read_shown(mongo, collection)
            named = [each.load_id for each in (shown.record, shown.marker) if each is not None]
            return load.load_id in named or bool(staged and staged.staging and mongo.exists(staged.staging))
    except _GONE as error:
        log.warning("connection %s cannot be looked at: %s", conn_id, error.what)
        return False


def _answers(runtime: Runtime, conn_id: str) -> bool:
    try:
        with MongoTarget(runtime.connections.get(conn_id)) as mongo:
            mongo.ping()
    except _GONE as error:
        log.warning("connection %s cannot be used any more: %s", conn_id, error.what)
        return False
    return True


def _choose_hdfs(runtime: Runtime, load: Load, frozen: Flow, now: Flow) -> str:
    old, new = frozen.lake.hdfs, now.lake.hdfs
    staged = load.find_result(Staged)
    if old == new or staged is None or _hdfs_has(runtime, new, staged.changes):
        return new
    if _hdfs_has(runtime, old, staged.changes):
        return old
    raise _neither(load, "HDFS", old, new, f"has no {staged.changes}")


def _hdfs_has(runtime: Runtime, conn_id: str, path: str) -> bool:
    try:
        return Hdfs(runtime.connections.get(conn_id)).exists(path)
    except ConnectionNotHanded:
        raise
    except SwitchyardError as error:
        log.warning("connection %s cannot be used: %s", conn_id, error.what)
        return False


def _choose_cache(runtime: Runtime, load: Load, frozen: Flow, now: Flow) -> Cache | None:
    """The cache to settle: the file's; what the old one holds is closed to its readers, if it still answers."""
    if frozen.cache is None or (now.cache is not None and frozen.cache.connection == now.cache.connection):
        return frozen.cache
    refresh_cache.leave(runtime, frozen, now, load.seq)
    return None if now.cache is None else frozen.cache.model_copy(update={"connection": now.cache.connection})


def _neither(load: Load, server: str, old: str, new: str, what: str) -> SwitchyardError:
    return SwitchyardError(
        f"load {load.load_id} is {load.state}, and cannot be finished: {server} of connection {old}, which it was "
        f"planned with, does not answer, and that of {new}, which the flow file names now, {what}",
        where=f"flow {load.flow}, leg serve",
        cure=f"bring {old} back; or give the load up: switchyard abandon {load.flow} --leg serve --why '…'",
    )
