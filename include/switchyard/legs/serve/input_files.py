"""Whether all that a product's query reads is there: Hive reads a directory that is gone as an empty one, in silence.

Tables of Switchyard are compared with what was proved, of whichever flow they are; of other tables nobody knows more
than whether their directories exist.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from switchyard.errors import SourceMoved, TruthConflict
from switchyard.flow.cures import run_again
from switchyard.flow.spec import Flow
from switchyard.lake.hdfs import Hdfs
from switchyard.lake.partitions import read_locations
from switchyard.lake.table_version import TableVersion, hdfs_path
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve.inputs import input_partitions, input_tables
from switchyard.legs.truth.missing import ProvedDirectory, described, find_faults, version_faults

log = logging.getLogger(__name__)


def require_input_files(runtime: Runtime, ledger: Ledger, flow: Flow, dependency: str) -> None:
    """Raise unless the files of every table that a query reads are there.

    Args:
        runtime: whose metastore and HDFS are asked.
        ledger: that knows what was proved.
        flow: whose `serve.select` it is.
        dependency: Hive's answer to EXPLAIN DEPENDENCY.

    Raises:
        TruthConflict: files are gone, or others than those that were proved.
        SourceMoved: a table shows partitions of a load that is not published, or not any more.
    """
    hdfs = runtime.hdfs(flow)
    metastore = runtime.metastore(flow)
    partitions = input_partitions(dependency)
    for name in input_tables(dependency):
        database, table = name.split(".", 1)
        version = metastore.read_version(database, table)
        if version is not None and version.is_ours:
            _require_version(hdfs, ledger, flow, version)
        else:
            locations = read_locations(metastore, database, table, partitions.get(name, ()))
            _require_directories(hdfs, flow, name, locations)


def _require_version(hdfs: Hdfs, ledger: Ledger, flow: Flow, version: TableVersion) -> None:
    other_flow = version.flow
    if version.strays:
        raise SourceMoved(
            f"Hive table {version.name}, which serve.select reads, shows {len(version.strays)} partitions that belong "
            f"to no published version: a load or a rollback of flow {other_flow}, which writes that table, is at work "
            "or was killed",
            where=f"flow {flow.flow}, leg serve",
            cure="nothing was published; wait until it has ended; if none is at work: switchyard run ingest "
            f"{other_flow}, which finishes or removes them; then {run_again('serve', flow.flow)}",
        )
    if not _is_seen(hdfs, version.name, [version.location]):
        return
    faults = version_faults(hdfs, version, ledger.find(version.load_id))
    if faults:
        raise TruthConflict(
            f"serve.select reads a table whose files are not all there: {described(version, faults)}",
            where=f"flow {flow.flow}, leg serve",
            cure="nothing was published; restore the files, or load that table again, as switchyard run ingest "
            f"{other_flow} says; then {run_again('serve', flow.flow)}",
        )


def _require_directories(hdfs: Hdfs, flow: Flow, name: str, locations: Sequence[str]) -> None:
    """Of a table that Switchyard did not make."""
    if not _is_seen(hdfs, name, locations):
        return
    faults = find_faults(hdfs.size_of, [ProvedDirectory(hdfs_path(location)) for location in locations])
    if faults:
        raise TruthConflict(
            f"serve.select reads Hive table {name}, and {len(faults)} of its directories are gone, which Hive reads as "
            f"empty: {faults[0]}",
            where=f"flow {flow.flow}, leg serve",
            cure="nothing was published; restore them; or, if nothing is missing, make them (hdfs dfs -mkdir -p) or "
            f"drop those partitions; then {run_again('serve', flow.flow)}",
        )


def _is_seen(hdfs: Hdfs, name: str, locations: Sequence[str]) -> bool:
    """Whether the flow's HDFS connection leads to these places; a warning when it does not."""
    elsewhere = [location for location in locations if not location.startswith(f"{hdfs.url}/")]
    if elsewhere:
        log.warning(
            "serve.select reads %s at %s, where connection %s does not lead: whether its files are there is not known",
            *(name, elsewhere[0], hdfs.connection.conn_id),
        )
    return not elsewhere
