"""Airflow DAG `diff`: every night, the stores of all flows are compared by value, and their age is judged.

One task per flow, as its `diff` says: Hive and MongoDB, PostgreSQL and Hive when `diff.source` is set. Each reads its
stores as they are then; no digest is kept from one night to the next. A flow with `freshness` has a task more, which
asks the ledger how old its stores are, whether or not anything has run.
"""

from datetime import timedelta
from pathlib import Path

from airflow.sdk import Param

from switchyard.airflow.diff import MODES, compare_flow
from switchyard.airflow.freshness import judge_freshness
from switchyard.airflow.nightly import nightly_dag
from switchyard.airflow.verdict import VerdictOperator
from switchyard.flow.files.loader import load_flows

FLOWS = Path(__file__).parent / "flows"

RUNBOOK = """
### Every flow's stores, compared by value

| task | what it does | when it fails |
|---|---|---|
| compare__… | compares by buckets of keys; mode values names keys and columns | could not compare: see its message |
| fresh__… | asks the ledger how old the stores of a flow with `freshness` are | could not ask: see its message |
| verdict | fails when stores differ or are older than `freshness`, or a flow file cannot be used | see below |

What differs, by mode values, is in the Hive tables `<table>__diff` (Hive and MongoDB; of a product: its table) and
`<table>__source_diff` (PostgreSQL and Hive; needs a key).

Hive and MongoDB differ: somebody wrote into the collection. `switchyard diff FLOW --heal` serves Hive's version again,
whole. With `diff.heal: true` in the flow this DAG orders that, and wakes `serve__<flow>` by the Hive table's asset.

Data is older than its flow allows: each store is named with the moment up to which it holds the source, and with what
holds it back: a hold, a load that failed, or no load at all, when the DAG is paused or fails before it plans one. A
run that finds nothing new makes a store as new as a load does.

PostgreSQL and Hive differ: the source changed since the load (the report says when that was), rows are in quarantine,
or the cursor missed them.

A flow that has published nothing yet is skipped. The result is in each task's log, in the `extra` of the event of asset
`<database>.<table>__diff`, and with the load: `switchyard loads FLOW --format json`. `plan: true` says what would be
compared; `flows` compares only those named; `mode` overrides what the flows say. Clearing and rerunning is safe.
"""

with nightly_dag(
    "diff",
    description="The stores of every flow, compared by value",
    schedule="0 4 * * *",
    runbook=RUNBOOK,
    plan="Say what would be compared; compare nothing.",
    params={
        "flows": Param(None, type=["null", "array"], title="Flows", description="Names of flows; none means all."),
        "mode": Param(None, type=["null", "string"], enum=[None, *MODES], title="Mode", description="How closely."),
    },
    tag="proof",
    timeout=timedelta(hours=6),
) as dag:
    flows, errors = load_flows(FLOWS)
    asked = {"dry_run_only": "{{ params.plan }}", "only": "{{ params.flows }}"}
    compared = [
        compare_flow(flow, mode="{{ params.mode }}", execution_timeout=timedelta(hours=4), **asked)
        for flow in flows.values()
    ]
    judged = [judge_freshness(flow, **asked) for flow in flows.values() if flow.freshness is not None]
    [*compared, *judged] >> VerdictOperator(
        task_id="verdict",
        compared=[task.task_id for task in compared],
        judged=[task.task_id for task in judged],
        refused={error.flow: str(error) for error in errors},
        trigger_rule="all_done",
    )
