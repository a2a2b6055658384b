"""Airflow DAGs `ingest__<flow>`: PostgreSQL → Sqoop → HDFS → Hive, one for every file in flows/.

preflight → plan → land → convert → prove → publish → tidy. The steps and what to do when one fails: the docs of each
DAG, and docs/operations.md.
"""

from pathlib import Path

from switchyard.airflow.dags import ingest_dags

for dag in ingest_dags(Path(__file__).parent / "flows"):
    globals()[dag.dag_id] = dag
