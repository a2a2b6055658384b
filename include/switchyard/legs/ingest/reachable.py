"""How the data of an ingest load is recognised behind other connections; `legs.truth.reachable` has the rule.

It is the load's landing in HDFS, and the table, which shows the load or the version that it was planned on. HiveServer2
holds no data: any will do.
"""

from __future__ import annotations

from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Flow, Lake
from switchyard.lake.hdfs import Hdfs
from switchyard.lake.metastore import Metastore
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.loads import Load
from switchyard.ledger.store import Ledger
from switchyard.ledger.table_memory import read_memory
from switchyard.legs.runtime import Runtime
from switchyard.legs.truth.check import lake_table
from switchyard.legs.truth.reachable import ServerOfLoad, keep_connections, require_data


def require_reachable(runtime: Runtime, ledger: Ledger, now: Flow) -> None:
    """Raise unless the file's connections reach the data of each load that is being published. Nothing is written."""
    for load in ledger.list_loads(now.flow, "ingest", ["publishing"]):
        require_data(load, _servers(runtime, ledger, load, now))


def use_reachable(runtime: Runtime, ledger: Ledger, load: Load, now: Flow) -> Load:
    """Let a load be finished by the file's connections, when they reach its data; raises SwitchyardError otherwise."""
    require_data(load, _servers(runtime, ledger, load, now))
    return use_connections(ledger, load, now)


def use_connections(ledger: Ledger, load: Load, now: Flow) -> Load:
    """Write into a load the connections of the flow file, which are known to reach its data."""
    frozen = thaw(load.spec)
    planned = _connections(frozen.lake)
    if planned == _connections(now.lake):
        return load
    named = {"metastore": now.lake.metastore, "hdfs": now.lake.hdfs, "hive": now.lake.hive}
    flow = frozen.model_copy(update={"lake": frozen.lake.model_copy(update=named)})
    return keep_connections(ledger, load, flow, planned, _connections(flow.lake))


def _connections(lake: Lake) -> tuple[str, ...]:
    return (lake.metastore, lake.hdfs, lake.hive)


def _servers(runtime: Runtime, ledger: Ledger, load: Load, now: Flow) -> tuple[ServerOfLoad, ...]:
    planned, named = thaw(load.spec).lake, now.lake
    return (
        ServerOfLoad(
            planned.metastore, named.metastore, lambda: _missing_table(runtime, ledger, load, named.metastore)
        ),
        ServerOfLoad(planned.hdfs, named.hdfs, lambda: _missing_landing(runtime, load, named.hdfs)),
    )


def _missing_table(runtime: Runtime, ledger: Ledger, load: Load, conn_id: str) -> str:
    """What is wrong with the table there; empty when it shows the load, or the version that it was planned on."""
    flow = thaw(load.spec)
    name = f"{flow.lake.database}.{flow.lake.table}"
    version = Metastore(runtime.connections.get(conn_id)).read_version(flow.lake.database, flow.lake.table)
    if version is None:
        return f"has no table {name}"
    if _is_the_table(version, load, read_memory(ledger, lake_table(flow), load.load_id).newest):
        return ""
    shows = f"seq {version.seq}, load {version.load_id}" if version.load_id else "no version of this flow"
    return f"has a table {name} that shows {shows}"


def _is_the_table(version: TableVersion, load: Load, newest: Load | None) -> bool:
    if load.kind == "adopt":
        return version.load_id == load.load_id or version.path == load.location
    if version.flow != load.flow or version.is_copy:
        return False
    expected = newest.load_id if newest is not None else ""
    return version.load_id in (load.load_id, expected)


def _missing_landing(runtime: Runtime, load: Load, conn_id: str) -> str:
    if load.location is None or Hdfs(runtime.connections.get(conn_id)).exists(load.location):
        return ""
    return f"has no {load.location}"
