"""One operator: a step of a leg, run as a child process that ends with the task.

The child gets connections and the flow over its standard input (no secret in argv or environment), logs to standard
error, and answers with its outcome (`switchyard.handover`). Only that outcome makes a task green.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
    DownstreamTasksSkipped,
)

from switchyard.airflow.assets import late_alias
from switchyard.airflow.dead_runs import warn_of_earlier_run
from switchyard.airflow.ranges import requested_range
from switchyard.airflow.refusal import no_load
from switchyard.airflow.run_conf import require_obeyed
from switchyard.errors import StepFailed, SwitchyardError
from switchyard.handover import (
    FORECAST,
    ORDINARY,
    CallLeg,
    DagRun,
    LineageStep,
    LoadRequest,
    StepCall,
    StepOutcome,
    make_call_id,
)
from switchyard.process import die_with_parent, end_group

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context
    from airflow.sdk.types import RuntimeTaskInstanceProtocol
    from pydantic import JsonValue

log = logging.getLogger(__name__)

_TURN_SECONDS = 15
_LAST_LINES = 5
"""Log lines shown for a step that ended without an outcome: the end of a traceback, or an error with its cure."""


class StepOperator(BaseOperator):
    """Run one step of a leg.

    Args:
        leg: `ingest`, `serve` or `diff`.
        step: the step's name, as `switchyard step` knows it.
        flow: the frozen flow file.
        connections: ids of the Airflow connections that the step may use.
        load_id: the load; None for steps that begin one.
        asset: the asset that gets an event when this step succeeds.
        event: what the event says, from the step's report: the report's name of it → the event's.
        makes_up_for: the asset that `publish` would have sent an event of; a plan with nothing to do sends it later.
        reads_ranges: the step can be asked for a range of the past: by the Params `backfill_from` and `backfill_to`, or
            by a run of Airflow's Backfill, whose data interval it is.
        is_silent: it publishes without an event. Its call has no id, like a shell's: the next run announces the load.
        waits_for_turn: a step that begins a load waits while another run is at work; without it, it fails.
    """

    template_fields: Sequence[str] = ("load_id", "dry_run_only")
    ui_color = "#dbe9f4"

    def __init__(
        self,
        *,
        leg: CallLeg,
        step: str,
        flow: dict[str, Any],
        connections: Sequence[str],
        load_id: str | None = None,
        dry_run_only: str | bool = False,
        asset: Asset | None = None,
        event: Mapping[str, str] | None = None,
        makes_up_for: Asset | None = None,
        reads_ranges: bool = False,
        is_silent: bool = False,
        waits_for_turn: bool = False,
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
        self.event = event or {}
        self.makes_up_for = makes_up_for
        self.reads_ranges = reads_ranges
        self.is_silent = is_silent
        self.waits_for_turn = waits_for_turn
        self._child: subprocess.Popen[str] | None = None
        self._lineage: LineageStep | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step; returns its report. Skips the tasks that follow after a dry run, or when nothing is to do."""
        if self.load_id is None:
            require_obeyed(context)
            warn_of_earlier_run(context)
        elif not self.load_id:
            raise AirflowFailException(str(no_load(self.dag_id, self.task_id)))
        dry_run = str(self.dry_run_only) == "True"
        outcome = self._run_step(FORECAST if dry_run else self.step, context)
        if dry_run:
            for name, value in (outcome.report or {}).items():
                if value not in (None, []):
                    self.log.info("%-20s %s", name.replace("_", " "), value)
            raise AirflowSkipException("plan only: nothing was changed; the plan is in this task's log")
        if outcome.skipped and outcome.announces and self.makes_up_for is not None:
            self._make_up_for(context, outcome.skipped, outcome.announces)
        if outcome.skipped:
            raise AirflowSkipException(outcome.skipped)
        report = outcome.facts
        if self.asset is not None:
            context["outlet_events"][self.asset].extra = self._extra(report)
        self._lineage = outcome.lineage
        return report

    def on_kill(self) -> None:
        """End the child and everything it started."""
        if self._child is not None:
            end_group(self._child)

    def get_openlineage_facets_on_complete(
        self, task_instance: RuntimeTaskInstanceProtocol
    ) -> OperatorLineage[Any, Any] | None:
        """Return the datasets and columns that this step moved, for the DataHub plugin; None unless it succeeded."""
        from switchyard.airflow.lineage import operator_lineage

        return operator_lineage(self._lineage)

    def _make_up_for(self, context: Context, skipped: str, published: Mapping[str, JsonValue]) -> NoReturn:
        """Emit the event of a load that was published without one, and skip the rest: a skipped task emits none."""
        assert self.asset is None and self.makes_up_for is not None  # noqa: S101 - publish emits by itself
        self.log.info("%s\nload %s was published without an event: it is sent now", skipped, published["load_id"])
        alias = late_alias(self.makes_up_for)
        context["outlet_events"][alias].add(self.makes_up_for, extra=self._extra(published))
        raise DownstreamTasksSkipped(tasks=sorted(self.downstream_task_ids))  # type: ignore[no-untyped-call]

    def _extra(self, report: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        return {shown: report[name] for name, shown in self.event.items() if name in report}

    def _run_step(self, step: str, context: Context) -> StepOutcome:
        """Run the child; take over an earlier run's load once Airflow confirms that this run has ended (adr/0015)."""
        take_over: list[str] = []
        conn_ids: list[str] = []
        while True:
            outcome = self._run_child(self._call(step, context, take_over, conn_ids))
            error = outcome.error
            if error is None:
                return outcome
            if error.kind == "ask_connection" and error.conn_id is not None and error.conn_id not in conn_ids:
                self.log.info("the load that is recovered was planned with connection %s", error.conn_id)
                conn_ids.append(error.conn_id)
                continue
            if error.kind == "ask_airflow" and error.load_id is not None and error.dag_run is not None:
                if error.load_id not in take_over and not _goes_on(context, error.dag_run):
                    self.log.info("%s\nThat run is over: its load is taken over", error)
                    take_over.append(error.load_id)
                    continue
                self._give_way(context, str(error))
            if error.kind == "busy":
                self._give_way(context, str(error))
            raise (AirflowFailException if error.kind == "refused" else AirflowException)(str(error))

    def _call(self, step: str, context: Context, take_over: list[str], conn_ids: list[str]) -> StepCall:
        from switchyard.airflow.connections import resolve, resolve_known

        run = context["dag_run"]
        extra = resolve_known(conn_ids)
        return StepCall(
            call_id="" if self.is_silent else _call_id(self.leg, step, context),
            leg=self.leg,
            step=step,
            flow=self.flow,
            load_id=self.load_id,
            connections={**resolve(self.connections), **extra},
            absent=tuple(conn_id for conn_id in conn_ids if conn_id not in extra),
            owner=_owner(context),
            dag_run=DagRun(str(run.dag_id), str(run.run_id)),
            take_over=tuple(take_over),
            request=self._request(context),
        )

    def _give_way(self, context: Context, message: str) -> NoReturn:
        """Wait for this run's turn if several runs may be active at once, else fail with `message`.

        A Backfill begins several runs even if `max_active_runs` of the DAG is 1. The message names the run at work.
        """
        is_backfill = context["dag_run"].run_type == "backfill"
        if is_backfill or (self.waits_for_turn and self.load_id is None):
            log.info("%s\nThis run waits for its turn, and asks again in %s s", message, _TURN_SECONDS)
            raise AirflowRescheduleException(datetime.now(UTC) + timedelta(seconds=_TURN_SECONDS))  # type: ignore[no-untyped-call]
        raise AirflowFailException(message)

    def _run_child(self, call: StepCall) -> StepOutcome:
        """Run a call in a process of its own; its standard error is the task's log, its standard output the outcome."""
        self._child = subprocess.Popen(
            [sys.executable, "-m", "switchyard", "step", call.leg, call.step, "--from-stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        try:
            answer, last_lines = self._talk(self._child, call.text())
            code = self._child.wait()
        finally:
            end_group(self._child)
        if not answer.strip():
            error: SwitchyardError = StepFailed(
                f"the process of step {call.step} ended with exit code {code} and no result; its last lines:\n"
                f"{last_lines}",
                where=f"task {self.dag_id}.{self.task_id}",
                cure="clear the task: running it again is safe; if its log has a Python traceback, report it as a bug",
            )
            raise AirflowException(str(error))
        outcome = StepOutcome.read(answer)
        if outcome.call_id != call.call_id:
            other_call_id = outcome.call_id
            error = StepFailed(
                f"the process of step {call.step} answered call {other_call_id} instead of {call.call_id}",
                where=f"task {self.dag_id}.{self.task_id}",
                cure="clear the task; if it happens again, report it as a bug, with the task's log",
            )
            raise AirflowException(str(error))
        return outcome

    def _request(self, context: Context) -> LoadRequest:
        """Return the request for a step that begins a load of the ingest leg."""
        request = requested_range(context) if self.reads_ranges else ORDINARY
        start = context["params"].get("start", "bookmark")
        if self.leg != "ingest" or self.load_id is not None or start == "bookmark":
            return request
        if request != ORDINARY:
            error = SwitchyardError(
                "start and a backfill cannot be combined: start is for the next load, a backfill reads its own range",
                where=f"DAG {self.dag_id}, the run's Params",
                cure="set start to bookmark, or leave backfill_from and backfill_to empty; then trigger DAG "
                f"{self.dag_id} again",
            )
            raise AirflowFailException(str(error))
        return LoadRequest(start=start)

    def _talk(self, child: subprocess.Popen[str], call: str) -> tuple[str, str]:
        """Send the call, log what the child logs; returns its answer, and the last lines that it logged."""
        assert child.stdin is not None and child.stdout is not None and child.stderr is not None  # noqa: S101 - PIPEs
        answer: list[str] = []
        stdout = child.stdout
        reader = Thread(target=lambda: answer.append(stdout.read()), daemon=True)  # a timeout must not wait for it
        reader.start()
        with suppress(BrokenPipeError):  # it is dead already: its exit code and its log are reported below
            child.stdin.write(call)
            child.stdin.close()
        last: deque[str] = deque(maxlen=_LAST_LINES)
        for line in child.stderr:
            last.append(line.rstrip("\n"))
            self.log.info("%s", last[-1])
        reader.join()
        return "".join(answer), "\n".join(last)


def _call_id(leg: str, step: str, context: Context) -> str:
    """Return an id for this try of the task; Airflow gives a run that was deleted and begun again new ones."""
    ti = context["ti"]
    return make_call_id(leg, step, ti.dag_id, ti.run_id, ti.task_id, ti.map_index or 0, ti.try_number, str(ti.id))


def _owner(context: Context) -> str:
    run = context["dag_run"]
    return f"Airflow run {run.run_id} of {run.dag_id} on {socket.gethostname()}"


def _goes_on(context: Context, dag_run: DagRun) -> bool:
    """Return True if a run has not ended; a deleted run has."""
    count = context["ti"].get_dr_count(dag_id=dag_run.dag_id, run_ids=[dag_run.run_id], states=["queued", "running"])
    return int(count) > 0
