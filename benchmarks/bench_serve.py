"""The serve leg: documents per second into MongoDB, beside the obvious way, and what a small change costs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from measure import Bench
from pymongo import MongoClient
from workspace import Workspace, open_workspace

from switchyard.flow.spec import Flow
from switchyard.legs.ingest import leg as ingest_leg
from switchyard.legs.serve import leg as serve_leg
from switchyard.serve.delta import compute_delta
from switchyard.serve.documents.encoder import DocumentEncoder, read_batches, read_schema

_OBVIOUS = "to_pylist + insert_many, no proof"
_KEY = ["id"]
_ONE_IN_A_HUNDRED = (
    "select id, node, profile, p_load + (hashtext(id) % 100 = 0)::int as p_load, q_load, subnet from load"
)
_SAME = _ONE_IN_A_HUNDRED.replace("(hashtext(id) % 100 = 0)::int", "0")


def run(runs: int, rows: int) -> None:
    """Serve the loads, then serve them again with one row in a hundred changed; `rows` bounds the documents."""
    bench = Bench("serve of SimBench's loads", "documents")
    with open_workspace() as workspace:
        for _ in range(runs):
            before, after = (
                _flow(workspace, f"{query} order by id limit {rows}") for query in (_SAME, _ONE_IN_A_HUNDRED)
            )
            _both_legs(bench, workspace, before, "all new")
            _both_legs(bench, workspace, after, "1 % changed")
            _pieces(bench, workspace, after)
    bench.show(_OBVIOUS)


def _flow(workspace: Workspace, query: str) -> Flow:
    parts = {"serve": workspace.serve("load", _KEY), "cache": {"connection": "simbench_redis", "warm": 1000}}
    return workspace.flow("load", {"query": query, "key": _KEY}, **parts)


def _both_legs(bench: Bench, workspace: Workspace, flow: Flow, note: str) -> None:
    runtime = workspace.runtime
    load_id = ingest_leg.plan(runtime, flow).load_id
    for step in (ingest_leg.land, ingest_leg.convert, ingest_leg.prove, ingest_leg.publish, ingest_leg.tidy):
        step(runtime, load_id)
    started = time.perf_counter()
    load = serve_leg.plan(runtime, flow)
    if isinstance(load, str):
        raise SystemExit(load)
    bench.add(f"{note}: plan", time.perf_counter() - started)
    rows = 0
    for step in (serve_leg.stage, serve_leg.publish, serve_leg.refresh_cache):
        report: Any = step(runtime, load.load_id)
        rows = report.facts.get("rows", rows)
        bench.add(f"{note}: {report.step}", report.seconds, rows if report.step == "stage" else 0)
    bench.add(f"{note}: all of it", time.perf_counter() - started, rows)
    serve_leg.tidy(runtime, load.load_id)


def _pieces(bench: Bench, workspace: Workspace, flow: Flow) -> None:
    """The parts of `stage` on their own, and the obvious way to do the same."""
    runtime = workspace.runtime
    version = runtime.metastore(flow).read_version(flow.lake.database, flow.lake.table)
    assert version is not None
    location = "/" + version.location.split("://", 1)[-1].split("/", 1)[1]
    with runtime.scratch() as scratch:
        with bench.timed("copy from HDFS"):
            files = runtime.hdfs(flow).download(location, scratch / "new")
        rows = sum(pq.read_metadata(file).num_rows for file in files)
        with bench.timed("Arrow to BSON, our encoder", rows):
            _encode(flow, files)
        with bench.timed("delta against the same version", rows):
            compute_delta(files, files, _KEY, scratch / "changes.parquet")
        with bench.timed(_OBVIOUS, rows):
            _insert_plainly(workspace, files)


def _encode(flow: Flow, files: list[Path]) -> None:
    schema = read_schema(files)
    assert schema is not None
    encoder = DocumentEncoder(schema, _KEY, where=flow.flow)
    for _ in encoder.encode_all(read_batches(files)):
        pass


def _insert_plainly(workspace: Workspace, files: list[Path]) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(os.environ["MONGO_URL"])
    with client:
        collection = client[workspace.runtime.connections.get("simbench_mongo").schema][f"{workspace.name}_plain"]
        for batch in _batches(files):
            collection.insert_many([{**row, "_id": row["id"]} for row in batch], ordered=False)
        collection.drop()


def _batches(files: list[Path]) -> Iterator[list[dict[str, Any]]]:
    for file in files:
        with pq.ParquetFile(file) as parquet:
            yield from (batch.to_pylist() for batch in parquet.iter_batches(batch_size=1000))
