"""An existing Hive table becomes a flow's: its data stays where it is, as the flow's first version.

A load of kind `adopt`: planned, proved by its files, published by one metastore call that changes properties only. Its
directory is not ours: `tidy` never deletes it, a rollback may go back to it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from switchyard.errors import PreflightRefused, SwitchyardError
from switchyard.extract import postgres
from switchyard.flow import naming
from switchyard.flow.spec import Flow
from switchyard.handover import StepReport
from switchyard.lake.adoption import ForeignTable, obstacles, read_table
from switchyard.lake.hdfs import Hdfs
from switchyard.lake.hiveql.statements import quote_table
from switchyard.lake.table_version import hdfs_path
from switchyard.ledger.loads import Load, NewLoad
from switchyard.ledger.reports import Adopted
from switchyard.ledger.results import AdoptionPlan, Proved
from switchyard.ledger.store import Ledger
from switchyard.ledger.table_memory import accept_table
from switchyard.legs.ingest import leg as ingest_leg
from switchyard.legs.ingest import window
from switchyard.legs.ingest.planned import draft
from switchyard.legs.ingest.publish import recover
from switchyard.legs.runtime import Runtime
from switchyard.legs.tables.files import count_rows, open_parquet
from switchyard.legs.truth.check import lake_table
from switchyard.types.carry import CarriedColumn
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    SMALLINT,
    STRING,
    TIMESTAMP,
    TINYINT,
    HiveType,
)
from switchyard.types.lake_names import yaml_key

if TYPE_CHECKING:
    import pyarrow as pa

_ARROW: dict[HiveType, tuple[str, ...]] = {
    TINYINT: ("int8", "int32"),
    SMALLINT: ("int16", "int32"),
    INT: ("int32",),
    BIGINT: ("int64",),
    FLOAT: ("float",),
    DOUBLE: ("double",),
    BOOLEAN: ("bool",),
    STRING: ("string", "large_string"),
    BINARY: ("binary", "large_binary"),
    DATE: ("date32[day]",),
    TIMESTAMP: ("timestamp[us]", "timestamp[ms]"),
}
"""Hive type → what Arrow calls it in a Parquet file that Hive and Arrow read the same."""


def adopt(runtime: Runtime, flow: Flow) -> StepReport[Adopted]:
    """Take over the flow's lake table, which others made.

    Raises:
        PreflightRefused: it cannot be taken over as it is; the message names every reason and its cure.
        SwitchyardError: there is no such table, or it is a flow's already.
    """
    started = time.monotonic()
    with runtime.running(flow.flow, "ingest") as driving:
        load, table = _prepare(driving, flow)
        published = ingest_leg.publish(driving, load.load_id)
    adopted = Adopted(load.load_id, load.seq, published.result.rows, table.location)
    return StepReport("adopt", flow.flow, load.load_id, time.monotonic() - started, adopted)


def _prepare(runtime: Runtime, flow: Flow) -> tuple[Load, ForeignTable]:
    lake = flow.lake
    with runtime.ledger() as ledger:
        ledger.migrate()
        with ledger.lock(flow.flow, "ingest"):
            recover(runtime, ledger, flow)
            table = _require_foreign(flow, read_table(runtime.metastore(flow), lake.database, lake.table))
            new = _plan(runtime, flow, table)
            accept_table(ledger, lake_table(flow), (), None)  # a table of this name that was ours is not this one
            load = ledger.plan(new)
            return _prove(runtime.hdfs(flow), ledger, load), table


def _require_foreign(flow: Flow, table: ForeignTable | None) -> ForeignTable:
    """The table; raises SwitchyardError when there is none, or it is a flow's already."""
    name = f"{flow.lake.database}.{flow.lake.table}"
    where = f"flow {flow.flow}, connection {flow.lake.metastore}"
    if table is None:
        raise SwitchyardError(
            f"there is no Hive table {name} to adopt",
            where=where,
            cure=f"correct lake.table; a new table is made by the first load: switchyard run ingest {flow.flow}",
        )
    if table.flow == flow.flow:
        raise SwitchyardError(
            f"Hive table {name} is this flow's already",
            where=where,
            cure="do nothing: it was adopted, or made by this flow",
        )
    owner = table.flow
    if owner:
        raise SwitchyardError(
            f"Hive table {name} belongs to flow {owner!r}, which writes it",
            where=where,
            cure=f"set another lake.table in the file of flow {flow.flow}; or, if {owner} is its old name: switchyard "
            f"rename {owner} {flow.flow}",
        )
    return table


def _plan(runtime: Runtime, flow: Flow, table: ForeignTable) -> NewLoad:
    with postgres.connect(runtime.connections.get(flow.source.connection)) as session:
        examined = window.examine_all(session, flow)
    agreed = window.agree(flow, examined, None)
    hdfs = runtime.hdfs(flow)
    reasons = [*obstacles(table), *_mode(flow), *_columns(table, agreed.columns), *_place(flow, hdfs, table)]
    if not reasons:
        reasons = list(_files(runtime, flow, table))
    if reasons:
        raise PreflightRefused(
            f"Hive table {table.database}.{table.table} cannot be adopted:",
            where=f"flow {flow.flow}",
            cure=f"nothing was changed; do what each line above says, then switchyard adopt {flow.flow}; or set "
            "another lake.table",
            findings=reasons,
            more=f"switchyard adopt {flow.flow}",
        )
    version = runtime.metastore(flow).read_version(table.database, table.table)
    assert version is not None  # noqa: S101 - it was read a moment ago
    planned = draft(flow, examined, agreed, version, None, sweep=False)
    return NewLoad(
        flow=flow,
        leg="ingest",
        kind="adopt",
        previous_seq=version.seq,
        location=hdfs_path(table.location),
        plan=replace(planned, adopted=AdoptionPlan(table.changed_at)),
    )


def _mode(flow: Flow) -> Iterator[str]:
    if flow.lake.mode == "append":
        yield "mode append makes a partition of each load, and this table has none: set lake.mode to merge or replace"


def _columns(table: ForeignTable, carried: Sequence[CarriedColumn]) -> Iterator[str]:
    """Differences between the table's columns and those that a load would write."""
    in_table = {column.name: column.type for column in table.columns}
    in_loads = {column.name: column for column in carried}
    for name in sorted(in_loads.keys() - in_table.keys()):
        source = yaml_key(in_loads[name].source)
        yield (
            f"it has no column {name}, which the source has: leave it out, `columns: {{{source}: {{leave_out: true}}}}`"
            f"; or give its name in Hive, `columns: {{{source}: {{name: NAME}}}}`; or ALTER TABLE ADD COLUMNS"
        )
    for name in sorted(in_table.keys() - in_loads.keys()):
        yield (
            f"column {name} is not in the source: name the source column that fills it, `columns: "
            f"{{COLUMN: {{name: {name}}}}}`"
        )
    for name in sorted(in_table.keys() & in_loads.keys()):
        column = in_loads[name]
        if in_table[name] != column.hive_type:
            table_type = in_table[name]
            source = yaml_key(column.source)
            yield (
                f"column {name} is {table_type}, and a load would make it {column.hive_type}: cast it in source.query, "
                f"or set `columns: {{{source}: {{as: string}}}}`, or as decimal(p,s)"
            )


def _place(flow: Flow, hdfs: Hdfs, table: ForeignTable) -> Iterator[str]:
    """The directory must be in our HDFS, and neither contain a directory that we write to nor lie in one."""
    if not table.location.startswith(f"{hdfs.url}/"):
        its_url = "/".join(table.location.split("/", 3)[:3])
        yield (
            f"its files are in {its_url}, and connection {flow.lake.hdfs} leads to {hdfs.url}: set "
            "lake.hdfs to a connection that leads to its files"
        )
        return
    lake = flow.lake
    path = hdfs_path(table.location).rstrip("/") + "/"
    ours = [naming.table_root(lake.root, lake.database, lake.table), f"{lake.root}/_staging", f"{lake.root}/_serve"]
    for directory in ours:
        if path.startswith(f"{directory}/") or f"{directory}/".startswith(path):
            yield (
                f"its directory {path} and that of the loads, {directory}, lie one within the other: set another "
                "lake.root"
            )
            return


def _files(runtime: Runtime, flow: Flow, table: ForeignTable) -> Iterator[str]:
    """Hive finds columns by name in Parquet, and so does serve: each file must have them, in types that both read."""
    hdfs = runtime.hdfs(flow)
    path = hdfs_path(table.location)
    for file in hdfs.list_files(path):
        differences = list(_differences(hdfs, file.path, table.columns)) if file.bytes else []
        if differences:
            yield f"file {file.path}: {'; '.join(differences)}; rewrite the files, e.g. by INSERT OVERWRITE TABLE"
            return
    query = f"select count(*) from {quote_table(f'{table.database}.{table.table}')}"
    hive_rows = int(runtime.hive(flow).query(query)[0][0])
    file_rows = count_rows(hdfs, [path])
    if hive_rows != file_rows:
        yield (
            f"Hive counts {hive_rows} rows in it, and the files in {path} have {file_rows}: move files that are not "
            "the table's out of that directory"
        )


def _differences(hdfs: Hdfs, file: str, columns: Sequence[HiveColumn]) -> Iterator[str]:
    with open_parquet(hdfs, file) as parquet:
        schema = parquet.schema_arrow
        int96 = {c.name for c in map(parquet.schema.column, range(len(parquet.schema))) if c.physical_type == "INT96"}
    types = {field.name: field.type for field in schema}
    for column in columns:
        kind = types.get(column.name)
        if kind is None:
            yield f"it has no column {column.name}"
        elif column.name in int96:
            yield f"column {column.name} is INT96, a timestamp without a known time zone"
        elif not _reads_as(column.type, kind):
            yield f"column {column.name} is {kind} in the file and {column.type} in Hive"


def _reads_as(hive: HiveType, arrow: pa.DataType) -> bool:
    import pyarrow as pa

    if hive.is_decimal:
        return bool(arrow == pa.decimal128(hive.precision, hive.scale))
    if hive.element:
        return isinstance(arrow, pa.ListType) and _reads_as(hive.element, arrow.value_type)
    return str(arrow) in _ARROW.get(hive, ())


def _prove(hdfs: Hdfs, ledger: Ledger, load: Load) -> Load:
    path = load.location or ""
    files = [file for file in hdfs.list_files(path) if file.bytes]
    proved = Proved(
        hive_rows=count_rows(hdfs, [path]), hive_bytes=sum(file.bytes for file in files), hive_files=len(files)
    )
    return ledger.advance(load, "proved", expected=["planned"], result=proved)
