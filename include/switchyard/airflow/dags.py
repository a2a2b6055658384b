"""Flow files → DAGs. The steps of a leg and their order are those of `flow.steps`.

A flow file that cannot be used keeps its DAGs: the steps that begin a load show why, and runs at work go on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TypedDict

from airflow.sdk import (
    DAG,
    Asset,
    AssetAlias,
    BaseOperator,
    CronDataIntervalTimetable,
    CronTriggerTimetable,
    Param,
    TaskGroup,
    chain,
)

from switchyard.airflow import runbooks
from switchyard.airflow.assets import LAKE_EVENT, SERVED_EVENT, lake_asset, late_alias, served_asset
from switchyard.airflow.operators import StepOperator
from switchyard.airflow.refusal import RefusalOperator
from switchyard.connections import ledger_connection_id
from switchyard.errors import FlowFileError
from switchyard.flow import naming
from switchyard.flow.files.loader import load_flows
from switchyard.flow.frozen import frozen_spec
from switchyard.flow.naming import Leg
from switchyard.flow.runs import Runs
from switchyard.flow.spec import Flow
from switchyard.flow.steps import LEG_STEPS, LegStep, steps_of

_PLAN = "Say what a run would do, with exact row counts where they are known beforehand, and change nothing."
_LOAD = "{{ (ti.xcom_pull(task_ids='plan') or {})['load_id'] | default }}"
_TOOLTIPS = {
    "land_and_prove": "into a directory of its own, that no reader sees",
    "stage_and_prove": "into a staging collection, that no reader sees",
}

Schedule = CronDataIntervalTimetable | CronTriggerTimetable | list[Asset] | None


class TaskArguments(TypedDict, total=False):
    """Arguments of one step's task, beyond those that every step's task has."""

    pool: str
    pool_slots: int
    dry_run_only: str
    reads_ranges: bool
    asset: Asset
    event: Mapping[str, str]
    makes_up_for: Asset
    outlets: list[Asset] | list[AssetAlias]


class RunArguments(TypedDict):
    """Arguments of every task of a flow's DAGs that its `runs` stand for."""

    retries: int
    retry_delay: timedelta
    retry_exponential_backoff: float
    max_retry_delay: timedelta | None
    execution_timeout: timedelta | None
    priority_weight: int
    weight_rule: str


_BACKFILL_FROM = Param(
    None,
    type=["null", "string"],
    format="date-time",
    title="Backfill from",
    description="Read this range of the cursor again and merge it: its first moment. The bookmark stays. "
    "In Airflow's Backfill leave both empty: the dates of its dialog are the range.",
)
_BACKFILL_TO = Param(
    None,
    type=["null", "string"],
    format="date-time",
    title="Backfill up to",
    description="The range's end, not included.",
)
_START = Param(
    "bookmark",
    type="string",
    enum=["bookmark", "beginning", "trusted-bookmark"],
    title="Start",
    description="Where the load begins. beginning: the whole source, when the table was dropped or the source changed; "
    "trusted-bookmark: the bookmark, though the source changed, because the rows below it are the same.",
)


def ingest_dags(directory: Path) -> Iterator[DAG]:
    """One `ingest__<flow>` for every flow file."""
    flows, errors = load_flows(directory)
    yield from (ingest_dag(flow) for flow in flows.values())
    yield from (refused_dag("ingest", flow, refusals) for flow, refusals in _by_flow(errors).items())


def serve_dags(directory: Path) -> Iterator[DAG]:
    """One `serve__<flow>` for every flow file that serves."""
    flows, errors = load_flows(directory)
    yield from (serve_dag(flow) for flow in flows.values() if flow.serve is not None)
    yield from (refused_dag("serve", flow, refusals) for flow, refusals in _by_flow(errors).items())


def plan_param(description: str) -> Param:
    """The Param `plan`, which every DAG takes."""
    return Param(False, type="boolean", title="Plan only", description=description)


def utc_cron(schedule: str) -> CronTriggerTimetable:
    """Read a cron expression or preset in UTC: a bare string follows `core.default_timezone` and its DST."""
    return CronTriggerTimetable(schedule, timezone="UTC")


def ingest_dag(flow: Flow) -> DAG:
    """PostgreSQL → Sqoop → HDFS → Hive, proved before it is published."""
    with _dag(
        "ingest", flow, schedule=_schedule(flow), doc=runbooks.INGEST, params={"start": _START, **_range_params(flow)}
    ) as dag:
        connections = [flow.source.connection, flow.lake.hdfs, flow.lake.hive, flow.lake.metastore]
        reads_source: TaskArguments = {"pool": naming.pool(flow.source.connection), "pool_slots": flow.runs.pool_slots}
        _draw_steps(
            "ingest",
            flow,
            connections,
            preflight=reads_source,
            plan={"reads_ranges": _reads_ranges(flow), **_plan_arguments(lake_asset(flow), LAKE_EVENT)},
            land=reads_source,
            publish={"asset": lake_asset(flow), "event": LAKE_EVENT, "outlets": [lake_asset(flow)]},
        )
    return dag


def serve_dag(flow: Flow) -> DAG:
    """Hive → MongoDB → Redis: a proved staging collection renamed into place, then the changed keys leave the cache."""
    assert flow.serve is not None  # noqa: S101 - the caller chose flows that serve
    connections = [flow.lake.hdfs, flow.lake.hive, flow.lake.metastore, flow.serve.connection]
    if flow.cache is not None:
        connections.append(flow.cache.connection)
    with _dag("serve", flow, schedule=[lake_asset(flow)], doc=runbooks.SERVE) as dag:
        served = served_asset(flow.serve)
        _draw_steps(
            "serve",
            flow,
            connections,
            plan=_plan_arguments(served, SERVED_EVENT),
            publish={"asset": served, "event": SERVED_EVENT, "outlets": [served]},
        )
    return dag


def refused_dag(leg: Leg, flow: str, errors: list[FlowFileError]) -> DAG:
    """The DAG of a flow file that cannot be used: what begins a load fails, and shows file, line and cure.

    What goes on with a load stays: a run that is at work ends by the flow that its load was planned with (adr/0048).
    """
    message = "\n".join(str(error) for error in errors)
    with DAG(
        dag_id=naming.dag_id(leg, flow),
        description=f"the flow file of {flow} cannot be used",
        schedule=None,
        catchup=False,
        default_args=dict(_run_arguments(Runs())),
        tags=["switchyard", leg, "refused"],
        doc_md=runbooks.REFUSED.format(flow=flow, message=message),
    ) as dag:
        _draw_chain(LEG_STEPS[leg], lambda step: _refused_task(leg, step, flow, message))
    return dag


def _refused_task(leg: Leg, step: LegStep, flow: str, message: str) -> BaseOperator:
    """The task of a step while the flow file cannot be used. It asks for the connections that its load needs."""
    if step.begins:
        return RefusalOperator(task_id=step.name, message=message)
    return StepOperator(
        task_id=step.name,
        leg=leg,
        step=step.name,
        flow={"flow": flow},
        connections=[ledger_connection_id()],
        load_id=_LOAD,
        is_silent=True,
    )


def _draw_steps(leg: Leg, flow: Flow, connections: list[str], **arguments: TaskArguments) -> None:
    """Draw a task for every step that the flow has in the leg, in order; `arguments`: of single tasks, by step."""
    steps = steps_of(leg, flow)
    unknown = arguments.keys() - {step.name for step in steps}
    assert not unknown, f"leg {leg} has no steps {unknown}"  # noqa: S101 - flow.steps and this module must agree

    def draw(step: LegStep) -> StepOperator:
        return StepOperator(
            task_id=step.name,
            leg=leg,
            step=step.name,
            flow=frozen_spec(flow),
            connections=sorted({*connections, ledger_connection_id()}),
            load_id=None if step.begins else _LOAD,
            waits_for_turn=flow.runs.max_active > 1,
            **arguments.get(step.name, TaskArguments()),
        )

    _draw_chain(steps, draw)


def _draw_chain(steps: Sequence[LegStep], draw: Callable[[LegStep], BaseOperator]) -> None:
    """Draw steps one after another, those of a group inside it."""
    tasks = []
    for group, members in itertools.groupby(steps, key=lambda step: step.group):
        with TaskGroup(group, tooltip=_TOOLTIPS[group]) if group else nullcontext():
            tasks += [draw(step) for step in members]
    chain(*tasks)


def _plan_arguments(asset: Asset, event: Mapping[str, str]) -> TaskArguments:
    """Return the arguments of a leg's step plan, which may owe an event of `asset`."""
    return {
        "dry_run_only": "{{ params.plan }}",
        "makes_up_for": asset,
        "event": event,
        "outlets": [late_alias(asset)],
    }


def _reads_ranges(flow: Flow) -> bool:
    """Return True if a range of the past can be read again."""
    return flow.lake.mode == "merge" and flow.source.cursor is not None


def _schedule(flow: Flow) -> Schedule:
    """Return the timetable; its runs have data intervals, which Airflow's Backfill needs, if the flow reads ranges."""
    if flow.schedule is None:
        return None
    return CronDataIntervalTimetable(flow.schedule, timezone="UTC") if _reads_ranges(flow) else utc_cron(flow.schedule)


def _range_params(flow: Flow) -> dict[str, Param]:
    return {"backfill_from": _BACKFILL_FROM, "backfill_to": _BACKFILL_TO} if _reads_ranges(flow) else {}


def _dag(leg: Leg, flow: Flow, *, schedule: Schedule, doc: str, params: dict[str, Param] | None = None) -> DAG:
    return DAG(
        dag_id=naming.dag_id(leg, flow.flow),
        description=flow.description,
        schedule=schedule,
        catchup=False,
        max_active_runs=flow.runs.max_active,
        default_args={"owner": flow.owner, **_run_arguments(flow.runs)},
        params={"plan": plan_param(_PLAN), **(params or {})},
        tags=["switchyard", leg, *([flow.domain] if flow.domain else []), *flow.tags],
        doc_md=_runbook(doc, flow),
        dagrun_timeout=flow.runs.timeout,
    )


def _run_arguments(runs: Runs) -> RunArguments:
    """Return the arguments of Airflow's operators that a flow's `runs` stand for."""
    return {
        "retries": runs.retries,
        "retry_delay": runs.retry_delay,
        "retry_exponential_backoff": runs.backoff if runs.backoff > 1 else 0,
        "max_retry_delay": runs.longest_delay if runs.backoff > 1 else None,
        "execution_timeout": runs.step_timeout,
        "priority_weight": runs.priority,
        "weight_rule": "absolute",  # Airflow's own rule adds what follows: a long flow would overtake a higher number
    }


def _runbook(text: str, flow: Flow) -> str:
    quarantine = naming.quarantine_table(flow.lake.table)
    return text.format(flow=flow, source=flow.source.table or "a query", quarantine=quarantine, serve=flow.serve)


def _by_flow(errors: list[FlowFileError]) -> dict[str, list[FlowFileError]]:
    by_flow: dict[str, list[FlowFileError]] = {}
    for error in errors:
        by_flow.setdefault(error.flow, []).append(error)
    return by_flow
