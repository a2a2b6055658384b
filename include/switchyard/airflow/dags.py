"""Flow files → DAGs. The two factories read like the legs they build; a flow that cannot be used becomes a DAG that says why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, Param, TaskGroup

from switchyard.airflow.operators import StepOperator
from switchyard.airflow.refusal import RefusalOperator
from switchyard.errors import FlowFileError
from switchyard.flow import naming
from switchyard.flow.frozen import frozen_spec
from switchyard.flow.loader import load_flows
from switchyard.flow.naming import Leg
from switchyard.flow.spec import Flow

LEDGER = "switchyard_ledger"
_RETRY = {"retries": 1, "retry_delay": timedelta(seconds=15)}
_LOAD = "{{ ti.xcom_pull(task_ids='plan')['load_id'] }}"

_PLAN_PARAM = Param(
    False,
    type="boolean",
    title="Plan only",
    description="Say what a run would do, row counts included (exact or estimated), and change nothing.",
)


def ingest_dags(directory: Path) -> Iterator[DAG]:
    """One `ingest__<flow>` for every flow file."""
    flows, errors = load_flows(directory)
    yield from (ingest_dag(flow) for flow in flows.values())
    yield from (refused_dag("ingest", flow, found) for flow, found in _by_flow(errors).items())


def serve_dags(directory: Path) -> Iterator[DAG]:
    """One `serve__<flow>` for every flow file that serves."""
    flows, errors = load_flows(directory)
    yield from (serve_dag(flow) for flow in flows.values() if flow.serve is not None)
    yield from (refused_dag("serve", flow, found) for flow, found in _by_flow(errors).items())


def lake_asset(flow: Flow) -> Asset:
    """The asset that wakes the serve leg: the flow's Hive table."""
    table = f"{flow.lake.database}.{flow.lake.table}"
    return Asset(name=table, uri=naming.lake_asset_uri(flow.lake.database, flow.lake.table), group="lake")


def ingest_dag(flow: Flow) -> DAG:
    """PostgreSQL → Sqoop → HDFS → Hive, proved before it is published."""
    with _dag("ingest", flow, schedule=flow.schedule, doc=_INGEST_DOC) as dag:
        step = _Steps("ingest", flow, [flow.source.connection, flow.lake.hdfs, flow.lake.hive, flow.lake.metastore])
        source_pool = naming.pool(flow.source.connection)
        preflight = step("preflight", load_id=None, pool=source_pool)
        plan = step("plan", load_id=None, dry_run_only="{{ params.plan }}")
        with TaskGroup("land_and_prove", tooltip="into a directory of its own, that no reader sees"):
            land = step("land", pool=source_pool)
            convert = step("convert")
            prove = step("prove")
        publish = step("publish", asset=lake_asset(flow), outlets=[lake_asset(flow)])
        tidy = step("tidy")
        preflight >> plan >> land >> convert >> prove >> publish >> tidy
    return dag


def serve_dag(flow: Flow) -> DAG:
    """Hive → MongoDB → Redis: a staging collection, proved, renamed into place; then exactly the changed keys leave the cache."""
    assert flow.serve is not None  # noqa: S101 - the caller chose flows that serve
    connections = [flow.lake.hdfs, flow.lake.hive, flow.lake.metastore, flow.serve.connection]
    if flow.cache is not None:
        connections.append(flow.cache.connection)
    with _dag("serve", flow, schedule=[lake_asset(flow)], doc=_SERVE_DOC) as dag:
        step = _Steps("serve", flow, connections)
        plan = step("plan", load_id=None, dry_run_only="{{ params.plan }}")
        with TaskGroup("stage_and_prove", tooltip="into a staging collection, that no reader sees"):
            stage = step("stage")
            if flow.serve.select is not None:
                step("select") >> stage
        publish = step("publish")
        tidy = step("tidy")
        plan >> dag.task_group.get_child_by_label("stage_and_prove") >> publish
        if flow.cache is not None:
            publish >> step("refresh_cache") >> tidy
        else:
            publish >> tidy
    return dag


def refused_dag(leg: Leg, flow: str, errors: list[FlowFileError]) -> DAG:
    """The DAG of a flow file that cannot be used: the same dag_id, one task that fails and shows file, line and cure."""
    message = "\n".join(str(error) for error in errors)
    with DAG(
        dag_id=naming.dag_id(leg, flow),
        description=f"the flow file of {flow} cannot be used",
        schedule=None,
        catchup=False,
        tags=["switchyard", leg, "refused"],
        doc_md=f"The flow file of `{flow}` cannot be used. `switchyard lint` shows all errors at once.\n\n```\n{message}\n```",
    ) as dag:
        RefusalOperator(task_id="flow_file_refused", message=message)
    return dag


class _Steps:
    """Makes the tasks of one leg: what they share is said once."""

    def __init__(self, leg: Leg, flow: Flow, connections: list[str]) -> None:
        self._leg, self._spec, self._connections = leg, frozen_spec(flow), sorted({*connections, LEDGER})

    def __call__(self, step: str, *, load_id: str | None = _LOAD, **kwargs: Any) -> StepOperator:
        return StepOperator(
            task_id=step,
            leg=self._leg,
            step=step,
            flow=self._spec,
            connections=self._connections,
            load_id=load_id,
            **kwargs,
        )


def _dag(leg: Leg, flow: Flow, *, schedule: Any, doc: str) -> DAG:
    return DAG(
        dag_id=naming.dag_id(leg, flow.flow),
        description=flow.description,
        schedule=schedule,
        catchup=False,
        max_active_runs=1,
        default_args={"owner": flow.owner, **_RETRY},
        params={"plan": _PLAN_PARAM},
        tags=["switchyard", leg, *([flow.domain] if flow.domain else []), *flow.tags],
        doc_md=doc.format(flow=flow, source=flow.source.table or "a query", serve=flow.serve),
        dagrun_timeout=timedelta(hours=12),
    )


def _by_flow(errors: list[FlowFileError]) -> dict[str, list[FlowFileError]]:
    found: dict[str, list[FlowFileError]] = {}
    for error in errors:
        found.setdefault(error.flow, []).append(error)
    return found


_INGEST_DOC = """
### {flow.flow}: PostgreSQL → HDFS → Hive

{flow.description}

Moves `{source}` of connection `{flow.source.connection}` into the Hive table
`{flow.lake.database}.{flow.lake.table}`. Owner: {flow.owner}.

| task | what it does | when it fails |
|---|---|---|
| preflight | looks at the live source: names, types, values, keys | the message names each column and its cure; nothing was run |
| plan | recovers what an earlier run left, writes the load into the ledger | names the connection, or the run that is at work |
| land | Sqoop writes JSON lines into a directory of its own; they are counted | run again: a try has a name of its own, debris is never read |
| convert | Hive makes typed Parquet of them | see HiveServer2's log; run again |
| prove | what the source statement read = landed = Hive, rows and values | the numbers are in the message; nothing was published |
| publish | one metastore call: location, columns, seq | a conflict means that another run won; run again |
| tidy | deletes debris, and versions beyond `lake.keep_loads` | harmless; the next run does it |

Every failure before `publish` leaves the old version as it was. Clearing and rerunning any task, or the whole run, is
safe. `plan: true` says what a run would do and changes nothing. `switchyard loads {flow.flow}` lists the loads.
"""

_SERVE_DOC = """
### {flow.flow}: Hive → MongoDB → Redis

Serves the current version of `{flow.lake.database}.{flow.lake.table}` as the collection `{serve.collection}` of
connection `{serve.connection}`. Woken by the Hive table's asset; an event wakes, the metastore and the ledger say what
to do. Owner: {flow.owner}.

| task | what it does | when it fails |
|---|---|---|
| plan | recovers, pins the version to serve; ends here when it is served already | names the connection, or the run that is at work |
| select | only with `serve.select`: Hive materialises the product, counted and flipped like any load | see HiveServer2's log |
| stage | finds the changed keys, writes a staging collection with its indexes, counts it against Hive | nothing was published; run again |
| publish | closes the cache's gate, renames the staging collection into place | readers see the old collection or the new one, whole |
| refresh_cache | removes exactly the changed keys, verifies, warms, opens the gate | the gate stays closed: slow, never wrong; run again |
| tidy | deletes debris | harmless |
"""
