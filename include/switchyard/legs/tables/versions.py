"""Versions of a Hive table: made empty, staged, published, vacuumed. Both legs use them: a product is a table, too."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from switchyard.errors import PublishConflict, SwitchyardError
from switchyard.flow import naming
from switchyard.flow.spec import Flow
from switchyard.lake.adoption import adopt_table, read_table
from switchyard.lake.hiveql.statements import SEQ_PARTITION
from switchyard.lake.metastore import TableVersion
from switchyard.lake.partitions import drop_partitions_above
from switchyard.ledger.loads import Load
from switchyard.ledger.results import Proved
from switchyard.legs.runtime import Runtime
from switchyard.types.carry import CarriedColumn
from switchyard.types.columns import HiveColumn

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """A version's rows, and the bytes and number of its files."""

    rows: int
    bytes: int
    files: int

    @property
    def statistics(self) -> dict[str, int]:
        """As the metastore keeps them."""
        return {"numRows": self.rows, "totalSize": self.bytes, "numFiles": self.files}


def size_of(proved: Proved) -> Size:
    """The size of a version that was proved."""
    return Size(proved.hive_rows, proved.hive_bytes, proved.hive_files)


@dataclass(frozen=True)
class Target:
    """A table and the version it shall show: columns, and the directory as an HDFS path."""

    database: str
    table: str
    columns: Sequence[HiveColumn]
    location: str


def ensure_table(runtime: Runtime, flow: Flow, table: str, columns: Sequence[HiveColumn]) -> TableVersion:
    """Find a table's current version; create it with seq 0, empty, when it is not there.

    Raises SwitchyardError when the table is somebody else's.
    """
    lake, metastore, hdfs = flow.lake, runtime.metastore(flow), runtime.hdfs(flow)
    version = metastore.read_version(lake.database, table)
    if version is None:
        empty = naming.empty_version(lake.root, lake.database, table)
        hdfs.make_directory(empty)
        metastore.ensure_database(lake.database, f"{hdfs.url}{lake.root}/{lake.database}")
        own = {naming.SEQ_PROPERTY: "0", naming.FLOW_PROPERTY: flow.flow}
        partition = SEQ_PARTITION if _is_partitioned(flow, table) else None
        metastore.create_parquet_table(lake.database, table, columns, hdfs.url + empty, own, partition)
        version = metastore.read_version(lake.database, table)
    if version is None or version.seq < 0 or version.flow != flow.flow:
        owner = f"belongs to flow {version.flow!r}" if version and version.flow else "was not made by Switchyard"
        raise SwitchyardError(
            f"Hive table {lake.database}.{table} {owner}",
            where=f"flow {flow.flow}, connection {lake.metastore}",
            next="choose another lake.table, drop that table if nobody needs it, or take it over: switchyard adopt",
        )
    if version.partitioned != _is_partitioned(flow, table):
        made = "append" if version.partitioned else "replace or merge"
        raise SwitchyardError(
            f"Hive table {lake.database}.{table} was made for mode {made}, and the flow says {lake.mode}",
            where=f"flow {flow.flow}, connection {lake.metastore}",
            next="load into a new lake.table, or set lake.mode back",
        )
    return version


def hive_columns(columns: Sequence[CarriedColumn]) -> list[HiveColumn]:
    """Carried columns as the metastore has them."""
    return [HiveColumn(column.name, column.hive_type, column.comment) for column in columns]


def _is_partitioned(flow: Flow, table: str) -> bool:
    """Only the lake table of mode append is; a product never is."""
    return flow.lake.mode == "append" and table == flow.lake.table


def staging_table(runtime: Runtime, flow: Flow, kind: naming.StagingKind, load_id: str, try_id: str) -> str:
    """Name of a staging table; its database is made if it is not there."""
    url = runtime.hdfs(flow).url
    runtime.metastore(flow).ensure_database(naming.STAGING_DATABASE, f"{url}{flow.lake.root}/_staging")
    return naming.staging_table(kind, load_id, try_id)


def typed_table(
    runtime: Runtime, flow: Flow, columns: Sequence[HiveColumn], landing: str, load_id: str, try_id: str
) -> str:
    """A Parquet table over a landing that is not published; returns its name in the staging database."""
    name = staging_table(runtime, flow, "typed", load_id, try_id)
    location = runtime.hdfs(flow).url + landing
    runtime.metastore(flow).create_parquet_table(naming.STAGING_DATABASE, name, columns, location, {})
    return name


def publish(runtime: Runtime, flow: Flow, target: Target, load: Load, size: Size, *, moves: bool = True) -> None:
    """Publish a landing, or find it published already (protocol step 3 and 4).

    `moves` is False for a table whose partitions have moved already: its own location stays.
    Raises PublishConflict when another version came between.
    """
    current = _require_previous(runtime, flow, load, target.database, target.table)
    if current.load_id == load.load_id:
        return
    location = runtime.hdfs(flow).url + target.location if moves else current.location
    runtime.metastore(flow).publish(current, location, target.columns, load.seq, load.load_id, size.statistics)


def widen(runtime: Runtime, flow: Flow, load: Load, columns: Sequence[HiveColumn]) -> None:
    """Give an append table its new columns before their first rows: one call, the seq stays.

    A reader in between sees the rows of before under wider types, which changes no value, and NULL in new columns.
    Raises PublishConflict when another version came between.
    """
    current = _require_previous(runtime, flow, load, flow.lake.database, flow.lake.table)
    there = [(column.name, column.type) for column in current.columns]
    if current.load_id != load.load_id and there != [(column.name, column.type) for column in columns]:
        runtime.metastore(flow).publish(current, current.location, columns, current.seq, current.load_id, {})


def _require_previous(runtime: Runtime, flow: Flow, load: Load, database: str, table: str) -> TableVersion:
    current = runtime.metastore(flow).read_version(database, table)
    if current is None:
        raise SwitchyardError(
            f"Hive table {database}.{table} is gone", where=f"flow {flow.flow}", next="run the leg again"
        )
    if load.leg == "ingest" and current.load_id != load.load_id and current.seq != load.previous_seq:
        raise PublishConflict(
            f"seq {load.previous_seq} was expected and {current.seq} is there",
            where=f"Hive table {database}.{table}",
            next="nothing was changed; run the flow again, it starts from the version that won",
        )
    return current


def rollback_version(
    runtime: Runtime, flow: Flow, load: Load, columns: Sequence[HiveColumn], size: Size, *, to_seq: int
) -> None:
    """Show an old version under a new seq: its directory, columns and statistics change in one metastore call.

    An append table's later partitions leave in one call, and the seq follows in another; a reader sees the old version
    from the first on. Raises PublishConflict when another version came between.
    """
    database, table = flow.lake.database, flow.lake.table
    partitioned = _require_previous(runtime, flow, load, database, table).partitioned
    if partitioned:
        drop_partitions_above(runtime.metastore(flow), database, table, to_seq)
    target = Target(database, table, columns, load.location or "")
    publish(runtime, flow, target, load, size, moves=not partitioned)


def adopt_version(runtime: Runtime, flow: Flow, load: Load, size: Size, *, proved_at: str) -> None:
    """Make a table that others made the flow's own.

    Raises PublishConflict when it was changed since `proved_at`, its last change when it was proved.
    """
    lake, metastore = flow.lake, runtime.metastore(flow)
    if _require_previous(runtime, flow, load, lake.database, lake.table).load_id == load.load_id:
        return
    found = read_table(metastore, lake.database, lake.table)
    if found is None or found.changed_at != proved_at:
        raise PublishConflict(
            "the table was changed while it was looked at",
            where=f"Hive table {lake.database}.{lake.table}",
            next="nothing was changed; adopt it again",
        )
    adopt_table(metastore, found, seq=load.seq, load_id=load.load_id, flow=flow.flow, stats=size.statistics)
