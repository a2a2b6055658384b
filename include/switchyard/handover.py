"""What passes between Airflow's task and the step that it starts: the only place that knows the form on the wire."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import JsonValue

from switchyard.records import Record

REFUSED = 2
"""Exit code of a step that would fail again the same way: no retry."""
ASK_AIRFLOW = 3
"""Exit code of a step that found another Airflow run's load: a JSON line names it, and a task can ask if it goes on."""
BUSY = 4
"""Exit code of a step that found another run at work: no retry, but a run of a Backfill waits."""

Result = TypeVar("Result", bound=Record, covariant=True)


@dataclass(frozen=True)
class DagRun(Record):
    """An Airflow run."""

    dag_id: str
    run_id: str


@dataclass(frozen=True)
class ColumnEdge(Record):
    """One column of an output, and the columns it is made of, as (dataset URN, field path)."""

    downstream: tuple[str, str]
    upstreams: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class LineageStep(Record):
    """The datasets that a step read and wrote, and how columns follow from columns."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    columns: tuple[ColumnEdge, ...] = ()


@dataclass(frozen=True)
class StepReport(Generic[Result]):
    """The result of one step of one load, for people and for the parent process; `lineage` is for the catalog."""

    step: str
    flow: str
    load_id: str
    seconds: float
    result: Result
    lineage: LineageStep | None = None

    @property
    def facts(self) -> dict[str, JsonValue]:
        """The result as JSON values: counts, bytes, paths; never a secret."""
        return self.result.to_json()

    def line(self) -> str:
        """One line that a person can read and a machine can parse."""
        return json.dumps({**self._head, **self.facts})

    def json(self) -> str:
        """All of it, for the parent process."""
        moved = {"lineage": self.lineage.to_json()} if self.lineage else {}
        return json.dumps({**self._head, **self.facts, **moved})

    @property
    def _head(self) -> dict[str, JsonValue]:
        return {"step": self.step, "flow": self.flow, "load_id": self.load_id, "seconds": round(self.seconds, 3)}
