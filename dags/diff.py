"""Airflow DAG `diff`: every night, the stores of all flows are compared by value.

One task per flow, as its `diff` says: Hive and MongoDB, PostgreSQL and Hive when `diff.source` is set. Each reads its
stores as they are then; no digest is kept from one night to the next.
"""

from datetime import timedelta
from pathlib import Path

from airflow.sdk import Param

from switchyard.airflow.diff import MODES, VerdictOperator, compare_flow
from switchyard.airflow.nightly import nightly_dag
from switchyard.flow.files.loader import load_flows

FLOWS = Path(__file__).parent / "flows"

RUNBOOK = """
### Every flow's stores, compared by value

| task | what it does | when it fails |
|---|---|---|
| compare__… | compares by buckets of keys; mode values names keys and columns | could not compare: see its message |
| verdict | fails when stores differ, with the numbers of every flow | look into the tables of differences; see below |

What differs, by mode values, is in the Hive tables `<table>__diff` (Hive and MongoDB; of a product: its table) and
`<table>__source_diff` (PostgreSQL and Hive; needs a key).

Hive and MongoDB differ: somebody wrote into the collection. `switchyard diff FLOW --heal` serves Hive's version again,
whole. With `diff.heal: true` in the flow this DAG orders that, and wakes `serve__<flow>` by the Hive table's asset.

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
    tasks = [
        compare_flow(
            flow,
            dry_run_only="{{ params.plan }}",
            mode="{{ params.mode }}",
            only="{{ params.flows }}",
            execution_timeout=timedelta(hours=4),
        )
        for flow in load_flows(FLOWS)[0].values()
    ]
    tasks >> VerdictOperator(task_id="verdict", compared=[task.task_id for task in tasks], trigger_rule="all_done")
