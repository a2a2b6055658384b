"""Whether the run that left an unfinished load is over, so that another may take the load over.

A process holds a lock as long as it lives: PostgreSQL knows. An Airflow run has no process between its tasks: Airflow
knows, and only a task can ask it. A run that is over never blocks the next one; see docs/adr/0015.
"""

from __future__ import annotations

from dataclasses import dataclass

from switchyard.errors import LoadInProgress
from switchyard.flow.naming import Leg, dag_id
from switchyard.handover import DagRun
from switchyard.ledger.loads import UNFINISHED, Load
from switchyard.ledger.store import Ledger


@dataclass(frozen=True)
class Driver:
    """Who drives a leg: all its steps, one after another.

    Args:
        dag_run: the Airflow run; None: a process of its own.
        holds_run: this process holds the leg (`Ledger.hold_run`).
        take_over: loads that may be taken over though Airflow began them; `*` is any.
    """

    dag_run: DagRun | None = None
    holds_run: bool = False
    take_over: frozenset[str] = frozenset()


class AirflowLoadUnfinished(LoadInProgress):
    """An Airflow run has begun this load; whether that run goes on, only Airflow knows."""

    def __init__(self, load: Load, dag_run: DagRun) -> None:
        self.load_id, self.dag_run = load.load_id, dag_run
        super().__init__(
            f"load {load.load_id} is {load.state}, begun by {load.owner}, which may still go on: it may be between "
            "two tasks",
            where=f"flow {load.flow}, leg {load.leg}",
            cure=f"wait until that Airflow run has ended, or trigger DAG {dag_id(load.leg, load.flow)}, which asks "
            "Airflow whether it has; if you know that it has, add --take-over to your command",
        )


def require_driver_gone(ledger: Ledger, flow: str, leg: Leg, driver: Driver) -> None:
    """Refuse to touch unfinished loads whose run may go on.

    Raises:
        LoadInProgress: a process drives this leg. AirflowLoadUnfinished: another Airflow run began the load.
    """
    if not driver.holds_run:
        ledger.require_no_run(flow, leg)
    for load in ledger.list_loads(flow, leg, UNFINISHED):
        theirs = load.dag_run
        if theirs and theirs != driver.dag_run and not driver.take_over & {load.load_id, "*"}:
            raise AirflowLoadUnfinished(load, theirs)
