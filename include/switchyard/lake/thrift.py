"""Tables and columns as the metastore's Thrift interface has them, and as we have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from switchyard.errors import UnknownHiveType
from switchyard.flow.naming import REV_PROPERTY, SEQ_PROPERTY
from switchyard.lake.table_version import Part, TableVersion, version_of
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import HiveType

if TYPE_CHECKING:
    from pymetastore.hive_metastore.ThriftHiveMetastore import Client
    from pymetastore.hive_metastore.ttypes import EnvironmentContext, FieldSchema, Partition, Table


def describe(client: Client, database: str, table: str) -> Table:
    """The table as Thrift has it; raises NoSuchObjectException."""
    from pymetastore.hive_metastore.ttypes import GetTableRequest

    described: Table = client.get_table_req(GetTableRequest(dbName=database, tblName=table)).table
    return described


def expecting(parameter: str, value: str, **more: str) -> EnvironmentContext:
    """The context of an alter that is refused unless a parameter of the table has this value (HIVE-26882)."""
    from pymetastore.hive_metastore.ttypes import EnvironmentContext

    expected = {"expected_parameter_key": parameter, "expected_parameter_value": value}
    return EnvironmentContext(properties={**expected, "DO_NOT_UPDATE_STATS": "true", **more})


def moment(table: Table) -> tuple[str | None, str | None]:
    """The parameters that every alter of ours changes."""
    return table.parameters.get(SEQ_PROPERTY), table.parameters.get(REV_PROPERTY)


def read_version(table: Table, partitions: Sequence[Partition] = ()) -> TableVersion:
    """The version that a table and its partitions show."""
    parts = [
        Part.of(partition.values[0], partition.sd.location, partition.parameters or {})
        for partition in partitions
        if partition.values[0].isdigit()
    ]
    return version_of(
        table.dbName,
        table.tableName,
        table.parameters,
        location=table.sd.location,
        columns=read_columns(table),
        parts=parts if table.partitionKeys else None,
    )


def fields(columns: Sequence[HiveColumn]) -> list[FieldSchema]:
    """The columns as Thrift has them."""
    from pymetastore.hive_metastore.ttypes import FieldSchema

    return [FieldSchema(name=c.name, type=str(c.type), comment=c.comment or None) for c in columns]


def read_columns(table: Table) -> tuple[HiveColumn, ...]:
    """The columns of a table as Thrift has it; raises UnknownHiveType naming the column."""
    return tuple(_column(c, f"{table.dbName}.{table.tableName}") for c in table.sd.cols)


def _column(field: FieldSchema, table: str) -> HiveColumn:
    try:
        kind = HiveType.parse(field.type)
    except UnknownHiveType as error:
        raise UnknownHiveType(error.text, f"Hive table {table}, column {field.name}") from error
    return HiveColumn(field.name, kind, field.comment or "")
