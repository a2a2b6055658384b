"""The range that a DAG run asks to read again: by its Params, or by the interval of Airflow's Backfill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowFailException

from switchyard.errors import SwitchyardError
from switchyard.flow.moment import parse_range
from switchyard.handover import ORDINARY, LoadRequest

if TYPE_CHECKING:
    from airflow.sdk import Context


def requested_range(context: Context) -> LoadRequest:
    """Return the request for a range to read again, or for the next load."""
    params = context["params"]
    run = context["dag_run"]
    low = params.get("backfill_from")
    high = params.get("backfill_to")
    if run.run_type == "backfill" and (low is not None or high is not None):
        two_ranges = SwitchyardError(
            "this run has two ranges: that of Airflow's Backfill, and backfill_from and backfill_to",
            where=f"DAG {run.dag_id}, the run's Params",
            cure="nothing was run; begin the Backfill again with both Params empty; or trigger DAG "
            f"{run.dag_id} with them, without a Backfill",
        )
        raise AirflowFailException(str(two_ranges))
    if low is not None and high is not None:
        try:
            first, last = parse_range(str(low), str(high), ("backfill_from", "backfill_to"))
        except SwitchyardError as error:
            raise AirflowFailException(str(error)) from error
        return LoadRequest("backfill", first, last)
    if low is not None or high is not None:
        incomplete = SwitchyardError(
            "backfill_from and backfill_to belong together, and one of them is empty",
            where=f"DAG {run.dag_id}, the run's Params",
            cure=f"give both, or none; then trigger DAG {run.dag_id} again",
        )
        raise AirflowFailException(str(incomplete))
    begin = run.data_interval_start
    end = run.data_interval_end
    if run.run_type != "backfill" or begin is None or end is None:
        return ORDINARY
    return LoadRequest("backfill", begin.isoformat(), end.isoformat())
