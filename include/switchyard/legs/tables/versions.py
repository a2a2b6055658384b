"""Versions of a Hive table: made empty, staged, published, vacuumed. Both legs use them: a product is a table."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from switchyard.errors import PublishConflict, SwitchyardError
from switchyard.flow import naming
from switchyard.flow.cures import run_again
from switchyard.flow.spec import Flow
from switchyard.lake.adoption import adopt_table, read_table
from switchyard.lake.hdfs import HdfsFile
from switchyard.lake.hiveql.statements import seq_partition
from switchyard.lake.partitions import drop_partitions
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.loads import Load
from switchyard.ledger.results import Proved
from switchyard.legs.runtime import Runtime
from switchyard.types.carry import CarriedColumn
from switchyard.types.columns import HiveColumn

log = logging.getLogger(__name__)

_ATTEMPTS = 3


@dataclass(frozen=True)
class Size:
    """A version's rows, and the bytes and number of its files."""

    rows: int
    bytes: int
    files: int

    @property
    def statistics(self) -> Mapping[str, int]:
        """As the metastore keeps them."""
        return {"numRows": self.rows, "totalSize": self.bytes, "numFiles": self.files}


def size_of(proved: Proved) -> Size:
    """The size of a version that was proved."""
    return Size(proved.hive_rows, proved.hive_bytes, proved.hive_files)


def measure(rows: int, files: Sequence[HdfsFile]) -> Size:
    """The size of a version by its rows, and by its files as they were listed before its rows were counted."""
    return Size(rows, sum(file.bytes for file in files), len(files))


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
        own = {
            naming.SEQ_PROPERTY: "0",
            naming.HEAD_PROPERTY: "0",
            naming.REV_PROPERTY: "0",
            naming.FLOW_PROPERTY: flow.flow,
            naming.TABLE_PROPERTY: f"{lake.database}.{table}",
        }
        partition = seq_partition(column.name for column in columns) if _is_partitioned(flow, table) else None
        metastore.create_parquet_table(lake.database, table, columns, hdfs.url + empty, own, partition)
        version = metastore.read_version(lake.database, table)
    require_own(flow, table, version)
    assert version is not None  # noqa: S101 - just required
    if version.partitioned != _is_partitioned(flow, table):
        mode = "append" if version.partitioned else "replace or merge"
        raise SwitchyardError(
            f"Hive table {lake.database}.{table} was made for mode {mode}, and the flow says {lake.mode}",
            where=f"flow {flow.flow}, connection {lake.metastore}",
            cure="set another lake.table in the flow file, or set lake.mode back",
        )
    return version


def require_own(flow: Flow, table: str, version: TableVersion | None) -> None:
    """Raise SwitchyardError when a table, or what its parameters were written for, is not the flow's."""
    name = f"{flow.lake.database}.{table}"
    where = f"flow {flow.flow}, connection {flow.lake.metastore}"
    if version is None or version.seq < 0 or version.flow != flow.flow:
        raise _foreign(flow, name, where, version.flow if version else None)
    if version.is_copy:
        raise SwitchyardError(
            f"Hive table {name} has Switchyard's parameters of table {version.named}: it was copied from that (CREATE "
            "TABLE LIKE), or renamed",
            where=where,
            cure=f"nothing was changed; rename it back, or drop it if it is a copy (DROP TABLE {name} deletes no file)",
        )


def _foreign(flow: Flow, name: str, where: str, owner: str | None) -> SwitchyardError:
    if owner:
        what = f"Hive table {name} belongs to flow {owner!r}"
        cure = (
            f"set another lake.table in the flow file; if you renamed the file: switchyard rename {owner} {flow.flow}"
        )
    else:
        what = f"Hive table {name} was not made by Switchyard"
        cure = f"set another lake.table in the flow file, or take this table over: switchyard adopt {flow.flow}"
    return SwitchyardError(what, where=where, cure=cure)


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


def publish(
    runtime: Runtime,
    flow: Flow,
    target: Target,
    load: Load,
    size: Size,
    *,
    moves: bool = True,
    own: Mapping[str, str | None] | None = None,
) -> int | None:
    """Publish a landing, or find it published already (protocol steps 3 and 4); returns the table's rev.

    `moves` is False for a table whose partitions have moved already: its own location stays. `own` are parameters
    beyond seq and load. Raises PublishConflict when another version came between.
    """
    metastore = runtime.metastore(flow)
    url = runtime.hdfs(flow).url

    def alter(current: TableVersion) -> int:
        location = url + target.location if moves else current.location
        return metastore.publish(current, location, target.columns, load.seq, load.load_id, size.statistics, own)

    return _alter(runtime, flow, load, target.database, target.table, alter)


def widen(runtime: Runtime, flow: Flow, load: Load, columns: Sequence[HiveColumn]) -> None:
    """Give an append table its new columns before their first rows: one call, the seq stays.

    A reader in between sees the rows of before under wider types, which changes no value, and NULL in new columns.
    Raises PublishConflict when another version came between.
    """
    new_types = [(column.name, column.type) for column in columns]

    def alter(current: TableVersion) -> int | None:
        if [(column.name, column.type) for column in current.columns] == new_types:
            return current.rev
        return runtime.metastore(flow).alter(current, {}, columns=columns)

    _alter(runtime, flow, load, flow.lake.database, flow.lake.table, alter)


def _alter(
    runtime: Runtime, flow: Flow, load: Load, database: str, table: str, alter: Callable[[TableVersion], int | None]
) -> int | None:
    """Alter a table that shows the version before the load, unless it shows the load; returns its rev.

    There is none when the code of an earlier release altered it: the next run writes what is missing.

    An alter that leaves the version alone (a release) may come between: then once more, from what it left.
    """
    for attempt in range(_ATTEMPTS):
        current = _require_previous(runtime, flow, load, database, table)
        if current.load_id == load.load_id:
            return current.rev
        try:
            return alter(current)
        except PublishConflict:
            if attempt + 1 == _ATTEMPTS:
                raise
    raise AssertionError("the loop returns or raises")


def _require_previous(runtime: Runtime, flow: Flow, load: Load, database: str, table: str) -> TableVersion:
    current = runtime.metastore(flow).read_version(database, table)
    if current is None:
        raise PublishConflict(
            f"Hive table {database}.{table} is gone: somebody dropped it",
            where=f"flow {flow.flow}",
            cure=f"no file in HDFS was deleted; {run_again(load.leg, flow.flow)}; the new run says what can be done",
        )
    if load.kind != "adopt":
        require_own(flow, table, current)
    if load.leg == "ingest" and current.load_id != load.load_id and current.seq != load.previous_seq:
        raise PublishConflict(
            f"another load was published meanwhile: seq {load.previous_seq} was expected, and the table shows "
            f"{current.seq}",
            where=f"Hive table {database}.{table}",
            cure=f"nothing was changed; {run_again('ingest', flow.flow)}; the new run starts from seq {current.seq}",
        )
    return current


def rollback_version(
    runtime: Runtime,
    flow: Flow,
    load: Load,
    columns: Sequence[HiveColumn],
    size: Size,
    own: Mapping[str, str | None],
) -> int | None:
    """Show an old version under a new seq: directory, columns, statistics and the hold change in one metastore call.

    An append table's later partitions leave in another call, after it: found in between, the table says which ones.
    Returns the table's rev. Raises PublishConflict when another version came between.
    """
    database, table = flow.lake.database, flow.lake.table
    partitioned = _require_previous(runtime, flow, load, database, table).partitioned
    target = Target(database, table, columns, load.location or "")
    rev = publish(runtime, flow, target, load, size, moves=not partitioned, own=own)
    if partitioned:
        undone = _require_previous(runtime, flow, load, database, table).strays
        drop_partitions(runtime.metastore(flow), database, table, [part.seq for part in undone])
    return rev


def adopt_version(runtime: Runtime, flow: Flow, load: Load, size: Size, *, proved_at: str) -> int | None:
    """Make a table that others made the flow's own; returns its rev.

    Raises PublishConflict when it was changed since `proved_at`, its last change when it was proved.
    """
    lake, metastore = flow.lake, runtime.metastore(flow)
    current = _require_previous(runtime, flow, load, lake.database, lake.table)
    if current.load_id == load.load_id:
        return current.rev
    foreign = read_table(metastore, lake.database, lake.table)
    if foreign is None or foreign.changed_at != proved_at:
        raise PublishConflict(
            "the table was altered during its adoption",
            where=f"Hive table {lake.database}.{lake.table}",
            cure=f"nothing was changed; adopt it again: switchyard adopt {flow.flow}",
        )
    return adopt_table(metastore, foreign, seq=load.seq, load_id=load.load_id, flow=flow.flow, stats=size.statistics)
