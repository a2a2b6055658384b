"""What every step needs: connections, the ledger, a scratch directory, and who runs it."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from switchyard.connections import Connections, ledger_connection_id
from switchyard.connections.variables import read_variable
from switchyard.errors import ConnectionNotHanded, LedgerStateError, ServerUnavailable, SwitchyardError, naming_the_flow
from switchyard.flow.cures import run_again
from switchyard.flow.naming import Leg
from switchyard.flow.spec import Flow
from switchyard.handover import LineageStep, StepReport
from switchyard.lake.hdfs import Hdfs
from switchyard.lake.hive import Hive
from switchyard.lake.metastore import Metastore
from switchyard.ledger.drivers import Driver
from switchyard.ledger.loads import FINISHED, UNFINISHED, Load
from switchyard.ledger.store import Ledger
from switchyard.legs.scratch import open_scratch
from switchyard.records import Record

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Runtime:
    """The edges of a leg. `owner` is named to a second run that is refused, `driver` is who runs the steps in turn."""

    connections: Connections
    owner: str
    scratch_root: Path = field(default_factory=lambda: Path(read_variable("SWITCHYARD_SCRATCH", tempfile.gettempdir())))
    driver: Driver = field(default_factory=Driver)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger, its sessions closed at the end."""
        ledger = Ledger(self.connections.get(ledger_connection_id()), self.owner, self.driver.dag_run)
        try:
            yield ledger
        finally:
            ledger.close()

    @contextmanager
    def running(self, flow: str, leg: Leg) -> Iterator[Runtime]:
        """This runtime as the one that drives a leg; raises LoadInProgress at once when another process does."""
        with self.ledger() as ledger, ledger.hold_run(flow, leg):
            yield replace(self, driver=replace(self.driver, holds_run=True))

    def scratch(self) -> AbstractContextManager[Path]:
        """A private directory on this machine, gone at the end; after a kill -9, with the next step's."""
        return open_scratch(self.scratch_root)

    def hdfs(self, flow: Flow) -> Hdfs:
        """The flow's HDFS."""
        return Hdfs(self.connections.get(flow.lake.hdfs))

    def hive(self, flow: Flow) -> Hive:
        """The flow's HiveServer2."""
        return Hive(self.connections.get(flow.lake.hive))

    def metastore(self, flow: Flow) -> Metastore:
        """The flow's metastore."""
        return Metastore(self.connections.get(flow.lake.metastore))


_PATIENCE_SECONDS = 60
"""Seconds a step waits for the leg's lock; a rival run holds it briefly while it checks whether it may start."""
Result = TypeVar("Result", bound=Record, covariant=True)


@dataclass(frozen=True)
class Delivery(Generic[Result]):
    """What the body of a step returns: its result, and the lineage of what it moved, for the catalog."""

    result: Result
    lineage: LineageStep | None = None


def run_step(
    runtime: Runtime, step: str, load_id: str, leg: Leg, body: Callable[[Ledger, Load], Delivery[Result]]
) -> StepReport[Result]:
    """Run one step of a load under the leg's lock; log its report in one line.

    Raises what the body raises, with the flow named when the error does not name one.
    """
    started = time.monotonic()
    with runtime.ledger() as ledger:
        load = ledger.get(load_id)
        if load.leg != leg:
            raise SwitchyardError(
                f"load {load_id} belongs to leg {load.leg}, not {leg}",
                where=f"step {step}",
                cure=f"give a load of leg {leg} to --load; switchyard loads {load.flow} lists them",
            )
        at_work = ledger.lock(load.flow, leg, patience=_PATIENCE_SECONDS)
        with naming_the_flow(load.flow), at_work, _noted(ledger, load, step):
            delivery = body(ledger, load)
    report = StepReport(step, load.flow, load_id, time.monotonic() - started, delivery.result, delivery.lineage)
    log.info("%s", report.line())
    return report


@contextmanager
def _noted(ledger: Ledger, load: Load, step: str) -> Iterator[None]:
    """Write into the ledger why a step failed; the load's state stays as it is."""
    try:
        yield
    except ConnectionNotHanded:  # a question to its task, which starts the step again with the answer
        raise
    except SwitchyardError as error:
        with suppress(ServerUnavailable):  # the ledger's own outage must not hide the first error
            ledger.note_error(load, f"{step}: {error.what}")
        raise


def require_state(load: Load, *states: str) -> None:
    """Raise LedgerStateError when a load is in none of these states."""
    if load.state not in states:
        raise LedgerStateError(
            f"load {load.load_id} is in state {load.state}, and this step needs one in state {' or '.join(states)}"
            + (f" (last error: {load.error})" if load.error else ""),
            where=f"flow {load.flow}, leg {load.leg}",
            cure=f"{run_again(load.leg, load.flow)}; the new run recovers what this load left",
        )


def require_finished(load: Load) -> None:
    """Raise LedgerStateError when a load did not end as its leg does, though an earlier step was called done.

    Airflow lets a person mark any task as a success; the last step of a leg is where that is seen.
    """
    end = FINISHED[load.leg]
    if load.state == end:
        return
    clear = "in Airflow clear the first task of this run that was marked as a success, with those after it; or "
    raise LedgerStateError(
        f"load {load.load_id} is {load.state} and was never {end}: a step before this one has not done its work, "
        "though it counts as a success, as a task does that somebody marked so by hand",
        where=f"flow {load.flow}, leg {load.leg}",
        cure=f"{clear if load.state in UNFINISHED else ''}{run_again(load.leg, load.flow)}; the new run settles what "
        "this load left",
    )
