"""How the data of a serve load is recognised behind other connections; `legs.truth.reachable` has the rule.

It is the load's staging, record or marker in MongoDB, or the collection as the load was planned on, and the load's
files in HDFS. Any Redis will do, because nothing in it is believed.
"""

from __future__ import annotations

from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Cache, Flow
from switchyard.lake.hdfs import Hdfs
from switchyard.ledger.loads import Load
from switchyard.ledger.results import ServePlanned, Staged
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve import refresh_cache
from switchyard.legs.serve.served import served_part
from switchyard.legs.truth.reachable import ServerOfLoad, keep_connections, require_data
from switchyard.serve.mongo.record import Shown, read_shown
from switchyard.serve.mongo.target import MongoTarget

VISIBLE = ("publishing", "refreshing")
"""States of a load that is finished and not abandoned, because readers may see something of it."""


def require_reachable(runtime: Runtime, ledger: Ledger, now: Flow) -> None:
    """Raise unless the file's connections reach the data of each load that is being published. Nothing is written."""
    for load in ledger.list_loads(now.flow, "serve", VISIBLE):
        require_data(load, _servers(runtime, load, now))


def use_reachable(runtime: Runtime, ledger: Ledger, load: Load, now: Flow) -> Load:
    """Let a load be finished by the file's connections, when they reach its data; raises SwitchyardError otherwise."""
    frozen = thaw(load.spec)
    planned = _connections(frozen)
    if planned == _connections(now):
        return load
    require_data(load, _servers(runtime, load, now))
    serve = served_part(frozen).model_copy(update={"connection": served_part(now).connection})
    lake = frozen.lake.model_copy(update={"hdfs": now.lake.hdfs})
    cache = _choose_cache(runtime, load, frozen, now)
    flow = frozen.model_copy(update={"serve": serve, "lake": lake, "cache": cache})
    return keep_connections(ledger, load, flow, planned, _connections(flow))


def _connections(flow: Flow) -> tuple[str, ...]:
    cache = (flow.cache.connection,) if flow.cache else ()
    return (served_part(flow).connection, flow.lake.hdfs, *cache)


def _servers(runtime: Runtime, load: Load, now: Flow) -> tuple[ServerOfLoad, ...]:
    frozen = thaw(load.spec)
    planned, named = served_part(frozen).connection, served_part(now).connection
    hdfs = now.lake.hdfs
    return (
        ServerOfLoad(planned, named, lambda: _missing_documents(runtime, load, named)),
        ServerOfLoad(frozen.lake.hdfs, hdfs, lambda: _missing_files(runtime, load, hdfs)),
    )


def _missing_documents(runtime: Runtime, load: Load, conn_id: str) -> str:
    collection = served_part(thaw(load.spec)).collection
    staged = load.find_result(Staged)
    staging = staged.staging if staged else None
    with MongoTarget(runtime.connections.get(conn_id)) as mongo:
        has_staging = staging is not None and mongo.exists(staging)
        if is_of_load(read_shown(mongo, collection), load, has_staging=has_staging):
            return ""
    return f"has no staging and no record of it for collection {collection}"


def is_of_load(shown: Shown, load: Load, *, has_staging: bool) -> bool:
    """Whether a collection is the one that a load is published to.

    It is when the load's staging is beside it, or its record or marker names the load. A load that writes in place has
    no staging: as long as it has not begun, the collection has the marker that it had when the load was planned.
    """
    if has_staging or load.load_id in [each.load_id for each in (shown.record, shown.marker) if each is not None]:
        return True
    staged, planned = load.find_result(Staged), load.result(ServePlanned)
    awaits_staging = staged is None or staged.staging is not None
    if awaits_staging or load.state != "publishing" or not planned.marker:
        return False
    return shown.marker is not None and shown.marker.index_name == planned.marker


def _missing_files(runtime: Runtime, load: Load, conn_id: str) -> str:
    staged = load.find_result(Staged)
    if staged is None:
        return ""
    hdfs = Hdfs(runtime.connections.get(conn_id))
    files = [staged.changes, *([staged.replacements.file] if staged.replacements else [])]
    return next((f"has no {file}" for file in files if not hdfs.exists(file)), "")


def _choose_cache(runtime: Runtime, load: Load, frozen: Flow, now: Flow) -> Cache | None:
    """The cache to settle: the file's; what the old one holds is closed to its readers, if it still answers."""
    if frozen.cache is None or (now.cache is not None and frozen.cache.connection == now.cache.connection):
        return frozen.cache
    refresh_cache.leave(runtime, frozen, now, load.seq)
    return None if now.cache is None else frozen.cache.model_copy(update={"connection": now.cache.connection})
