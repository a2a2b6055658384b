"""Airflow DAGs `serve__<flow>`: Hive → MongoDB → Redis, one for every file in flows/ that serves.

plan → (select) → stage → publish → (refresh_cache) → (diff) → tidy, woken by the asset of the Hive table that
`ingest__<flow>` publishes.
"""

from pathlib import Path

from switchyard.airflow.dags import serve_dags

for dag in serve_dags(Path(__file__).parent / "flows"):
    globals()[dag.dag_id] = dag
