"""The ingest leg against the bare source: what each hop costs on the quarter-hour readings."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from measure import Bench
from workspace import Workspace, open_workspace

from switchyard.connections import Connection
from switchyard.extract import postgres
from switchyard.extract.preflight import examine
from switchyard.extract.sqoop import sqoop_command
from switchyard.extract.statement import SPLIT_TOKEN, build_statement
from switchyard.flow.spec import Flow
from switchyard.lake.hdfs import Hdfs
from switchyard.legs.ingest import leg as ingest_leg

_LIMIT = "psql COPY to /dev/null"


def run(runs: int, rows: int) -> None:
    """Measure COPY, COPY of our JSON lines, plain Sqoop, and every step of the leg with one and two mappers."""
    bench = Bench(f"ingest of {rows:,} readings", "rows")
    with open_workspace() as workspace:
        flows = {mappers: _flow(workspace, rows, mappers) for mappers in (1, 2)}
        source = workspace.runtime.connections.get("simbench_postgres")
        select = f"select * from reading where {flows[1].source.where}"
        lines = _lines(workspace, flows[1])
        for _ in range(runs):
            _copy(bench, _LIMIT, source, select, rows)
            _copy(bench, "psql COPY of the leg's JSON lines to /dev/null", source, lines, rows)
            _plain_sqoop(bench, workspace, source, select, rows)
            for mappers, flow in flows.items():
                _leg(bench, workspace, flow, rows, f"-m {mappers}")
    bench.show(_LIMIT)


def _flow(workspace: Workspace, rows: int, mappers: int) -> Flow:
    source = {"table": "public.reading", "where": f"reading_id <= {rows}"}
    engine = {"mappers": mappers, "split_by": "reading_id"} if mappers > 1 else {}
    return workspace.flow(f"reading_m{mappers}", source, engine=engine)


def _lines(workspace: Workspace, flow: Flow) -> str:
    with postgres.connect(workspace.runtime.connections.get(flow.source.connection)) as session:
        return build_statement(flow.source, examine(session, flow).columns, None).query.replace(SPLIT_TOKEN, "true")


def _copy(bench: Bench, name: str, source: Connection, select: str, rows: int) -> None:
    environment = {**os.environ, "PGPASSWORD": source.password}
    where = ["-h", source.host, "-p", str(source.port), "-U", source.login, "-d", source.schema]
    with bench.timed(name, rows):
        command = ["psql", "-qX", *where, "-c", f"copy ({select}) to stdout"]
        subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=True)


def _plain_sqoop(bench: Bench, workspace: Workspace, source: Connection, select: str, rows: int) -> None:
    """Sqoop as most people call it: delimited text, which bends values (no proof, no types)."""
    hdfs = Hdfs(workspace.runtime.connections.get("lake_hdfs"))
    target = f"/{workspace.name}/plain"
    with workspace.runtime.scratch() as scratch, bench.timed("plain Sqoop -m 1, delimited text", rows):
        _run_sqoop(source, select, hdfs.url + target, scratch)
    hdfs.delete(target)


def _run_sqoop(source: Connection, select: str, target: str, scratch: Path) -> None:
    password = scratch / "password"
    password.touch(0o600)
    password.write_text(source.password)
    connect = f"jdbc:postgresql://{source.host}:{source.port}/{source.schema}"
    options = ["--connect", connect, "--username", source.login, "--password-file", password.as_uri()]
    options += ["--query", f"{select} and {SPLIT_TOKEN}", "--target-dir", target, "--num-mappers", "1"]
    options += ["--bindir", str(scratch / "classes"), "--outdir", str(scratch / "sources")]
    done = subprocess.run(
        [*sqoop_command(), "import", *options], capture_output=True, text=True, cwd=scratch, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])


def _leg(bench: Bench, workspace: Workspace, flow: Flow, rows: int, note: str) -> None:
    runtime, started = workspace.runtime, time.perf_counter()
    with bench.timed(f"leg {note}: plan"):
        load_id = ingest_leg.plan(runtime, flow).load_id
    for step in (ingest_leg.land, ingest_leg.convert, ingest_leg.prove, ingest_leg.publish):
        report: Any = step(runtime, load_id)
        bench.add(f"leg {note}: {report.step}", report.seconds, rows if report.step in ("land", "convert") else 0)
    bench.add(f"leg {note}: all of it", time.perf_counter() - started, rows)
    ingest_leg.tidy(runtime, load_id)
