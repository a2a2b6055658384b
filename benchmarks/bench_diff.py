"""Diff by value: rows per second and the memory it takes, equal and with one row in 2,500 changed."""

from __future__ import annotations

import os
import time
from typing import Any

from bench_ingest import _copy
from measure import Bench
from workspace import Workspace, open_workspace

from switchyard.flow.spec import Flow
from switchyard.legs.diff.run import diff_stores
from switchyard.legs.steps import run_leg

_LIMIT = "psql COPY to /dev/null"
_CHANGED = "case when reading_id % 2500 = 0 then p + 0.001 else p end as p"


def run(runs: int, rows: int, documents: int) -> None:
    """Compare `rows` readings in PostgreSQL and Hive, then `documents` loads in Hive and MongoDB."""
    bench = Bench(f"diff of {rows:,} readings and {documents:,} documents", "rows")
    with open_workspace() as workspace:
        same, changed = _readings(workspace, rows, "p"), _readings(workspace, rows, _CHANGED)
        served = _loads(workspace, documents)
        for leg, flow in (("ingest", same), ("ingest", served), ("serve", served)):
            list(run_leg(workspace.runtime, leg, flow))
        for _ in range(runs):
            source = workspace.runtime.connections.get("simbench_postgres")
            _copy(bench, _LIMIT, source, f"select * from reading where reading_id <= {rows}", rows)
            for mode in ("counts", "digest", "values"):
                _measure(bench, workspace, same, mode, "postgres-hive", "equal", rows)
            _measure(bench, workspace, changed, "values", "postgres-hive", "1 in 2,500 changed", rows)
            for mode in ("counts", "digest", "values"):
                _measure(bench, workspace, served, mode, "hive-mongodb", "equal", documents)
    bench.show(_LIMIT)


def _readings(workspace: Workspace, rows: int, p: str) -> Flow:
    query = f"select reading_id, profile, measured_at, local_day, {p}, q from reading where reading_id <= {rows}"
    return workspace.flow("reading", {"query": query, "key": ["reading_id"]})


def _loads(workspace: Workspace, documents: int) -> Flow:
    query = f"select id, node, profile, p_load, q_load, subnet from load order by id limit {documents}"
    return workspace.flow("load", {"query": query, "key": ["id"]}, serve=workspace.serve("load", ["id"]))


def _measure(bench: Bench, workspace: Workspace, flow: Flow, mode: Any, between: Any, note: str, rows: int) -> None:
    """In a process of its own, for its peak of memory."""
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        result = diff_stores(workspace.runtime, flow, mode, between)
        os._exit(0 if result.equal is (note == "equal") else 1)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{between} {mode}: not {note}")
    bench.add(f"{between} {mode}, {note}", time.perf_counter() - started, rows)
    print(f"{between} {mode}, {note}: {usage.ru_maxrss / 1024:,.0f} MiB at most")
