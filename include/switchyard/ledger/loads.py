"""A load as the ledger keeps it: kinds, states, and what a plan writes down."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from switchyard.errors import LedgerStateError, RecordUnreadable
from switchyard.flow.cures import run_again
from switchyard.flow.frozen import frozen_spec, spec_hash
from switchyard.flow.naming import Leg
from switchyard.flow.spec import Flow
from switchyard.handover import DagRun
from switchyard.ledger.results import StepResult

Result = TypeVar("Result", bound=StepResult)
Kind = Literal["load", "backfill", "replay", "rollback", "adopt"]
UNFINISHED = ("planned", "landed", "converted", "proved", "staged", "publishing", "refreshing")
FINISHED: dict[Leg, str] = {"ingest": "published", "serve": "served"}


@dataclass(frozen=True)
class Load:
    """One row of `loads`. `facts` is JSON: the results of its steps, which `result` and `find_result` read."""

    load_id: str
    flow: str
    leg: Leg
    seq: int
    previous_seq: int | None
    version: int | None
    state: str
    spec: dict[str, Any]
    spec_hash: str
    owner: str
    try_id: str | None
    location: str | None
    facts: dict[str, Any]
    error: str | None
    created_at: dt.datetime
    updated_at: dt.datetime
    published_at: dt.datetime | None
    superseded_at: dt.datetime | None
    kind: Kind
    low: str | None
    high: str | None

    def result(self, kind: type[Result]) -> Result:
        """A step's result. Raises LedgerStateError when that step has not run, or this release cannot read it."""
        result = self.find_result(kind)
        if result is None:
            raise LedgerStateError(
                f"the ledger has no result of step {kind.step} of load {self.load_id}",
                where=f"flow {self.flow}, leg {self.leg}",
                cure=f"that step has to run first; {run_again(self.leg, self.flow)}",
            )
        return result

    def find_result(self, kind: type[Result]) -> Result | None:
        """The same; None when that step has not run."""
        values = self.facts.get(kind.step)
        if values is None:
            return None
        try:
            return kind.from_json(values, f"flow {self.flow}, load {self.load_id}, step {kind.step}")
        except RecordUnreadable as error:
            raise LedgerStateError(error.what, where=error.where, cure=error.cure) from error

    @property
    def dag_run(self) -> DagRun | None:
        """The Airflow run that began the load."""
        values = self.facts.get("dag_run")
        return DagRun.from_json(values, f"load {self.load_id}") if values else None


@dataclass(frozen=True)
class NewLoad:
    """What a plan writes down, the flow as it is now. `low` and `high` are watermarks, PostgreSQL's text.

    `above` is a seq that was used, as far as others than the ledger know; the load gets a higher one.
    """

    flow: Flow
    leg: Leg
    plan: StepResult
    previous_seq: int | None = None
    version: int | None = None
    location: str | None = None
    kind: Kind = "load"
    low: str | None = None
    high: str | None = None
    above: int = 0

    def values(self, dag_run: DagRun | None) -> dict[str, Any]:
        """Columns of `loads`."""
        began = {"dag_run": dag_run.to_json()} if dag_run else {}
        return {
            "flow": self.flow.flow,
            "leg": self.leg,
            "spec": frozen_spec(self.flow),
            "spec_hash": spec_hash(self.flow),
            "previous_seq": self.previous_seq,
            "version": self.version,
            "location": self.location,
            "kind": self.kind,
            "low": self.low,
            "high": self.high,
            "facts": {self.plan.step: self.plan.to_json(), **began},
        }
