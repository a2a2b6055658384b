"""How Airflow runs a flow's two DAGs: tries, time, order and number of runs. Nothing here changes what a load does."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, model_validator

from switchyard.flow.duration import Duration, format_duration
from switchyard.flow.fields import Closed
from switchyard.flow.refusal import refuse

AIRFLOWS_LONGEST_DELAY = timedelta(days=1)
"""A wait that backoff has led to is never longer: MAX_RETRY_DELAY of Airflow's operators."""


class Runs(Closed):
    """Retries, timeouts, priority and concurrency of a flow's ingest and serve DAG."""

    retries: int = Field(1, ge=0, le=100, description="how often a step that failed is tried again")
    retry_delay: Duration = Field(
        timedelta(seconds=15),
        description="how long a step waits before it is tried again",
        json_schema_extra={"default": "15s"},
    )
    backoff: Annotated[float, Field(ge=1, le=10, allow_inf_nan=False)] = Field(
        1.0,
        description="each wait is this many times the one before, and up to twice that, so that retries do not meet; "
        "1: every wait is retry_delay",
    )
    longest_delay: Duration = Field(
        timedelta(hours=1),
        description="the longest wait that backoff leads to",
        json_schema_extra={"default": "1h"},
    )
    timeout: Duration = Field(
        timedelta(hours=12),
        description="a run that takes longer is ended",
        json_schema_extra={"default": "12h"},
    )
    step_timeout: Duration | None = Field(
        None, description="one try of a step that takes longer is ended; default: only the run is limited"
    )
    priority: int = Field(
        1, ge=1, le=1_000, description="where slots are short, steps of the flow with the higher number go first"
    )
    pool_slots: int = Field(
        1, ge=1, le=1_000, description="slots of the source's pool that preflight and land take while they read"
    )
    max_active: int = Field(
        1,
        ge=1,
        le=16,
        description="how many runs of a leg Airflow begins at once; one of them works, the others wait in step plan",
    )

    @model_validator(mode="after")
    def _times_fit(self) -> Runs:
        if self.longest_delay > AIRFLOWS_LONGEST_DELAY:
            what = f"`longest_delay` of {format_duration(self.longest_delay)} is more than Airflow ever waits"
            raise refuse(what, cure="write at most 1d", at=["longest_delay"])
        if self.longest_delay < self.retry_delay and self.backoff > 1:
            what = "`longest_delay` is shorter than `retry_delay`, the first wait"
            raise refuse(what, cure="raise longest_delay, or lower retry_delay", at=["longest_delay"])
        if self.step_timeout is not None and self.step_timeout > self.timeout:
            what = "`step_timeout`, of one step, is longer than `timeout`, of the whole run"
            raise refuse(what, cure="raise timeout, or lower step_timeout", at=["step_timeout"])
        if self.shortest_waiting >= self.timeout:
            waited = format_duration(self.shortest_waiting)
            what = f"with its retries a failing step waits {waited} in all, and `timeout` ends the run before that"
            raise refuse(what, cure="set fewer retries, a shorter retry_delay, or a longer timeout", at=["retries"])
        return self

    @property
    def shortest_waiting(self) -> timedelta:
        """Least time that a step waits between its tries, if all of them fail, in whole seconds."""
        first = self.retry_delay.total_seconds()
        longest = self.longest_delay.total_seconds() if self.backoff > 1 else first
        waits = (min(first * self.backoff**number, longest) for number in range(self.retries))
        return timedelta(seconds=round(sum(waits)))
