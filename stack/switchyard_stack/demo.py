"""`switchyard stack demo`: the main job on real servers, by `airflow dags test`, and the proof of it in tables."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from switchyard.catalog.chain import walk_flow
from switchyard.catalog.target import find_target
from switchyard.catalog.urns import name_of, platform_of
from switchyard.catalog.walk import Catalog
from switchyard.connections import Connections, EnvironmentConnections
from switchyard.extract import postgres
from switchyard.flow import naming
from switchyard.flow.files.loader import load_flows
from switchyard.flow.spec import Flow, Serve
from switchyard.lake.hdfs import Hdfs
from switchyard.lake.hive import Hive
from switchyard.lake.hiveql.statements import quote_table
from switchyard.lake.metastore import Metastore
from switchyard.serve.cache.connection import connect as connect_redis
from switchyard.serve.cache.keys import cache_key, id_values
from switchyard.serve.cache.reader import ReadThroughCache
from switchyard.serve.mongo.target import MongoTarget
from switchyard_stack.errors import StackError
from switchyard_stack.layout import Layout

_LANES = 2
_TAIL_LINES = 25


@dataclass(frozen=True)
class Demo:
    """One demonstration: where it prints, where its logs go, how to reach the servers."""

    layout: Layout
    console: Console
    environment: Mapping[str, str]
    connections: Connections

    @property
    def logs(self) -> Path:
        """One log per DAG run."""
        return self.layout.logs / "demo"

    def say(self, what: str, text: str) -> None:
        """One line of progress."""
        self.console.print(f"{what:<42} {text}", highlight=False)


def run_demo(layout: Layout, console: Console, environment: Mapping[str, str]) -> None:
    """Run every shipped flow through both legs, then `metadata_sync`; show counts, cache and lineage.

    Raises StackError with the end of the log of a DAG run that failed, or when counts differ.
    """
    os.environ.update(environment)
    demo = Demo(layout, console, environment, EnvironmentConnections())
    demo.logs.mkdir(parents=True, exist_ok=True)
    flows, errors = load_flows(layout.checkout / "dags" / "flows")
    if errors:
        raise StackError(str(errors[0]), cure="switchyard lint shows all errors of the flow files")
    _run_airflow(demo, "dags", "reserialize")  # two first runs at once would both insert the assets
    with ThreadPoolExecutor(_LANES) as lanes:
        list(lanes.map(lambda flow: _run_both_legs(demo, flow), sorted(flows.values(), key=_longest_first)))
    _run_dag(demo, "metadata_sync")
    console.print(_counts(demo, list(flows.values())))
    console.print(_cached_reads(demo, list(flows.values())))
    console.print(_lineage(demo, list(flows.values())))
    _next_steps(demo)


def _longest_first(flow: Flow) -> tuple[bool, str]:
    return "reading" not in (flow.source.table or ""), flow.flow


def _run_both_legs(demo: Demo, flow: Flow) -> None:
    _run_dag(demo, naming.dag_id("ingest", flow.flow))
    if flow.serve is not None:
        _run_dag(demo, naming.dag_id("serve", flow.flow))


def _run_dag(demo: Demo, dag_id: str) -> None:
    _run_airflow(demo, "dags", "test", dag_id)


def _run_airflow(demo: Demo, *arguments: str) -> None:
    started = time.monotonic()
    log = demo.logs / f"{arguments[-1]}.log"
    with log.open("w") as sink:
        command = [str(demo.layout.scripts / "airflow"), *arguments]
        code = subprocess.run(command, stdout=sink, stderr=subprocess.STDOUT, env={**os.environ}).returncode
    shown = f"airflow {' '.join(arguments)}"
    if code != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
        raise StackError(f"{shown} ended with {code}:\n{tail}", cure=f"read {log}")
    demo.say(shown, f"done in {time.monotonic() - started:.0f} s")


def _counts(demo: Demo, flows: Sequence[Flow]) -> Table:
    table = Table(
        "flow", "table or collection", "PostgreSQL", "HDFS", "Hive", "MongoDB", title="rows, counted at every hop"
    )
    for flow in flows:
        lake = (flow.lake.database, flow.lake.table)
        served = naming.served_table(flow.lake, flow.serve) if flow.serve else None
        with postgres.connect(demo.connections.get(flow.source.connection)) as session:
            source = postgres.count_rows(session, flow.source)
        in_hdfs, in_hive = _count_lake(demo, flow, *lake)
        documents = _count_documents(demo, flow.serve) if flow.serve and served == lake else None
        _add_counts(table, (flow.flow, ".".join(lake)), [source, in_hdfs, in_hive, documents])
        if flow.serve and served and served != lake:
            product = _count_lake(demo, flow, *served)
            _add_counts(
                table, ("", f"{'.'.join(served)} (serve.select)"), [None, *product, _count_documents(demo, flow.serve)]
            )
    return table


def _add_counts(table: Table, names: tuple[str, str], counts: Sequence[int | None]) -> None:
    if len({count for count in counts if count is not None}) > 1:
        raise StackError(
            f"{' '.join(names)}: the hops differ: {list(counts)}", cure="switchyard loads lists what was done"
        )
    table.add_row(*names, *("" if count is None else f"{count:,}" for count in counts))


def _count_lake(demo: Demo, flow: Flow, database: str, table: str) -> tuple[int, int]:
    """Rows by the Parquet files' own footers, and by Hive."""
    import pyarrow.parquet as pq

    version = Metastore(demo.connections.get(flow.lake.metastore)).read_version(database, table)
    if version is None:
        raise StackError(f"Hive has no table {database}.{table}", cure="switchyard loads lists what was done")
    hdfs = Hdfs(demo.connections.get(flow.lake.hdfs))
    footers = 0
    for file in hdfs.list_files(version.path):
        footers += pq.read_metadata(hdfs.open(file.path)).num_rows  # type: ignore[arg-type]
    statement = f"select count(*) from {quote_table(f'{database}.{table}')}"
    counted = Hive(demo.connections.get(flow.lake.hive)).query(statement)
    return footers, int(counted[0][0])


def _count_documents(demo: Demo, serve: Serve) -> int:
    with MongoTarget(demo.connections.get(serve.connection)) as mongo:
        return mongo.count(serve.collection)


def _cached_reads(demo: Demo, flows: Sequence[Flow]) -> Table:
    table = Table("flow", "key", "first read", "second read", "counters", title="a read through the cache, twice")
    for flow in flows:
        if flow.serve is None or flow.cache is None:
            continue
        with MongoTarget(demo.connections.get(flow.serve.connection)) as mongo:
            document = mongo.collection(flow.serve.collection).find_one(sort=[("_id", 1)])
        if document is None:
            continue
        key = id_values(document["_id"])
        connect_redis(demo.connections.get(flow.cache.connection)).unlink(cache_key(flow.flow, key))  # warmed ones, too
        reader = ReadThroughCache.from_flow(flow, demo.connections)
        first = _read(reader, key)
        second = _read(reader, key)
        counters = reader.counters()
        table.add_row(flow.flow, str(key), first, second, f"{counters.misses} miss, {counters.hits} hit")
    return table


def _read(reader: ReadThroughCache, key: list[Any]) -> str:
    before = reader.counters()
    started = time.perf_counter()
    reader.get(key if len(key) > 1 else key[0])
    took = (time.perf_counter() - started) * 1000
    return f"{'hit' if reader.counters().hits > before.hits else 'miss'}, {took:.1f} ms"


def _lineage(demo: Demo, flows: Sequence[Flow]) -> Table:
    target = find_target(demo.connections)
    table = Table("flow", "lineage found in the captured metadata", "column edges", "schemas", title="lineage")
    if target.directory is None:
        table.add_row("", f"sent to the DataHub server of connection {target.connection}: look there", "", "")
        return table
    catalog = Catalog.load(target.directory)
    for flow in flows:
        chain = walk_flow(catalog, flow, demo.connections)
        if chain.missing:
            raise StackError(f"flow {flow.flow}: {'; '.join(chain.missing)}", cure=f"see {demo.logs}")
        path = "\n→ ".join(f"{platform_of(urn)} {name_of(urn)}" for urn in chain.datasets)
        edges = " ".join(str(link.column_edges) for link in chain.links)
        table.add_row(flow.flow, path, edges, f"{len(chain.datasets)} of {len(chain.datasets)}")
    return table


def _next_steps(demo: Demo) -> None:
    demo.console.print(
        "\n[bold]Where to look next[/]\n"
        '  eval "$(make -s env)"           URLs and Airflow\'s variables for this shell\n'
        "  switchyard status               what is published and served\n"
        "  switchyard loads telemetry      every load, with its counts\n"
        "  make up                         Airflow's UI: trigger ingest__telemetry by hand, serve follows\n"
        "  make test                       prove it\n"
        f"  {demo.logs}   the log of each DAG run",
        highlight=False,
    )
