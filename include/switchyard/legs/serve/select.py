"""A product of the lake table: what `serve.select` yields, as a Hive table with versions of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from switchyard.errors import ReconcileMismatch, SourceMoved, SwitchyardError
from switchyard.flow import naming
from switchyard.flow.cures import run_again
from switchyard.flow.spec import Flow
from switchyard.lake.hiveql.statements import quote_table
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.loads import Load
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve.inputs import read_inputs
from switchyard.legs.tables import versions
from switchyard.types.columns import HiveColumn
from switchyard.types.quoting import quote_hive

_ATTEMPTS = 3


@dataclass(frozen=True)
class Product:
    """A published product: the lake version it was made from, that one's load, its landing, rows and columns.

    `inputs`: what else it was made from, as `legs.serve.inputs` marks it.
    """

    version: int
    ingest_load: str
    location: str
    rows: int
    columns: tuple[HiveColumn, ...]
    source_columns: tuple[HiveColumn, ...]
    inputs: Mapping[str, str]


def materialise(runtime: Runtime, flow: Flow, load: Load) -> Product:
    """Run the SELECT into a landing, count it, flip the product's table.

    The lake table may be published meanwhile: then it is not known which version the query read, and it runs again.
    """
    for _ in range(_ATTEMPTS):
        before = _read_source(runtime, flow)
        product = _land(runtime, flow, load, before)
        if _read_source(runtime, flow).seq == before.seq:
            _publish(runtime, flow, load, product)
            return product
    raise SourceMoved(
        f"{flow.lake.database}.{flow.lake.table} was published {_ATTEMPTS} times while serve.select ran",
        where=f"flow {flow.flow}, leg serve",
        cure=f"nothing was published; wait until no ingest run is at work, then {run_again('serve', flow.flow)}",
    )


def _read_source(runtime: Runtime, flow: Flow) -> TableVersion:
    version = runtime.metastore(flow).read_version(flow.lake.database, flow.lake.table)
    if version is None:
        raise SwitchyardError(
            f"Hive table {flow.lake.database}.{flow.lake.table} is gone",
            where=f"flow {flow.flow}, leg serve",
            cure=f"somebody dropped it, which deletes no file; run the ingest leg, which says what can be done: "
            f"switchyard run ingest {flow.flow}",
        )
    return version


def _land(runtime: Runtime, flow: Flow, load: Load, source: TableVersion) -> Product:
    assert flow.serve is not None and flow.serve.select is not None  # noqa: S101 - only products come here
    lake, try_id = flow.lake, naming.new_try()
    database, table = naming.served_table(lake, flow.serve)
    landing = naming.landing(lake.root, database, table, load.load_id, try_id)
    view = versions.staging_table(runtime, flow, "view", load.load_id, try_id)
    staged_view = quote_table(f"{naming.STAGING_DATABASE}.{view}")
    metastore = runtime.metastore(flow)
    with runtime.hive(flow).session() as hive:
        hive.run(f"use {quote_hive(lake.database)}")
        select = flow.serve.select.strip().rstrip(";")
        inputs = read_inputs(hive, metastore, flow, select)
        hive.run(f"create view {staged_view} as {select}")
        described = metastore.read_version(naming.STAGING_DATABASE, view)
        columns = described.columns if described else ()
        typed = versions.typed_table(runtime, flow, columns, landing, load.load_id, try_id)
        staged = f"{naming.STAGING_DATABASE}.{typed}"
        hive.run(f"insert overwrite table {quote_table(staged)} select * from {staged_view}")
        rows = int(hive.run(f"select count(*) from {quote_table(staged)}")[0][0])
        expected = int(hive.run(f"select count(*) from {staged_view}")[0][0])
        hive.run(f"drop view {staged_view}")
    metastore.drop_table(naming.STAGING_DATABASE, typed)
    if rows != expected:
        raise ReconcileMismatch(
            f"serve.select yields {expected} rows and {rows} landed: it gives another result each time it runs",
            where=f"flow {flow.flow}, leg serve",
            cure="nothing was published; in serve.select give LIMIT an ORDER BY by unique columns, and take rand() and "
            f"the like out; then {run_again('serve', flow.flow)}",
        )
    return Product(source.seq, source.load_id, landing, rows, columns, source.columns, inputs)


def _publish(runtime: Runtime, flow: Flow, load: Load, product: Product) -> None:
    assert flow.serve is not None  # noqa: S101 - only products come here
    database, table = naming.served_table(flow.lake, flow.serve)
    hdfs = runtime.hdfs(flow)
    versions.ensure_table(runtime, flow, table, product.columns)
    files = hdfs.list_files(product.location)
    size = versions.Size(product.rows, sum(file.bytes for file in files), len(files))
    proof = {"hive_rows": size.rows, "hive_files": size.files, "hive_bytes": size.bytes}
    hdfs.write_manifest(
        product.location, {"load_id": load.load_id, "flow": flow.flow, "version": product.version, **proof}
    )
    target = versions.Target(database, table, product.columns, product.location)
    versions.publish(runtime, flow, target, load, size)
