"""Operator of the nightly `diff` that judges how old a flow's stores are, by the ledger alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from switchyard.airflow.operators import StepOperator
from switchyard.airflow.run_conf import require_obeyed
from switchyard.connections import ledger_connection_id
from switchyard.flow.duration import format_duration
from switchyard.flow.frozen import whole_spec
from switchyard.flow.spec import Flow

if TYPE_CHECKING:
    from airflow.sdk import Context


def judge_freshness(flow: Flow, **kwargs: Any) -> FreshnessOperator:
    """Return the task that judges a flow which has `freshness`."""
    assert flow.freshness is not None  # noqa: S101 - the caller chose flows that have it
    return FreshnessOperator(
        task_id=f"fresh__{flow.flow}",
        flow=whole_spec(flow),
        connections=[ledger_connection_id()],
        within=format_duration(flow.freshness),
        **kwargs,
    )


class FreshnessOperator(StepOperator):
    """Judge the age of one flow's stores; succeeds also when they are stale, so that the verdict has the numbers.

    Args:
        flow: the whole flow file.
        connections: ids of the Airflow connections that the step may use: the ledger's.
        within: the age that is allowed, for people.
        only: names of the flows to judge; empty means all.
    """

    template_fields: Sequence[str] = ("dry_run_only", "only")
    ui_color = "#f4ecdb"

    def __init__(
        self,
        *,
        flow: dict[str, Any],
        connections: Sequence[str],
        within: str,
        only: str | list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(leg="diff", step="freshness", flow=flow, connections=connections, **kwargs)
        self.within = within
        self.only = only

    def execute(self, context: Context) -> dict[str, Any]:
        """Judge; returns the report. Skipped when the flow was not asked for, and by a dry run."""
        require_obeyed(context)
        if self.only and self.flow["flow"] not in self.only:
            raise AirflowSkipException(f"this flow is not among the flows to judge: {self.only}")
        if str(self.dry_run_only) == "True":
            raise AirflowSkipException(f"plan only: its stores would be judged, {self.within} is allowed")
        return super().execute(context)
