"""One exception tree. Every error has a place (where), a cause (what), and a cure (what to do next)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MOST_LINES = 10
"""An error's text is no longer: whoever is paged reads it on a phone."""
LONGEST_LINE = 2_000
"""Characters: a value of somebody's table may have 50,000."""
AGAIN = "repeat your command (in Airflow: clear the task)"
"""What to do when the same step may succeed once the cause is gone, and the flow is not known."""

_MOST_CURE_LINES = 6
_MOST_FINDINGS = 8
_LONGEST_VALUE = 200


def cut_value(text: str) -> str:
    """Return a value as messages show it: its beginning, and how long it is."""
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}… ({len(text):,} characters)"


class SwitchyardError(Exception):
    """Base of all errors raised on purpose. Its text has at most `MOST_LINES` lines.

    No line of what happened is longer than `LONGEST_LINE`.

    Args:
        what: what happened, with the numbers.
        where: the flow, file:line, connection or step it happened at.
        cure: the sentence that cures it: what to do next.
        findings: what was found, if that is several things; each becomes a line of `what`, as long as there is room.
        more: what shows all findings: a command, or where they are.

    The text never carries a secret: build messages from names and counts, not from URLs.
    """

    retryable = False
    """True if the same step may succeed when it is run again with nothing changed."""

    def __init__(self, what: str, *, where: str, cure: str, findings: Sequence[str] = (), more: str = "") -> None:
        self.findings = tuple(_bound(" ".join(finding.split()), LONGEST_LINE - 4) for finding in findings)
        what = "\n".join(map(_bound, what.splitlines()))
        self._head = what
        self.what = "\n  - ".join([what, *self.findings])
        if len(self.findings) > _MOST_FINDINGS:
            shown = self.findings[: _MOST_FINDINGS - 1]  # the line that says how many are left out is a line, too
            self.what = "\n  - ".join([what, *shown, f"and {len(self.findings) - len(shown)} more: {more}"])
        self.where = where
        self.cure = cure
        super().__init__(self._text())

    def whole(self) -> str:
        """The text with all findings, however many: for the command that `more` names."""
        return _join(self.where, "\n  - ".join([self._head, *self.findings]), self.cure)

    def name_flow(self, flow: str) -> None:
        """Put the flow in front of a place that names none: a server does not know for which flow it was asked."""
        if not re.search(r"\bflow\b", self.where):
            self.where = ", ".join(filter(None, (f"flow {flow}", self.where)))
            self.args = (self._text(),)

    def _text(self) -> str:
        cure = _cut(self.cure, _MOST_CURE_LINES)
        room = MOST_LINES - max(1, len(cure.splitlines()))
        return _join(self.where, _cut(self.what, room), cure)


@contextmanager
def naming_the_flow(flow: str) -> Iterator[None]:
    """Put a flow's name into the errors raised within (see `SwitchyardError.name_flow`)."""
    try:
        yield
    except SwitchyardError as error:
        error.name_flow(flow)
        raise


def _join(where: str, what: str, cure: str) -> str:
    place = _bound(" ".join(where.split()))
    head = f"{place}: {what}" if place else what
    return f"{head}\n  → {cure}" if cure else head


def _bound(line: str, most: int = LONGEST_LINE) -> str:
    """A line's beginning and its end, when it is longer than anybody reads."""
    half = most // 2 - 40
    if len(line) <= most:
        return line
    return f"{line[:half]} … ({len(line):,} characters) … {line[-half:]}"


def _cut(text: str, lines: int) -> str:
    """The first lines of a text, and how many were left out."""
    listed = text.splitlines()
    if len(listed) <= lines:
        return "\n".join(listed)
    return "\n".join([*listed[: lines - 1], f"  … and {len(listed) - lines + 1} more lines"])


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in a file; `line` counts from 1."""

    path: Path
    line: int
    what: str
    cure: str = ""

    @property
    def where(self) -> str:
        """`flows/telemetry.yaml:7`."""
        return f"{self.path.parent.name}/{self.path.name}:{self.line}"

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}"
        return f"{head}\n  → {self.cure}" if self.cure else head


class FlowFileError(SwitchyardError):
    """A flow file that cannot be used, with every problem in it and in the defaults it builds on.

    Args:
        flow: the name that the flow would have.
        path: its file.
        problems: at least one.
    """

    def __init__(self, flow: str, path: Path, problems: Sequence[Problem]) -> None:
        self.flow = flow
        self.path = path
        self.problems = tuple(problems)
        super().__init__(problems[0].what, where=problems[0].where, cure=problems[0].cure)

    def whole(self) -> str:
        """All problems, each with its cure."""
        return "\n".join(map(str, self.problems))

    def _text(self) -> str:
        text = self.whole()
        if len(text.splitlines()) <= MOST_LINES:
            return text
        shown: list[str] = []
        for problem in self.problems:
            if len("\n".join([*shown, str(problem)]).splitlines()) >= MOST_LINES:
                break
            shown.append(str(problem))
        left = f"and {len(self.problems) - len(shown)} more: switchyard lint --flows {self.path.parent}"
        return "\n".join([*(shown or [_cut(str(self.problems[0]), MOST_LINES - 1)]), left])

    def __reduce__(self) -> tuple[type[FlowFileError], tuple[str, Path, tuple[Problem, ...]]]:
        return type(self), (self.flow, self.path, self.problems)


class ConnectionMissing(SwitchyardError):
    """Airflow has no connection with that id, or one that cannot be used."""


class ConnectionUnusable(SwitchyardError):
    """A connection that has to be corrected first: a field or an extra cannot be honoured, or its server refuses it."""


class ConnectionNotHanded(SwitchyardError):
    """A step needs a connection that its task did not hand over: the load that it recovers was planned with it."""

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id
        super().__init__(
            "this step recovers a load that was planned with this connection, and was started without it",
            where=f"connection {conn_id}",
            cure="do nothing: the task looks the connection up in Airflow and starts the step again",
        )


class ServerUnavailable(SwitchyardError):
    """A server did not answer; `where` names the connection."""

    retryable = True


UNREACHABLE = (ConnectionMissing, ConnectionUnusable, ServerUnavailable)
"""Errors after which nothing is known of what a server holds: it could not be asked."""


class PreflightRefused(SwitchyardError):
    """The live source holds something that this flow could not carry exactly; nothing was run."""


class SourceRefused(SwitchyardError):
    """The source's server, or the way to it, has to be changed first; running again changes nothing."""


class StepFailed(SwitchyardError):
    """A tool (Sqoop, Hive) ended with an error."""

    retryable = True


class ReconcileMismatch(SwitchyardError):
    """Counts or values differ between two hops; nothing was published."""


class SourceMoved(ReconcileMismatch):
    """The source changed while several mappers read it, so no count can be compared."""

    retryable = True


class QuarantineExceeded(SwitchyardError):
    """More rows were refused than the contract allows; they are in quarantine, and nothing was published."""


class CheckFailed(SwitchyardError):
    """A check of severity `fail` is broken; nothing was published."""


class NothingToCompare(SwitchyardError):
    """One of two stores holds nothing of the flow yet."""


class PublishConflict(SwitchyardError):
    """Another publish came first: the expected previous seq is not the current one."""


class LoadInProgress(SwitchyardError):
    """Another run of this leg of the flow is alive; the message names its owner."""


class FlowHeld(SwitchyardError):
    """The flow is on hold, after a rollback; no load may begin until it is released."""


class TruthConflict(SwitchyardError):
    """The table and the ledger disagree, or the bookmark belongs to another source; nothing was changed."""


class LedgerStateError(SwitchyardError):
    """A step that the state of its load does not allow."""


class RecordUnreadable(SwitchyardError):
    """A JSON record, of the ledger or of another process, that this release cannot read."""


class ValueRefused(SwitchyardError):
    """A value that the target cannot carry exactly."""


class UnknownHiveType(SwitchyardError):
    """A text that does not name a Hive type."""

    def __init__(self, text: str, where: str = "") -> None:
        self.text = text
        super().__init__(
            f"{text!r} is not a type that Hive has",
            where=where,
            cure="give the column a type that Hive has: alter table TABLE change column COLUMN COLUMN TYPE, where TYPE "
            "is bigint, decimal(10,2), array<string> or the like",
        )

    def __reduce__(self) -> tuple[type[UnknownHiveType], tuple[str, str]]:
        return type(self), (self.text, self.where)
