"""Partitions of a Hive table over Thrift: one a load, for mode `append` and for the quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from switchyard.lake.metastore import Metastore
from switchyard.lake.thrift import describe, fields
from switchyard.types.columns import HiveColumn


def add_partition(
    metastore: Metastore,
    database: str,
    table: str,
    value: str,
    location: str,
    columns: Sequence[HiveColumn],
    parameters: Mapping[str, str] | None = None,
) -> None:
    """Show one partition, in one call. One of that value is made to show this location."""
    from pymetastore.hive_metastore.ttypes import AlreadyExistsException, Partition

    with metastore.client() as client:
        storage = describe(client, database, table).sd
        storage.location = location
        storage.cols = fields(columns)
        own = dict(parameters or {})
        partition = Partition(values=[value], dbName=database, tableName=table, sd=storage, parameters=own)
        try:
            client.add_partition(partition)
        except AlreadyExistsException:
            before = client.get_partition(database, table, [value])
            if before.sd.location != location:
                before.sd.location = location
                before.sd.cols = storage.cols
                before.parameters = {**(before.parameters or {}), **own}
                client.alter_partition(database, table, before)


def read_locations(metastore: Metastore, database: str, table: str, partitions: Sequence[str]) -> tuple[str, ...]:
    """Where the files lie that a query of a table reads: in the table's directory, or in those of these partitions.

    `partitions` are names as Hive writes them: `day=2024-01-31/hour=7`. None for a view, for a table that keeps its
    rows elsewhere (a storage handler's), for one that is gone, and for a partition that is.
    """
    from pymetastore.hive_metastore.ttypes import NoSuchObjectException

    with metastore.client() as client:
        try:
            described = describe(client, database, table)
        except NoSuchObjectException:
            return ()
        if (described.parameters or {}).get("storage_handler"):
            return ()
        if described.partitionKeys:
            listed = client.get_partitions_by_names(database, table, list(partitions)) if partitions else []
            return tuple(partition.sd.location for partition in listed)
        return (described.sd.location,) if described.sd.location else ()


def drop_partitions(metastore: Metastore, database: str, table: str, seqs: Sequence[int]) -> None:
    """Drop partitions by their seq, never their data, in one call; those that are gone already are left."""
    from pymetastore.hive_metastore.ttypes import DropPartitionsRequest, RequestPartsSpec

    if not seqs:
        return
    with metastore.client() as client:
        key = describe(client, database, table).partitionKeys[0].name
        parts = RequestPartsSpec(names=[f"{key}={seq}" for seq in seqs])
        client.drop_partitions_req(
            DropPartitionsRequest(dbName=database, tblName=table, parts=parts, deleteData=False, ifExists=True)
        )
