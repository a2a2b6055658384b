"""A run of `airflow dags test` that was killed stays `running` in Airflow's tables, and later runs wait behind it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


def warn_of_earlier_run(context: Context) -> None:
    """Log an earlier run of this DAG that Airflow takes for running, and how to end it.

    Airflow does not check whether a process of `airflow dags test` lives; only the DAG's timeout ends such a run. A run
    that an asset woke has no date, so no run is earlier.
    """
    earlier = context["ti"].get_previous_dagrun(state="running")
    if earlier is None:
        return
    log.warning(
        "Airflow holds run %s of this DAG for running since %s\n  → if its process was killed (kill -9 of `airflow dags"
        " test`), mark it failed, in the UI or by PATCH /api/v2/dags/%s/dagRuns/%s: until then a scheduler starts no"
        " other run of this DAG. Its load is taken over by the next run.",
        earlier.run_id,
        earlier.start_date,
        earlier.dag_id,
        earlier.run_id,
    )
