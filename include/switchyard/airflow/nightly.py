"""Common parts of the nightly DAGs over all flows, `diff` and `metadata_sync`."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from switchyard.airflow.dags import plan_param, utc_cron

_RETRY = {"retries": 1, "retry_delay": timedelta(minutes=2)}


def nightly_dag(
    dag_id: str,
    *,
    description: str,
    schedule: str,
    runbook: str,
    plan: str,
    params: dict[str, Param],
    tag: str,
    timeout: timedelta,
) -> DAG:
    """Return a DAG with one run at a time, never for a past night; `plan` describes the Param of that name."""
    return DAG(
        dag_id=dag_id,
        description=description,
        schedule=utc_cron(schedule),
        catchup=False,
        max_active_runs=1,
        default_args={"owner": "data-platform", **_RETRY},
        params={"plan": plan_param(plan), **params},
        tags=["switchyard", tag],
        doc_md=runbook,
        dagrun_timeout=timeout,
        render_template_as_native_obj=True,
    )
