"""A Hive table that Switchyard did not create: the obstacles to taking it over in place, and the call that does so."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from switchyard.errors import PublishConflict
from switchyard.flow import naming
from switchyard.flow.naming import FLOW_PROPERTY
from switchyard.lake.metastore import Metastore
from switchyard.lake.thrift import describe, expecting, read_columns
from switchyard.types.columns import HiveColumn

_DDL_TIME = "transient_lastDdlTime"
_FIRST_REV = 1
_PARQUET_SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"


@dataclass(frozen=True)
class ForeignTable:
    """What the metastore says of a table. `changed_at` is the time of its last DDL, which every ALTER moves."""

    database: str
    table: str
    kind: str
    serde: str
    location: str
    columns: tuple[HiveColumn, ...]
    partition_keys: tuple[str, ...]
    buckets: tuple[str, ...]
    parameters: Mapping[str, str]

    @property
    def flow(self) -> str:
        """The flow that owns it; empty: none."""
        return self.parameters.get(FLOW_PROPERTY, "")

    @property
    def changed_at(self) -> str:
        """When its definition was changed last, in seconds since 1970."""
        return self.parameters.get(_DDL_TIME, "0")


def read_table(metastore: Metastore, database: str, table: str) -> ForeignTable | None:
    """Describe a table; None when there is none."""
    from pymetastore.hive_metastore.ttypes import NoSuchObjectException

    with metastore.client() as client:
        try:
            described = describe(client, database, table)
        except NoSuchObjectException:
            return None
    storage = described.sd
    return ForeignTable(
        database=database,
        table=table,
        kind=described.tableType,
        serde=storage.serdeInfo.serializationLib or "",
        location=storage.location or "",
        columns=read_columns(described),
        partition_keys=tuple(key.name for key in described.partitionKeys or ()),
        buckets=tuple(storage.bucketCols or ()),
        parameters=dict(described.parameters),
    )


def obstacles(table: ForeignTable) -> Iterator[str]:
    """Why a table cannot be taken over as it is, each with the cure."""
    if table.kind in ("VIRTUAL_VIEW", "MATERIALIZED_VIEW"):
        yield "it is a view: adopt the table that it reads"
        return
    if table.parameters.get("transactional", "").lower() == "true":
        yield "it is transactional (ACID): only Hive can read its files; copy it into an external Parquet table"
    elif table.kind != "EXTERNAL_TABLE":
        yield "it is managed, so Hive may delete its files: ALTER TABLE … SET TBLPROPERTIES('EXTERNAL'='TRUE')"
    if table.partition_keys:
        keys = ", ".join(table.partition_keys)
        yield f"it is partitioned by {keys}, and a load writes one directory: copy it into a table without partitions"
    if table.buckets:
        yield (
            f"it is clustered by {', '.join(table.buckets)}, which new versions would not be: copy it into a "
            "table without buckets"
        )
    if table.serde != _PARQUET_SERDE:
        serde = table.serde.rpartition(".")[2] or "unknown"
        yield f"its format is {serde}, and loads write Parquet: copy it into a Parquet table"


def adopt_table(
    metastore: Metastore, foreign: ForeignTable, *, seq: int, load_id: str, flow: str, stats: Mapping[str, int]
) -> int:
    """Make a table the flow's own, in one call; its data and columns stay as they are. Returns its rev.

    A table that is not ours has no seq to compare, so the time of its last DDL is compared and swapped (HIVE-26882).

    Raises PublishConflict when its definition was changed since `foreign` was read.
    """
    from pymetastore.hive_metastore.ttypes import InvalidOperationException, MetaException

    own = {
        naming.SEQ_PROPERTY: str(seq),
        naming.HEAD_PROPERTY: str(seq),
        naming.LOAD_PROPERTY: load_id,
        naming.KIND_PROPERTY: "adopt",
        naming.FLOW_PROPERTY: flow,
        naming.TABLE_PROPERTY: f"{foreign.database}.{foreign.table}",
        naming.REV_PROPERTY: str(_FIRST_REV),
        "external.table.purge": "false",
        _DDL_TIME: str(max(int(time.time()), int(foreign.changed_at) + 1)),
    }
    with metastore.client() as client:
        table = describe(client, foreign.database, foreign.table)
        table.parameters.update({**own, **{name: str(value) for name, value in stats.items()}})
        context = expecting(_DDL_TIME, foreign.changed_at)
        try:
            client.alter_table_with_environment_context(foreign.database, foreign.table, table, context)
        except (MetaException, InvalidOperationException) as error:
            raise PublishConflict(
                f"the table was altered during its adoption: {getattr(error, 'message', error)}",
                where=f"Hive table {foreign.database}.{foreign.table}",
                cure=f"nothing was changed; run switchyard adopt {flow} again",
            ) from error
    return _FIRST_REV
