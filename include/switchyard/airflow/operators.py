"""One operator: a step of a leg, run as a child process that ends with the task.

The child gets connections and the flow over its standard input (no secret in argv or environment), logs to standard
error, and prints its report as one JSON line.
"""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
)

from switchyard.handover import ASK_AIRFLOW, BUSY, REFUSED, LineageStep
from switchyard.process import die_with_parent, end_group

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

_TURN_SECONDS = 15


class _LoadOfAnotherRun(Exception):
    """The step did nothing; `load_id` is `dag_run`'s."""

    def __init__(self, message: str, load_id: str, dag_run: dict[str, str]) -> None:
        super().__init__(message)
        self.load_id, self.dag_run = load_id, dag_run


class StepOperator(BaseOperator):
    """Run one step of a leg.

    Args:
        leg: `ingest` or `serve`.
        step: the step's name, as `switchyard step` knows it.
        flow: the frozen flow file.
        connections: ids of the Airflow connections that the step may use.
        load_id: the load; None for steps that begin one.
        asset: the asset whose event tells of this step's success.
        reads_ranges: the step can be asked for a range of the past: by the Params `backfill_from` and `backfill_to`, or
            by a run of Airflow's Backfill, whose data interval it is.
    """

    template_fields: Sequence[str] = ("load_id", "dry_run_only")
    ui_color = "#dbe9f4"

    def __init__(
        self,
        *,
        leg: str,
        step: str,
        flow: dict[str, Any],
        connections: Sequence[str],
        load_id: str | None = None,
        dry_run_only: str | bool = False,
        asset: Asset | None = None,
        reads_ranges: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.leg = leg
        self.step = step
        self.flow = flow
        self.connections = connections
        self.load_id = load_id
        self.dry_run_only = dry_run_only
        self.asset = asset
        self.reads_ranges = reads_ranges
        self._child: subprocess.Popen[str] | None = None
        self._lineage: LineageStep | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step; returns its report. Skips what follows after a dry run, or when there is nothing to do."""
        dry_run = str(self.dry_run_only) == "True"
        report = self._run_step("forecast" if dry_run else self.step, context)
        if dry_run:
            for name, value in report.items():
                self.log.info("%-20s %s", name.replace("_", " "), value)
            raise AirflowSkipException("plan only: nothing was changed; the plan is in this task's log")
        if report.get("nothing_to_do"):
            raise AirflowSkipException(str(report["nothing_to_do"]))
        if self.asset is not None:
            context["outlet_events"][self.asset].extra = {
                name: report[name] for name in ("load_id", "seq", "rows", "bytes", "quarantined") if name in report
            }
        moved = report.pop("lineage", None)
        self._lineage = LineageStep.from_json(moved) if moved else None
        return report

    def on_kill(self) -> None:
        """End the child and everything it started."""
        if self._child is not None:
            end_group(self._child)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """What the DataHub plugin asks for: the datasets and columns that this step moved, after success only."""
        from switchyard.airflow.lineage import operator_lineage

        return operator_lineage(self._lineage)

    def _run_step(self, step: str, context: Context) -> dict[str, Any]:
        """Run the child; what a run left that Airflow says is over, is taken over (docs/adr/0015)."""
        taken: list[str] = []
        while True:
            try:
                return self._run_child(step, context, taken)
            except _LoadOfAnotherRun as found:
                if found.load_id in taken or _goes_on(context, found.dag_run):
                    _give_way(context, str(found))
                self.log.info("%s\nThat run is over: its load is taken over", found)
                taken.append(found.load_id)

    def _arguments(self, step: str) -> list[str]:
        """What `switchyard` is called with."""
        return ["step", self.leg, step, *(["--load", self.load_id] if self.load_id is not None else [])]

    def _run_child(self, step: str, context: Context, take_over: list[str]) -> dict[str, Any]:
        from switchyard.airflow.connections import resolve

        command = [sys.executable, "-m", "switchyard", *self._arguments(step), "--from-stdin"]
        payload = {
            "connections": resolve(self.connections),
            "flow": self.flow,
            "owner": _owner(context),
            "dag_run": {name: str(getattr(context["dag_run"], name)) for name in ("dag_id", "run_id")},
            "take_over": take_over,
            "request": self._request(context),
        }
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        try:
            report, tail = self._talk(self._child, json.dumps(payload))
            code = self._child.wait()
        finally:
            end_group(self._child)
        if code == 0 and report is not None:
            return report
        message = "\n".join(tail) or f"step {step} ended with exit code {code} and said nothing"
        if code == ASK_AIRFLOW and report is not None:
            raise _LoadOfAnotherRun(message, report["load_id"], report["dag_run"])
        if code == BUSY:
            _give_way(context, message)
        raise (AirflowFailException if code == REFUSED else AirflowException)(message)

    def _request(self, context: Context) -> dict[str, Any] | None:
        """What a step that begins a load of the ingest leg is asked for; None: the next load."""
        asked = _range(context) if self.reads_ranges else None
        start = context["params"].get("start", "bookmark")
        if self.leg != "ingest" or self.load_id is not None or start == "bookmark":
            return asked
        if asked is not None:
            raise AirflowFailException(
                "start says where the next load begins; a backfill reads its own range: one of both"
            )
        return {"start": str(start)}

    def _talk(self, child: subprocess.Popen[str], payload: str) -> tuple[dict[str, Any] | None, list[str]]:
        assert child.stdin is not None and child.stdout is not None  # noqa: S101 - Popen was given PIPE
        child.stdin.write(payload)
        child.stdin.close()
        report: dict[str, Any] | None = None
        error: list[str] = []
        for line in child.stdout:
            text = line.rstrip("\n")
            if text.startswith('{"step":'):
                report = json.loads(text)
                continue
            if text.startswith("error: ") or error:
                error.append(text.removeprefix("error: "))
            self.log.info("%s", text)
        return report, error


def _range(context: Context) -> dict[str, Any] | None:
    """The range to read again; None: the next load."""
    params, run = context["params"], context["dag_run"]
    low, high = params.get("backfill_from"), params.get("backfill_to")
    if low is not None and high is not None:
        return {"kind": "backfill", "low": str(low), "high": str(high)}
    if low is not None or high is not None:
        raise AirflowFailException("backfill_from and backfill_to belong together: give both, or none")
    if run.run_type != "backfill" or run.data_interval_start is None or run.data_interval_end is None:
        return None
    begin, end = run.data_interval_start, run.data_interval_end
    return {"kind": "backfill", "low": begin.isoformat(), "high": end.isoformat()}


def _give_way(context: Context, message: str) -> NoReturn:
    """Another run of the flow is at work: fail, and say who; a run of Airflow's Backfill waits for its turn.

    A Backfill begins several runs at once, whatever `max_active_runs` of the DAG says.
    """
    if context["dag_run"].run_type == "backfill":
        log.info("%s\nThis run of a Backfill waits for %s s", message, _TURN_SECONDS)
        raise AirflowRescheduleException(datetime.now(UTC) + timedelta(seconds=_TURN_SECONDS))  # type: ignore[no-untyped-call]
    raise AirflowFailException(message)


def _owner(context: Context) -> str:
    run = context["dag_run"]
    return f"Airflow run {run.run_id} of {run.dag_id} on {socket.gethostname()}"


def _goes_on(context: Context, dag_run: dict[str, str]) -> bool:
    """Whether a run has not ended; one that was deleted has."""
    count = context["ti"].get_dr_count(
        dag_id=dag_run["dag_id"], run_ids=[dag_run["run_id"]], states=["queued", "running"]
    )
    return int(count) > 0
