"""Which connections an ingest load that was being published is finished by, when the flow file names others by now.

A load keeps the flow that it was planned with. Its servers may have other connections by now, or be gone: those of
the flow file are used when they reach the load's own data, its landing in HDFS and the table as it was planned on. When
they do not, nothing is published: the table that the file names is not the one that the load belongs to.
"""

from __future__ import annotations

import logging

from switchyard.errors import ConnectionMissing, ServerUnavailable, SwitchyardError
from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Flow, Lake
from switchyard.lake.hdfs import Hdfs
from switchyard.lake.metastore import Metastore
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.loads import Load
from switchyard.ledger.renaming import freeze_again
from switchyard.ledger.store import Ledger
from switchyard.ledger.table_memory import read_memory
from switchyard.legs.runtime import Runtime
from switchyard.legs.truth.check import lake_table

log = logging.getLogger(__name__)

_GONE = (ConnectionMissing, ServerUnavailable)


def require_reachable(runtime: Runtime, ledger: Ledger, now: Flow) -> list[Load]:
    """The loads that are being published and were planned with other connections than the file's. Nothing is written.

    Raises:
        SwitchyardError: a connection of the file does not reach a load's data; it names both.
    """
    loads = ledger.list_loads(now.flow, "ingest", ["publishing"])
    moved = [load for load in loads if _named(thaw(load.spec).lake) != _named(now.lake)]
    for load in moved:
        before = thaw(load.spec).lake
        if now.lake.metastore != before.metastore:
            _require_table(runtime, ledger, load, now.lake.metastore)
        if now.lake.hdfs != before.hdfs:
            _require_landing(runtime, load, now.lake.hdfs)
    return moved


def use_connections(ledger: Ledger, load: Load, now: Flow) -> Load:
    """Write into a load the connections of the flow file, which reach its data; it is finished by them."""
    frozen = thaw(load.spec)
    if _named(frozen.lake) == _named(now.lake):
        return load
    log.warning(
        "load %s was planned with connections %s and is finished by %s",
        *(load.load_id, _named(frozen.lake), _named(now.lake)),
    )
    connections = {"metastore": now.lake.metastore, "hdfs": now.lake.hdfs, "hive": now.lake.hive}
    lake = frozen.lake.model_copy(update=connections)
    return freeze_again(ledger, load, frozen.model_copy(update={"lake": lake}))


def _named(lake: Lake) -> str:
    return ", ".join((lake.metastore, lake.hdfs, lake.hive))


def _require_table(runtime: Runtime, ledger: Ledger, load: Load, conn_id: str) -> None:
    """Raise unless the metastore's table shows the load, or the version that it was planned on."""
    flow = thaw(load.spec)
    name = f"{flow.lake.database}.{flow.lake.table}"
    newest = read_memory(ledger, lake_table(flow), load.load_id).newest
    try:
        version = Metastore(runtime.connections.get(conn_id)).read_version(flow.lake.database, flow.lake.table)
    except _GONE as error:
        raise _elsewhere(load, conn_id, flow.lake.metastore, f"cannot be asked: {error.what}") from error
    if version is None:
        raise _elsewhere(load, conn_id, flow.lake.metastore, f"has no table {name}")
    if not _is_the_table(version, load, newest):
        shows = f"seq {version.seq}, load {version.load_id}" if version.load_id else "no version of this flow"
        raise _elsewhere(load, conn_id, flow.lake.metastore, f"has a table {name} that shows {shows}")


def _is_the_table(version: TableVersion, load: Load, newest: Load | None) -> bool:
    if load.kind == "adopt":
        return version.load_id == load.load_id or version.path == load.location
    if version.flow != load.flow or version.is_copy:
        return False
    expected = newest.load_id if newest is not None else ""
    return version.load_id in (load.load_id, expected)


def _require_landing(runtime: Runtime, load: Load, conn_id: str) -> None:
    """Raise unless HDFS has the load's own directory."""
    old = thaw(load.spec).lake.hdfs
    try:
        has_it = load.location is None or Hdfs(runtime.connections.get(conn_id)).exists(load.location)
    except _GONE as error:
        raise _elsewhere(load, conn_id, old, f"cannot be asked: {error.what}") from error
    if not has_it:
        raise _elsewhere(load, conn_id, old, f"has no {load.location}")


def _elsewhere(load: Load, new: str, old: str, what: str) -> SwitchyardError:
    return SwitchyardError(
        f"load {load.load_id} is publishing, planned with connection {old}, and the server of connection {new}, which "
        f"the flow file names now, {what}",
        where=f"flow {load.flow}, leg ingest",
        cure=f"nothing was changed; name {old} in the flow file again and run, or give the load up: "
        f"switchyard abandon {load.flow} --leg ingest --why '…'",
    )
