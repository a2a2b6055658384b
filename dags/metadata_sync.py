"""Airflow DAG `metadata_sync`: every night, the schemas of all servers that flows touch go to the catalog.

One task per server: DataHub's own sources for PostgreSQL, the Hive metastore and MongoDB, ours for Redis and for the
landings in HDFS. They run in an environment of their own, `$SWITCHYARD_INGESTION_PYTHON`, made from
requirements/ingestion.txt. The catalog is what the connection `datahub` names: a DataHub server, or a local directory.
"""

from datetime import timedelta
from pathlib import Path

from airflow.sdk import Param, TaskGroup

from switchyard.airflow.metadata import CheckCatalogOperator, IngestMetadataOperator
from switchyard.airflow.nightly import nightly_dag
from switchyard.catalog.recipes import list_sources
from switchyard.flow.files.loader import load_flows

FLOWS = Path(__file__).parent / "flows"

RUNBOOK = """
### The catalog, brought up to date

| task | what it does | when it fails |
|---|---|---|
| sources.postgres__… | the database that flows read, views and their lineage | the connection and the cure are named |
| sources.hdfs__… | the landing of each lake table: the newest proved load's Parquet | as above |
| sources.hive__… | the databases that flows write, from the metastore | as above; HiveServer2 is not needed |
| sources.mongodb__… | the database that flows serve, from 1,000 documents each; no staging | as above |
| sources.redis__… | one keyspace per cached flow, from 100 values | as above |
| check | all datasets and columns that tasks named were ingested under the same URNs | see the sources' warnings |

It reads schemas and samples, moves no data, and never stops a flow. A failed source leaves its part of the catalog as
it was. Clearing and rerunning anything is safe. `plan: true` logs what each source would be asked for; `sources` runs
only those named, e.g. `["hive__lake_metastore"]`. From a shell: `switchyard sync-metadata`, then `switchyard lineage`.
"""

with nightly_dag(
    "metadata_sync",
    description="Schemas of every server that flows touch, to the catalog",
    schedule="0 3 * * *",
    runbook=RUNBOOK,
    plan="Say what would be ingested; ingest nothing.",
    params={
        "sources": Param(
            None, type=["null", "array"], title="Sources", description="Task names to run; none means all."
        ),
    },
    tag="catalog",
    timeout=timedelta(hours=4),
) as dag:
    with TaskGroup("sources") as sources:
        for source in list_sources(load_flows(FLOWS)[0].values()):
            IngestMetadataOperator(
                task_id=source.name,
                kind=source.kind,
                connection=source.connection,
                flows_directory=str(FLOWS),
                plan="{{ params.plan }}",
                only="{{ params.sources }}",
                execution_timeout=timedelta(hours=1),
            )
    sources >> CheckCatalogOperator(
        task_id="check", flows_directory=str(FLOWS), trigger_rule="none_failed_min_one_success"
    )
