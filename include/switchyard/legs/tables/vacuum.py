"""Delete what is no longer needed: debris of abandoned loads, and old versions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from switchyard.flow import naming
from switchyard.flow.spec import Flow
from switchyard.ledger.loads import FINISHED, UNFINISHED, Load
from switchyard.ledger.registry import is_lately_learned
from switchyard.ledger.reports import Tidied
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime


def vacuum(runtime: Runtime, ledger: Ledger, flow: Flow, leg: naming.Leg) -> Tidied:
    """Delete debris of abandoned loads, and versions beyond `keep_loads` that no reader or serve load needs.

    `serve` has versions of its own only when it serves a product. Of the versions, only what the ledger knows and what
    lies below the table's own root is deleted: an adopted table's first version is somebody else's.
    """
    lake, hdfs = flow.lake, runtime.hdfs(flow)
    table = lake.table if leg == "ingest" or flow.serve is None else naming.served_table(lake, flow.serve)[1]
    root = naming.table_root(lake.root, lake.database, table)
    deleted = delete_finished(runtime, ledger, flow, f"{lake.root}/_staging/{lake.database}/{table}")
    published = ledger.list_loads(flow.flow, leg, [FINISHED[leg]])
    needed = ledger.pinned_locations(flow.flow) | _shown(runtime, flow, table)
    before = dt.datetime.now(dt.UTC) - lake.longest_query
    old = old_versions(published, lake.keep_loads, needed, before)
    doomed = [location for location in old if location.startswith(f"{root}/load=")]
    given_up = ledger.list_loads(flow.flow, leg, ["abandoned"])
    abandoned = {load.load_id for load in given_up if not is_lately_learned(load)}
    winners = {load.load_id: load for load in published}
    for directory in hdfs.list_directories(root):
        load_id = directory.rpartition("load=")[2]
        tries = hdfs.list_directories(directory)
        doomed += [directory] if load_id in abandoned else _debris(directory, tries, winners.get(load_id))
    doomed = [directory for directory in doomed if not _holds(directory, needed)]
    for directory in doomed:
        hdfs.delete(directory)
    return Tidied(deleted + len(doomed), _drop_staging_tables(runtime, flow, abandoned))


def old_versions(published: Sequence[Load], keep: int, needed: set[str], before: dt.datetime) -> list[str]:
    """Directories that may go: not among the newest `keep`, not needed, every load of theirs superseded long ago.

    Args:
        published: newest first. A rollback has the directory of the load that it went back to.
        keep: how many different directories stay.
        needed: directories that stay whatever their age.
        before: queries that began earlier than this have ended.
    """
    loads: dict[str, list[Load]] = {}
    for load in published:
        if load.location is not None:
            loads.setdefault(load.location, []).append(load)
    return [
        location
        for location in list(loads)[keep:]
        if location not in needed
        and all(load.superseded_at is not None and load.superseded_at < before for load in loads[location])
    ]


def _holds(directory: str, needed: set[str]) -> bool:
    """Whether a directory is, or has in it, one that is needed: whatever the ledger says of its load."""
    return any(path == directory or path.startswith(f"{directory}/") for path in needed)


def _shown(runtime: Runtime, flow: Flow, table: str) -> set[str]:
    """Directories that Hive shows now, whatever the ledger says."""
    version = runtime.metastore(flow).read_version(flow.lake.database, table)
    return set(version.paths) if version else set()


def _drop_staging_tables(runtime: Runtime, flow: Flow, abandoned: set[str]) -> int:
    """Drop what killed loads of this flow left in the staging database; returns how many tables."""
    metastore = runtime.metastore(flow)
    tables = metastore.list_tables(naming.STAGING_DATABASE)
    doomed = [table for table in tables if naming.load_of_staging_table(table) in abandoned]
    for table in doomed:
        metastore.drop_table(naming.STAGING_DATABASE, table)
    return len(doomed)


def delete_finished(runtime: Runtime, ledger: Ledger, flow: Flow, parent: str) -> int:
    """Delete the `load=…` directories below `parent`, but not those of loads that are at work; returns how many."""
    hdfs = runtime.hdfs(flow)
    alive = {f"load={load.load_id}" for load in ledger.list_loads(flow.flow, None, UNFINISHED)}
    doomed = [path for path in hdfs.list_directories(parent) if path.rpartition("/")[2] not in alive]
    for directory in doomed:
        hdfs.delete(directory)
    return len(doomed)


def _debris(directory: str, tries: Sequence[str], winner: Load | None) -> list[str]:
    """Of a published load's directory the tries that lost, or all of it when no try is left in it."""
    if winner is None:
        return []
    return [path for path in tries if path != winner.location] if tries else [directory]
