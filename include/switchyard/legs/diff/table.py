"""The table of differences: a Hive table `<table>__diff` beside the one compared, with a version for each diff."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path

import pyarrow.parquet as pq

from switchyard.flow import naming
from switchyard.flow.spec import Flow
from switchyard.legs.runtime import Runtime
from switchyard.legs.tables import versions
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import INT, STRING, TIMESTAMP

_HIVE_TYPES = {"string": STRING, "int32": INT, "timestamp[us]": TIMESTAMP}


def publish(runtime: Runtime, flow: Flow, table: str, diff_id: str, file: Path) -> str | None:
    """Publish a diff's rows as the table's new version; returns `database.table`.

    Without rows, an existing table becomes empty, and no table is made: then it returns None. The previous version
    stays for `lake.longest_query` after it was superseded, for queries that began on it.

    Raises PublishConflict when another diff of the same table came first.
    """
    lake = flow.lake
    metastore = runtime.metastore(flow)
    hdfs = runtime.hdfs(flow)
    rows = pq.read_metadata(file).num_rows
    if not rows and metastore.read_version(lake.database, table) is None:
        return None
    columns = [HiveColumn(field.name, _HIVE_TYPES[str(field.type)]) for field in pq.read_schema(file)]
    current = versions.ensure_table(runtime, flow, table, columns)
    landing = naming.landing(lake.root, lake.database, table, diff_id, naming.new_try())
    hdfs.upload(file, f"{landing}/differences.parquet")
    hdfs.write_manifest(landing, {"diff": diff_id, "flow": flow.flow, "rows": rows})
    size = versions.Size(rows, file.stat().st_size, 1)
    metastore.publish(current, hdfs.url + landing, columns, current.seq + 1, diff_id, size.statistics)
    _vacuum(runtime, flow, table)
    return f"{lake.database}.{table}"


def _vacuum(runtime: Runtime, flow: Flow, table: str) -> None:
    """Delete the versions whose successor is older than the longest query. A diff's id begins with its time, in UTC."""
    hdfs = runtime.hdfs(flow)
    loads = hdfs.list_directories(naming.table_root(flow.lake.root, flow.lake.database, table))
    before = f"load={dt.datetime.now(dt.UTC) - flow.lake.longest_query:%Y%m%dt%H%M%S}"
    dated = sorted(path for path in loads if path.rpartition("load=")[2][:1] == "2")
    for path, successor in itertools.pairwise(dated):
        if successor.rpartition("/")[2] < before:
            hdfs.delete(path)
