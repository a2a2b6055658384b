"""Loads and their states, in PostgreSQL: the one truth that CLI, DAGs, page and metadata read.

A step holds the flow leg's advisory lock while it works, and a process that drives a leg another one for as long as it
lives, so a second run is refused at once and a crashed one is recognised at once: PostgreSQL frees the locks of a dead
session. States change by compare and swap only.
"""

from __future__ import annotations

import datetime as dt
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from switchyard.connections import Connection
from switchyard.errors import LedgerStateError, LoadInProgress
from switchyard.flow.cures import run_again
from switchyard.flow.naming import Leg
from switchyard.handover import DagRun
from switchyard.ledger import locks
from switchyard.ledger.errors import explain_error
from switchyard.ledger.loads import FINISHED, UNFINISHED, Load, NewLoad
from switchyard.ledger.migrations import migrate
from switchyard.ledger.results import FlowChanges, PlanOutline, StepResult, TableLeft
from switchyard.ledger.sessions import open_engine
from switchyard.ledger.statements import change_flow, facts_with, supersede
from switchyard.ledger.tables import flows, loads

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Session


class Ledger:
    """The ledger behind one connection. Raises ServerUnavailable naming it when the database is down.

    Args:
        connection: the database.
        owner: who plans loads here; named to a second run that is refused.
        dag_run: the Airflow run that the loads planned here belong to.
    """

    def __init__(self, connection: Connection, owner: str = "", dag_run: DagRun | None = None) -> None:
        self.connection, self.owner, self.dag_run = connection, owner, dag_run
        self._engine = open_engine(connection)

    def close(self) -> None:
        """Close all sessions."""
        self._engine.dispose()

    def migrate(self) -> None:
        """Bring the tables to the newest version; raises SwitchyardError for those of a newer release."""
        with self.session() as session:
            migrate(session, where=f"connection {self.connection.conn_id}")

    @contextmanager
    def lock(self, flow: str, leg: Leg, *, patience: float = 0) -> Iterator[None]:
        """Hold the leg of a flow for the time of one step.

        Raises LoadInProgress, naming the owner, when another holds it and does not let go within `patience` seconds.
        """
        with self._hold(locks.step_key(flow, leg), flow, leg, patience):
            yield

    @contextmanager
    def hold_run(self, flow: str, leg: Leg) -> Iterator[None]:
        """Hold the leg of a flow while this process drives it, between its steps too; raises LoadInProgress."""
        with self._hold(locks.run_key(flow, leg), flow, leg):
            yield

    def require_no_run(self, flow: str, leg: Leg) -> None:
        """Raise LoadInProgress when a process drives this leg, be it between two of its steps."""
        with self.session() as session:
            holder = locks.holder(session, locks.run_key(flow, leg))
        if holder is not None:
            raise self._in_progress(flow, leg, holder)

    @contextmanager
    def _hold(self, key: int, flow: str, leg: Leg, patience: float = 0) -> Iterator[None]:
        with self._connected() as session:
            if not locks.acquire(session, key, self.owner, patience):
                raise self._in_progress(flow, leg, locks.holder(session, key))
            try:
                yield
            finally:
                locks.release(session, key)

    def plan(self, new: NewLoad) -> Load:
        """Give out the next seq and write the load down, in one transaction."""
        counter = flows.c.last_ingest_seq if new.leg == "ingest" else flows.c.last_serve_seq
        flow, values = new.flow.flow, new.values(self.dag_run) | {"owner": self.owner}
        with self.session() as session:
            session.execute(insert(flows).values(flow=flow).on_conflict_do_nothing())
            last_seq = session.scalar(sa.select(counter).where(flows.c.flow == flow).with_for_update()) or 0
            seq = max(last_seq, new.previous_seq or 0, new.above) + 1
            session.execute(flows.update().where(flows.c.flow == flow).values({counter.name: seq}))
            row = session.execute(
                loads.insert().values(load_id=_new_load_id(), seq=seq, state="planned", **values).returning(*loads.c)
            ).one()
        return _load(row)

    def get(self, load_id: str) -> Load:
        """Find a load; raises LedgerStateError when there is none."""
        load = self.find(load_id)
        if load is None:
            raise LedgerStateError(
                f"no load {load_id!r} in the ledger",
                where=f"connection {self.connection.conn_id}",
                cure="correct the load's id; switchyard loads FLOW lists those of a flow",
            )
        return load

    def find(self, load_id: str) -> Load | None:
        """Find a load; None when there is none."""
        with self.session() as session:
            row = session.execute(sa.select(loads).where(loads.c.load_id == load_id)).one_or_none()
        return _load(row) if row else None

    def advance(
        self,
        load: Load,
        to: str,
        *,
        expected: Sequence[str],
        result: StepResult | None = None,
        error: str | None = None,
        try_id: str | None = None,
        location: str | None = None,
        version: int | None = None,
    ) -> Load:
        """Move a load to another state, if it is in one of the expected ones; raises LedgerStateError if not.

        `result` joins those of the other steps; `try_id`, `location` and `version` stay as they are when None.
        """
        changes = {"try_id": try_id, "location": location, "version": version}
        values: dict[str, Any] = {"state": to, "error": error, "updated_at": sa.func.pg_catalog.now()}
        values |= {name: value for name, value in changes.items() if value is not None}
        if result is not None:
            values["facts"] = facts_with(result)
        statement = (
            loads.update()
            .where(loads.c.load_id == load.load_id, loads.c.state.in_(expected))
            .values(values)
            .returning(*loads.c)
        )
        with self.session() as session:
            row = session.execute(statement).one_or_none()
        if row is None:
            raise self._wrong_state(load.load_id, expected)
        return _load(row)

    def note_error(self, load: Load, error: str) -> None:
        """Say why a step of a load failed; nothing else changes."""
        statement = (
            loads.update()
            .where(loads.c.load_id == load.load_id)
            .values(error=error, updated_at=sa.func.pg_catalog.now())
        )
        with self.session() as session:
            session.execute(statement)

    def finish(
        self,
        load: Load,
        *,
        result: StepResult,
        above: int = 0,
        flow_changes: FlowChanges | None = None,
        rev: int | None = None,
    ) -> Load:
        """Record a publish in one transaction: the load is published (or served), those before it are superseded.

        `above` spares the loads up to that seq (a partition stays when another joins it); `flow_changes` are new
        values of the flow's row; `rev` is the table's, as the publish left it.
        """
        results = [result] if rev is None else [result, TableLeft(rev)]
        finished = FINISHED[load.leg]
        with self.session() as session:
            session.execute(supersede(load, above))
            if flow_changes:
                session.execute(change_flow(load.flow, flow_changes))
            row = session.execute(
                loads.update()
                .where(loads.c.load_id == load.load_id, loads.c.state.in_(("publishing", "refreshing", finished)))
                .values(
                    state=finished,
                    published_at=sa.func.coalesce(loads.c.published_at, sa.func.pg_catalog.now()),
                    updated_at=sa.func.pg_catalog.now(),
                    error=None,
                    facts=facts_with(*results),
                )
                .returning(*loads.c)
            ).one_or_none()
        if row is None:
            raise self._wrong_state(load.load_id, ("publishing", "refreshing"))
        return _load(row)

    def list_loads(
        self, flow: str, leg: Leg | None = None, states: Sequence[str] | None = None, limit: int | None = None
    ) -> list[Load]:
        """Loads of a flow, newest first."""
        query = sa.select(loads).where(loads.c.flow == flow).order_by(loads.c.created_at.desc(), loads.c.seq.desc())
        if leg is not None:
            query = query.where(loads.c.leg == leg)
        if states is not None:
            query = query.where(loads.c.state.in_(states))
        with self.session() as session:
            rows = session.execute(query.limit(limit) if limit else query).all()
        return [_load(row) for row in rows]

    def last_finished(self, flow: str, leg: Leg) -> Load | None:
        """The newest load of a leg that was published (or served)."""
        newest = self.list_loads(flow, leg, [FINISHED[leg]], limit=1)
        return newest[0] if newest else None

    def find_version(self, flow: str, seq: int) -> Load | None:
        """The ingest load that published a seq."""
        with self.session() as session:
            row = session.execute(
                sa.select(loads).where(loads.c.flow == flow, loads.c.leg == "ingest", loads.c.seq == seq)
            ).one_or_none()
        return _load(row) if row else None

    def pinned_locations(self, flow: str) -> set[str]:
        """Directories that are still needed: of unfinished loads (also a rollback's), and of the last served one."""
        pinned = self.list_loads(flow, None, UNFINISHED)
        last = self.last_finished(flow, "serve")
        pinned += [last] if last else []
        plans = [load.find_result(PlanOutline) for load in pinned]
        partitions = {path for plan in plans if plan for path in plan.paths or ()}
        return partitions | {load.location for load in pinned if load.location}

    def _in_progress(self, flow: str, leg: Leg, holder: str | None) -> LoadInProgress:
        alive = self.list_loads(flow, leg, UNFINISHED, limit=1)
        named = alive and (not holder or locks.is_name_of(holder, alive[0].owner))
        owner = f"load {alive[0].load_id}, run by {alive[0].owner}" if named else locks.shown(holder) or "another run"
        return LoadInProgress(
            f"{owner}, is at work",
            where=f"flow {flow}, leg {leg}",
            cure=f"this run changed nothing; wait until that one has ended, or end it; then {run_again(leg, flow)}",
        )

    def _wrong_state(self, load_id: str, expected: Sequence[str]) -> LedgerStateError:
        load = self.get(load_id)
        last_error = f" (last error: {load.error})" if load.error else ""
        return LedgerStateError(
            f"load {load_id} is in state {load.state}{last_error}; this step needs one in state "
            f"{' or '.join(expected)}",
            where=f"flow {load.flow}, leg {load.leg}",
            cure=f"{run_again(load.leg, load.flow)}; the new run recovers what this load left",
        )

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction; raises ServerUnavailable when the database is down."""
        with self._connected() as session, session.begin():
            yield session

    @contextmanager
    def _connected(self) -> Iterator[Session]:
        """A session; raises ServerUnavailable when there is none, or when it dies meanwhile."""
        began: float | None = None
        try:
            with self._engine.connect() as session:
                began = time.monotonic()
                yield session
        except sa.exc.DBAPIError as error:
            lived = 0.0 if began is None else time.monotonic() - began
            raise explain_error(error, self.connection, lived) from error


def _load(row: sa.Row[Any]) -> Load:
    return Load(**row._mapping)


def _new_load_id() -> str:
    return f"{dt.datetime.now(dt.UTC):%Y%m%dt%H%M%S}_{secrets.token_hex(3)}"
