"""A product of the lake table: what `serve.select` yields, as a Hive table with versions of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from switchyard.errors import PreflightRefused, ReconcileMismatch, SourceMoved, SwitchyardError
from switchyard.flow import naming
from switchyard.flow.cures import run_again
from switchyard.flow.servable import require_servable
from switchyard.flow.spec import Flow
from switchyard.lake.hive import HiveSession
from switchyard.lake.hiveql.statements import quote_table
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.loads import Load
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve.input_files import require_input_files
from switchyard.legs.serve.inputs import inputs_of, read_dependency, read_marks
from switchyard.legs.serve.served import served_part
from switchyard.legs.tables import versions
from switchyard.legs.truth.missing import ProvedDirectory, require_landing
from switchyard.types.columns import HiveColumn
from switchyard.types.quoting import quote_hive

_ATTEMPTS = 3
_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Product:
    """A published product: the lake version it was made from, that one's load, its landing, size and columns.

    `inputs`: what else it was made from, as `legs.serve.inputs` marks it.
    """

    version: int
    ingest_load: str
    location: str
    size: versions.Size
    columns: tuple[HiveColumn, ...]
    source_columns: tuple[HiveColumn, ...]
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class _Landed:
    """Where the query's result is, its size there, the rows that the query yields once more, and its columns."""

    location: str
    size: versions.Size
    expected: int
    columns: tuple[HiveColumn, ...]


def materialise(runtime: Runtime, ledger: Ledger, flow: Flow, load: Load) -> Product:
    """Run the SELECT into a landing, count it, flip the product's table.

    A table that it reads may be published meanwhile: then it is not known which version the query read, and it runs
    again.
    """
    for attempt in range(_ATTEMPTS):
        time.sleep(attempt * _PAUSE_SECONDS)
        product = _land(runtime, ledger, flow, load, _read_source(runtime, flow))
        if product is not None:
            return _publish(runtime, flow, load, product)
    raise SourceMoved(
        f"{flow.lake.database}.{flow.lake.table}, or another table that serve.select reads, was published {_ATTEMPTS} "
        "times while serve.select ran",
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


def _land(runtime: Runtime, ledger: Ledger, flow: Flow, load: Load, source: TableVersion) -> Product | None:
    """The result of the query in a landing, counted; None when a table was published while it ran."""
    select, metastore = _query(flow), runtime.metastore(flow)
    with runtime.hive(flow).session() as hive:
        hive.run(f"use {quote_hive(flow.lake.database)}")
        dependency = read_dependency(hive, select)
        marks = read_marks(metastore, flow, dependency)
        require_input_files(runtime, ledger, flow, dependency)
        landed = _run_query(runtime, hive, flow, load, select)
    if read_marks(metastore, flow, dependency) != marks:
        return None
    require_input_files(runtime, ledger, flow, dependency)  # again: what was deleted meanwhile was read as nothing
    if landed.size.rows != landed.expected:
        raise ReconcileMismatch(
            f"serve.select yields {landed.expected} rows, and {landed.size.rows} were written: it gives another result "
            "each time it runs",
            where=f"flow {flow.flow}, leg serve",
            cure="nothing was published; in serve.select give LIMIT an ORDER BY by unique columns, and take rand() and "
            f"the like out; then {run_again('serve', flow.flow)}",
        )
    inputs = inputs_of(flow, select, dependency, marks)
    return Product(source.seq, source.load_id, landed.location, landed.size, landed.columns, source.columns, inputs)


def _run_query(runtime: Runtime, hive: HiveSession, flow: Flow, load: Load, select: str) -> _Landed:
    """Hive writes the result into a landing, and counts it twice: there, and by the query once more."""
    try_id = naming.new_try()
    database, table = naming.served_table(flow.lake, served_part(flow))
    landing = naming.landing(flow.lake.root, database, table, load.load_id, try_id)
    view = versions.staging_table(runtime, flow, "view", load.load_id, try_id)
    staged_view = quote_table(f"{naming.STAGING_DATABASE}.{view}")
    metastore = runtime.metastore(flow)
    hive.run(f"create view {staged_view} as {select}")
    described = metastore.read_version(naming.STAGING_DATABASE, view)
    columns = described.columns if described else ()
    try:
        require_servable(flow, f"{database}.{table}", columns)
    except PreflightRefused:
        hive.run(f"drop view {staged_view}")
        raise
    typed = versions.typed_table(runtime, flow, columns, landing, load.load_id, try_id)
    staged = f"{naming.STAGING_DATABASE}.{typed}"
    hive.run(f"insert overwrite table {quote_table(staged)} select * from {staged_view}")
    # Before the rows are counted: a file that somebody deletes after this is missed by the count, or by the publish.
    files = runtime.hdfs(flow).list_files(landing)
    rows = int(hive.run(f"select count(*) from {quote_table(staged)}")[0][0])
    expected = int(hive.run(f"select count(*) from {staged_view}")[0][0])
    hive.run(f"drop view {staged_view}")
    metastore.drop_table(naming.STAGING_DATABASE, typed)
    return _Landed(landing, versions.measure(rows, files), expected, columns)


def _query(flow: Flow) -> str:
    select = served_part(flow).select
    assert select is not None  # noqa: S101 - only products come here
    return select.strip().rstrip(";")


def _publish(runtime: Runtime, flow: Flow, load: Load, product: Product) -> Product:
    """Flip the product's table.

    Raises ReconcileMismatch when the files are not those whose rows were counted.
    """
    database, table = naming.served_table(flow.lake, served_part(flow))
    hdfs, size = runtime.hdfs(flow), product.size
    versions.ensure_table(runtime, flow, table, product.columns)
    proof = {"hive_rows": size.rows, "hive_files": size.files, "hive_bytes": size.bytes}
    hdfs.write_manifest(
        product.location, {"load_id": load.load_id, "flow": flow.flow, "version": product.version, **proof}
    )
    require_landing(hdfs, load, ProvedDirectory(product.location, size.bytes, size.rows))
    target = versions.Target(database, table, product.columns, product.location)
    versions.publish(runtime, flow, target, load, size)
    return product
