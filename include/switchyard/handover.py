"""What passes between Airflow's task and the step that it starts: the only place that knows the form on the wire.

The task sends one `StepCall` on the step's standard input; the step answers with one `StepOutcome`, a line of JSON on
its standard output, and keeps it in the ledger under the call's id (`switchyard.ledger.outcomes`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Generic, Literal, TypeVar

from pydantic import ConfigDict, JsonValue

from switchyard import __version__
from switchyard.errors import RecordUnreadable, SwitchyardError
from switchyard.records import Record

VERSION = 1
"""Of the form of calls and outcomes; grows with every change that a step of another release would get wrong."""
_ONE_RELEASE = "install the same release of Switchyard on scheduler and workers and in images; then clear the task"
FORECAST = "forecast"
"""The step of every leg that says what a run would do, and changes nothing."""

Start = Literal["bookmark", "beginning", "trusted-bookmark"]
"""Where a load begins: at the table's bookmark; at the beginning, when it says so aloud; at the bookmark although the
source or its filter is another one, because somebody vouches that the rows below it are the same."""
CallLeg = Literal["ingest", "serve", "diff"]
ErrorKind = Literal["retryable", "refused", "busy", "ask_airflow", "ask_connection"]
EXIT_CODES: Mapping[ErrorKind, int] = {"retryable": 1, "refused": 2, "ask_airflow": 3, "busy": 4, "ask_connection": 5}
"""Of a step that failed: `refused` would fail again the same way; `ask_airflow` met an unfinished load of another
Airflow run, which only a task can ask about; `busy` met another run at work; `ask_connection` recovers a load that was
planned with a connection which only the task can look up."""

_CALL_ID_LENGTH = 50
_DIGEST_LENGTH = 32

Result = TypeVar("Result", bound=Record, covariant=True)


@dataclass(frozen=True)
class DagRun(Record):
    """An Airflow run."""

    dag_id: str
    run_id: str


@dataclass(frozen=True)
class LoadRequest(Record):
    """What a run of the ingest leg is asked for: the next load, or a range of the past again.

    `load` goes on from the bookmark; `backfill` and `replay` read from `low` (included) to `high` (not). `keys`: only
    the rows with these keys, as text by source column; `replays`: the load whose refused rows they are; `start`:
    where a `load` begins.
    """

    kind: Literal["load", "backfill", "replay"] = "load"
    low: str | None = None
    high: str | None = None
    keys: tuple[Mapping[str, str], ...] = ()
    replays: str | None = None
    start: Start = "bookmark"


ORDINARY = LoadRequest()


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
        head = {"step": self.step, "flow": self.flow, "load_id": self.load_id, "seconds": round(self.seconds, 3)}
        return json.dumps({**head, **self.facts})


@dataclass(frozen=True, kw_only=True)
class StepCall(Record):
    """One step to run.

    `call_id` is the same for every process that one try of a task starts; empty: nobody asks for the outcome again.
    `flow` is the frozen flow, of steps that begin a load; `load_id` the load, of those that go on with one.
    `take_over` names loads of other Airflow runs that are over,
    `absent` connections that Airflow does not have. `mode` is how a diff compares, None: as the flow says.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    version: int = VERSION
    call_id: str
    leg: CallLeg
    step: str
    flow: Mapping[str, JsonValue] | None = None
    load_id: str | None = None
    connections: Mapping[str, Mapping[str, JsonValue]] = field(repr=False)
    owner: str
    dag_run: DagRun | None = None
    take_over: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    request: LoadRequest | None = None
    mode: Literal["counts", "digest", "values"] | None = None

    def text(self) -> str:
        """As it is sent. Passwords included: for a pipe to our own child process, never for a log."""
        return json.dumps(self.to_json())

    @classmethod
    def read(cls, text: str) -> StepCall:
        """As it was sent. Raises SwitchyardError for a call of another release or form."""
        _require_version(text, "the call of this step", _ONE_RELEASE)
        return cls.from_text(text, "the call of this step")


@dataclass(frozen=True)
class StepError(Record):
    """Why a step failed.

    `load_id` and `dag_run` of kind `ask_airflow`: the load that was met, and whose it is; `conn_id` of kind
    `ask_connection`: what is wanted.
    """

    kind: ErrorKind
    what: str
    where: str
    cure: str
    load_id: str | None = None
    dag_run: DagRun | None = None
    conn_id: str | None = None

    def __str__(self) -> str:
        return str(SwitchyardError(self.what, where=self.where, cure=self.cure))


@dataclass(frozen=True, kw_only=True)
class StepOutcome(Record):
    """How a step ended: with a report, or with an error. `skipped`: it had nothing to do, and why.

    `announces`: the result of a load that was published without an event, which a plan with nothing to do makes up for;
    `load_id` is that load's then.
    """

    version: int = VERSION
    call_id: str
    leg: CallLeg
    step: str
    flow: str
    load_id: str
    seconds: float
    report: Mapping[str, JsonValue] | None = None
    skipped: str | None = None
    announces: Mapping[str, JsonValue] | None = None
    error: StepError | None = None
    lineage: LineageStep | None = None

    @property
    def is_final(self) -> bool:
        """Whether the same call gets this answer again. A step that met another run did nothing: it asks anew."""
        return self.error is None or self.error.kind not in ("busy", "ask_airflow", "ask_connection")

    @property
    def exit_code(self) -> int:
        """Of the step's process."""
        return EXIT_CODES[self.error.kind] if self.error else 0

    @property
    def facts(self) -> dict[str, JsonValue]:
        """The report as later tasks see it: the result's numbers, and which load they are of."""
        head: dict[str, JsonValue] = {"step": self.step, "flow": self.flow, "load_id": self.load_id}
        return {**head, "seconds": self.seconds, **(self.report or {})}

    def text(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_json())

    @classmethod
    def read(cls, text: str) -> StepOutcome:
        """The reverse of `text`. Raises SwitchyardError for an outcome of another release."""
        _require_version(text, "the outcome of this step", _ONE_RELEASE)
        return cls.from_text(text, "the outcome of this step")


def make_call_id(leg: str, step: str, *parts: str | int) -> str:
    """At most 50 characters of `[a-z0-9-]`, so that it can name a Kubernetes Job; `parts` tell calls apart."""
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_DIGEST_LENGTH]
    readable = re.sub(r"[^a-z0-9]+", "-", f"{leg}-{step}".lower())[: _CALL_ID_LENGTH - _DIGEST_LENGTH - 1]
    return f"{readable.strip('-')}-{digest}"


def _require_version(text: str, where: str, cure: str) -> None:
    try:
        values = json.loads(text)
    except ValueError:
        # The text may hold a secret, so its error is not chained.
        raise RecordUnreadable("it is not JSON", where=where, cure=cure) from None
    version = values.get("version") if isinstance(values, dict) else None
    if version != VERSION:
        raise SwitchyardError(
            f"another release of Switchyard wrote it: it has version {version!r}, and Switchyard {__version__} knows "
            f"version {VERSION}",
            where=where,
            cure=cure,
        )
