"""Partitions of a Hive table over Thrift: one a load, for mode `append` and for the quarantine."""

from __future__ import annotations

from collections.abc import Sequence

from switchyard.lake.metastore import Metastore, describe, fields
from switchyard.types.columns import HiveColumn


def add_partition(
    metastore: Metastore, database: str, table: str, value: str, location: str, columns: Sequence[HiveColumn]
) -> None:
    """Add one partition, in one call. One that is there already is left, when it shows the same location.

    Raises SwitchyardError when it shows another.
    """
    from pymetastore.hive_metastore.ttypes import AlreadyExistsException, Partition

    with metastore.client() as client:
        described = describe(client, database, table)
        storage = described.sd
        storage.location, storage.cols = location, fields(columns)
        made = Partition(values=[value], dbName=database, tableName=table, sd=storage, parameters={})
        try:
            client.add_partition(made)
        except AlreadyExistsException:
            there = client.get_partition(database, table, [value])
            if there.sd.location != location:
                there.sd.location, there.sd.cols = location, storage.cols
                client.alter_partition(database, table, there)


def drop_partitions_above(metastore: Metastore, database: str, table: str, seq: int) -> list[str]:
    """Drop the partitions of loads after `seq`, never their data, in one call; returns their values."""
    from pymetastore.hive_metastore.ttypes import DropPartitionsRequest, RequestPartsSpec

    with metastore.client() as client:
        doomed = [p.values[0] for p in client.get_partitions(database, table, -1) if _number(p.values[0]) > seq]
        if doomed:
            key = describe(client, database, table).partitionKeys[0].name
            parts = RequestPartsSpec(names=[f"{key}={value}" for value in doomed])
            client.drop_partitions_req(
                DropPartitionsRequest(dbName=database, tblName=table, parts=parts, deleteData=False, ifExists=True)
            )
    return doomed


def _number(value: str) -> int:
    return int(value) if value.isdigit() else -1
