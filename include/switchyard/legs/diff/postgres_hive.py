"""PostgreSQL ↔ Hive: the source as it is now with the lake's current version."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pyarrow as pa

from switchyard.compare.differences import Found
from switchyard.compare.join import Comparison
from switchyard.compare.rows import compare_row
from switchyard.errors import NothingToCompare, SwitchyardError
from switchyard.extract import postgres
from switchyard.extract.preflight import examine
from switchyard.flow import naming
from switchyard.flow.proof import DiffMode
from switchyard.flow.spec import Flow
from switchyard.lake.metastore import TableVersion
from switchyard.ledger.flow_state import read_state
from switchyard.legs.diff import table as diff_table
from switchyard.legs.diff.lake_side import count_rows
from switchyard.legs.diff.postgres_side import build_statement, read_lake, read_source
from switchyard.legs.diff.result import DIFFERENCES, DiffResult, count_only, judge_digests, judge_values, new_diff_id
from switchyard.legs.runtime import Runtime
from switchyard.legs.tables import files as tables_files
from switchyard.serve.documents.encoder import read_schema


def diff_source(runtime: Runtime, flow: Flow, mode: DiffMode) -> DiffResult:
    """Compare the source with the lake's current version.

    Where a flow has a bookmark, rows whose cursor reached it came or changed after the load, and take no part.

    Raises:
        NothingToCompare: nothing is published yet.
        SwitchyardError: mode `values` without a key.
    """
    started, diff_id = time.monotonic(), new_diff_id()
    version = _published(runtime, flow)
    with runtime.ledger() as ledger:
        ledger.migrate()
        load = ledger.find_version(flow.flow, version.seq)
        incremental = flow.lake.mode != "replace" and flow.source.cursor is not None
        bookmark = read_state(ledger, flow.flow).bookmark if incremental else None
    facts = {
        "diff": diff_id,
        "between": "postgres-hive",
        "mode": mode,
        "postgres": flow.source.table or "a query",
        "hive": f"{version.database}.{version.table}",
        "version": version.seq,
        "load": version.load_id,
        "loaded_at": str(load.published_at) if load else None,
        "before_bookmark": bookmark,
    }
    with runtime.scratch() as scratch, postgres.connect(runtime.connections.get(flow.source.connection)) as session:
        result = _compare_source(runtime, flow, session, version, facts, scratch)
        if mode == "values":
            table = naming.diff_table(flow.lake.table, source=True)
            result.facts["table"] = diff_table.publish(runtime, flow, table, diff_id, scratch / DIFFERENCES)
    result.facts["seconds"] = round(time.monotonic() - started, 2)
    return result


def _published(runtime: Runtime, flow: Flow) -> TableVersion:
    version = runtime.metastore(flow).read_version(flow.lake.database, flow.lake.table)
    if version is None or version.seq < 1:
        raise NothingToCompare(
            f"Hive table {flow.lake.database}.{flow.lake.table} has no published version",
            where=f"flow {flow.flow}",
            next=f"run the ingest leg first: switchyard run ingest {flow.flow}",
        )
    return version


def _compare_source(
    runtime: Runtime, flow: Flow, session: Any, version: TableVersion, facts: dict[str, Any], scratch: Path
) -> DiffResult:
    mode, hdfs = facts["mode"], runtime.hdfs(flow)
    if mode == "counts":
        return count_only(facts, postgres.count_rows(session, flow.source), count_rows(hdfs, version.paths))
    examined = examine(session, flow)
    key = examined.shape.primary_key
    if mode == "values" and not key:
        raise SwitchyardError(
            "without a key no row can be named: only counts and digest",
            where=f"flow {flow.flow}",
            next="set source.key, or use --mode digest",
        )
    files = tables_files.download(hdfs, version.paths, scratch / "hive")
    schema = read_schema(files) or pa.schema([pa.field(c.name, pa.string()) for c in version.columns])
    statement = build_statement(flow, examined.columns, key, version.columns, schema, facts["before_bookmark"])
    rows = scratch / "rows.parquet" if mode == "values" else None
    left = read_source(session, statement, scratch / "left", rows)
    right = read_lake(files, statement, scratch / "right")
    facts["not_compared"] = list(statement.not_compared)
    with (
        Found(facts["diff"], "postgres", "hive", scratch / DIFFERENCES) as found,
        Comparison(left.path, right.path, scratch) as compared,
    ):
        facts["moved_since_load"] = compared.left_out()
        if rows is None:
            return judge_digests(facts, compared.rows(), compared.buckets())
        for suspects in compared.suspects([rows], files):
            compared_rows = (compare_row(suspect, statement.columns, statement.key) for suspect in suspects)
            found.add([difference for difference in compared_rows if difference is not None])
        return judge_values(facts, compared.rows(), found)
