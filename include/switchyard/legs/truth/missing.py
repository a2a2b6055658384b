"""A version whose files are gone: the table shows it, and Hive reads it as if it were empty."""

from __future__ import annotations

from switchyard.errors import TruthConflict
from switchyard.flow import naming
from switchyard.flow.spec import Flow
from switchyard.lake.hdfs import Hdfs
from switchyard.lake.table_version import TableVersion


def missing_paths(hdfs: Hdfs, flow: Flow, version: TableVersion) -> list[str]:
    """Directories that a version shows and HDFS does not have; Hive reads such a one as if it were empty.

    The many of an append table cost one listing: `tidy` leaves no load's directory behind without its files.
    """
    if not version.partitioned:
        return [path for path in version.paths if not hdfs.exists(path)]
    root = naming.table_root(flow.lake.root, flow.lake.database, version.table)
    loads = set(hdfs.list_directories(root))
    below = {path: f"{root}/{path.removeprefix(f'{root}/').partition('/')[0]}" for path in version.paths}
    return [path for path, load in below.items() if not (load in loads or hdfs.exists(path))]


def require_files(hdfs: Hdfs, flow: Flow, version: TableVersion) -> None:
    """Raise TruthConflict when directories of a version are gone: a load on top of it would go on without its rows."""
    missing = missing_paths(hdfs, flow, version)
    if missing:
        raise TruthConflict(
            f"Hive table {version.name} shows {len(version.paths)} directories, and {len(missing)} are not in HDFS: "
            f"{', '.join(missing[:3])}",
            where=f"flow {flow.flow}",
            cure="nothing was changed; restore them, or the metastore's newest backup; or go back to a version that is "
            f"there: switchyard rollback {flow.flow}; or drop the table (no file is deleted) and load everything anew: "
            f"switchyard run ingest {flow.flow} --from-beginning",
        )
