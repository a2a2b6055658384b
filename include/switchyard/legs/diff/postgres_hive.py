"""PostgreSQL ↔ Hive: the source as it is now with the lake's current version."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psycopg
import pyarrow as pa

from switchyard.compare.differences import DifferenceWriter
from switchyard.compare.digests import DigestSpool
from switchyard.compare.join import Comparison
from switchyard.compare.rows import compare_row
from switchyard.errors import NothingToCompare, SwitchyardError
from switchyard.extract import postgres
from switchyard.extract.preflight import examine
from switchyard.extract.session import begin
from switchyard.flow import naming
from switchyard.flow.proof import DiffMode
from switchyard.flow.spec import Flow
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.flow_state import read_state
from switchyard.ledger.loads import Load
from switchyard.ledger.results import Compared
from switchyard.legs.diff import table as diff_table
from switchyard.legs.diff.postgres_side import SourceStatement, build_statement, read_lake, read_source
from switchyard.legs.diff.result import DIFFERENCES, DiffResult, judge_digests, judge_values, new_diff_id
from switchyard.legs.runtime import Runtime
from switchyard.legs.tables import files as tables_files
from switchyard.legs.tables.versions import require_own
from switchyard.serve.documents.encoder import read_schema


def diff_source(runtime: Runtime, flow: Flow, mode: DiffMode) -> DiffResult:
    """Compare the source with the lake's current version.

    Where a flow has a bookmark, rows whose cursor reached it came or changed after the load, and take no part.

    Raises:
        NothingToCompare: nothing is published yet.
        SwitchyardError: mode `values` without a key.
    """
    started = time.monotonic()
    diff_id = new_diff_id()
    version = _published(runtime, flow)
    with runtime.ledger() as ledger:
        ledger.migrate()
        load = ledger.find_version(flow.flow, version.seq)
        incremental = flow.lake.mode != "replace" and flow.source.cursor is not None
        remembered = read_state(ledger, flow.flow).bookmark if version.rev is None else None
        shown = version.bookmark.high if version.bookmark else remembered
        bookmark = shown if incremental else None
    describe = partial(_describe, flow, mode, diff_id, version, load, bookmark)
    with runtime.scratch() as scratch, postgres.connect(runtime.connections.get(flow.source.connection)) as session:
        if mode == "counts":
            hive_rows = tables_files.count_rows(runtime.hdfs(flow), version.paths)
            result = DiffResult(describe(postgres.count_rows(session, flow.source), hive_rows))
        else:
            sides = _read_sides(runtime, flow, session, version, bookmark, scratch, values=mode == "values")
            result = _compare_values(describe, diff_id, sides, scratch)
        table = None
        if mode == "values":
            name = naming.diff_table(flow.lake.table, source=True)
            table = diff_table.publish(runtime, flow, name, diff_id, scratch / DIFFERENCES)
    seconds = round(time.monotonic() - started, 2)
    return replace(result, compared=replace(result.compared, table=table, seconds=seconds))


def _published(runtime: Runtime, flow: Flow) -> TableVersion:
    version = runtime.metastore(flow).read_version(flow.lake.database, flow.lake.table)
    if version is None or version.seq < 1:
        raise NothingToCompare(
            f"Hive table {flow.lake.database}.{flow.lake.table} has no published version",
            where=f"flow {flow.flow}",
            cure=f"run the ingest leg first: switchyard run ingest {flow.flow}",
        )
    require_own(flow, flow.lake.table, version)
    return version


def _describe(
    flow: Flow,
    mode: DiffMode,
    diff_id: str,
    version: TableVersion,
    load: Load | None,
    bookmark: str | None,
    source_rows: int,
    hive_rows: int,
) -> Compared:
    """The comparison of two counts; digests and values are added to it later."""
    return Compared(
        diff=diff_id,
        between="postgres-hive",
        mode=mode,
        hive=f"{version.database}.{version.table}",
        version=version.seq,
        hive_rows=hive_rows,
        equal=source_rows == hive_rows,
        postgres=flow.source.table or "a query",
        postgres_rows=source_rows,
        load=version.load_id,
        loaded_at=str(load.published_at) if load else None,
        before_bookmark=bookmark,
    )


@dataclass(frozen=True)
class _Sides:
    """Both stores, read: digests by key, the files of Hive's version, and in mode values the source's rows as text."""

    statement: SourceStatement
    files: list[Path]
    rows: Path | None
    left: DigestSpool
    right: DigestSpool


def _read_sides(
    runtime: Runtime,
    flow: Flow,
    session: psycopg.Connection[tuple[object, ...]],
    version: TableVersion,
    bookmark: str | None,
    scratch: Path,
    *,
    values: bool,
) -> _Sides:
    examined = examine(session, flow)
    key = examined.shape.primary_key
    if values and not key:
        raise SwitchyardError(
            "mode values needs a key to name the rows that differ",
            where=f"flow {flow.flow}",
            cure="set source.key in the flow file, or use --mode digest",
        )
    session.rollback()  # a login may be forbidden to idle in a transaction
    files = tables_files.download(runtime.hdfs(flow), version.paths, scratch / "hive")
    schema = read_schema(files) or pa.schema([pa.field(c.name, pa.string()) for c in version.columns])
    statement = build_statement(flow, examined.columns, key, version.columns, schema, bookmark)
    rows = scratch / "rows.parquet" if values else None
    begin(session)
    left = read_source(session, statement, scratch / "left", rows)
    right = read_lake(files, statement, scratch / "right")
    return _Sides(statement, files, rows, left, right)


def _compare_values(describe: Callable[[int, int], Compared], diff_id: str, sides: _Sides, scratch: Path) -> DiffResult:
    statement = sides.statement
    with (
        DifferenceWriter(diff_id, "postgres", "hive", scratch / DIFFERENCES) as writer,
        Comparison(sides.left.path, sides.right.path, scratch) as comparison,
    ):
        moved = comparison.left_out()
        compared = replace(describe(*comparison.rows()), not_compared=statement.not_compared, moved_since_load=moved)
        if sides.rows is None:
            return judge_digests(compared, comparison.buckets())
        for suspects in comparison.suspects([sides.rows], sides.files):
            differences = (compare_row(suspect, statement.columns, statement.key) for suspect in suspects)
            writer.add([difference for difference in differences if difference is not None])
        return judge_values(compared, writer)
