"""Counts and aggregates of one load, hop by hop, compared. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from switchyard.errors import ReconcileMismatch, SourceMoved
from switchyard.flow.cures import run_again
from switchyard.flow.proof import Reconcile
from switchyard.flow.threshold import rows_allowed
from switchyard.types.aggregates import Aggregates, add_up, differences
from switchyard.types.carry import CarriedColumn
from switchyard.types.read import Read

_MANIFEST_PREFIX = b'{"m"'
_ONE_SNAPSHOT = "set engine.mappers to 1: one statement reads one snapshot"


@dataclass(frozen=True)
class Landing:
    """The content of a landing: a manifest and a session per source statement, data lines, bytes."""

    manifests: tuple[Read, ...]
    lines: int
    bytes: int
    sessions: tuple[Mapping[str, JsonValue], ...] = ()

    def read(self, columns: Sequence[CarriedColumn]) -> Read:
        """Sums over all statements."""
        parts = self.manifests
        return Read(
            rows=sum(part.rows for part in parts),
            refused=sum(part.refused for part in parts),
            high=max((part.high for part in parts if part.high is not None), default=None),
            columns=tuple(add_up(column, [part.columns[i] for part in parts]) for i, column in enumerate(columns))
            if parts
            else (),
        )


def tally_lines(files: Iterable[Iterable[bytes]], flow: str, directory: str) -> Landing:
    r"""Count the lines of JSON files given as chunks of bytes, and collect their manifest rows.

    A manifest row is `{"m" : "{\"rows\": …}"}`; PostgreSQL's JSON text never holds a raw newline.
    """
    manifests: list[str] = []
    lines = 0
    size = 0
    for chunks in files:
        rest = b""
        for chunk in chunks:
            size += len(chunk)
            lines += chunk.count(b"\n")
            buffer = rest + chunk
            manifests += _manifests(buffer)
            rest = buffer[buffer.rfind(b"\n") + 1 :]
        if rest:
            raise ReconcileMismatch(
                "a file of the load ends in the middle of a line: the process that wrote it was stopped",
                where=f"flow {flow}, HDFS directory {directory}",
                cure=f"nothing was published; {run_again('ingest', flow)}",
            )
    sessions = tuple(session for text in manifests if (session := json.loads(text).get("session")))
    read = tuple(Read.from_text(text, "the manifest row of the landing") for text in manifests)
    return Landing(read, lines - len(manifests), size, sessions)


def check_landing(
    landed: Landing, flow: str, *, policy: Reconcile, may_be_empty: bool, before: int | None, after: int | None
) -> None:
    """Compare what the source statement read with what landed; `before`/`after` when mappers shared no snapshot.

    Raises SourceMoved when the source changed meanwhile, ReconcileMismatch for any other difference.
    """
    if before != after:
        raise SourceMoved(
            f"the source changed while it was read: {before} rows before, {after} rows after",
            where=f"flow {flow}",
            cure=f"nothing was published; {run_again('ingest', flow)}; if rows change all the time, {_ONE_SNAPSHOT}",
        )
    read = sum(part.rows for part in landed.manifests)
    if not landed.manifests or landed.lines != read or (before is not None and before != read):
        source = "" if before is None else f", and the source has {before}"
        raise ReconcileMismatch(
            f"the source statement read {read} rows, but {landed.lines} landed in HDFS{source}",
            where=f"flow {flow}",
            cure=f"nothing was published; {run_again('ingest', flow)}; if it happens again, see Sqoop's lines in the "
            "log of step land",
        )
    if read == 0 and not (policy.allow_empty or may_be_empty):
        raise ReconcileMismatch(
            "the source has no rows",
            where=f"flow {flow}",
            cure="nothing was published; if an empty table is right, set reconcile.allow_empty: true in the flow file",
        )


def check_snapshot(landed: Read, now: Read, columns: Sequence[CarriedColumn], flow: str) -> None:
    """Compare what several mappers read with what one statement reads after them: the mappers share no snapshot.

    A row that moved from a range that was not read yet into one that was is in none of them, and equal counts do not
    show it when another one moved the other way. Raises SourceMoved, naming what differs.
    """
    counts = [
        f"{what} {before}, and {after} after it"
        for what, before, after in (("rows", landed.rows, now.rows), ("refused rows", landed.refused, now.refused))
        if before != after
    ]
    if moved_parts := counts or differences(columns, landed.columns, now.columns):
        raise SourceMoved(
            f"the source changed while several mappers read it: {'; '.join(moved_parts)}",
            where=f"flow {flow}",
            cure=f"nothing was published; {run_again('ingest', flow)}; if rows change all the time, {_ONE_SNAPSHOT}",
        )


def check_converted(
    read: Read, rows: int, aggregates: Sequence[Aggregates], columns: Sequence[CarriedColumn], flow: str
) -> None:
    """Compare the source statement's rows and aggregates with Hive's; raises ReconcileMismatch naming the columns."""
    fitting = read.rows - read.refused
    if rows != fitting:
        refused = f", {read.refused} of them refused," if read.refused else ""
        hive_rows = rows
        raise ReconcileMismatch(
            f"the source statement read {read.rows} rows{refused} and Hive has {hive_rows}",
            where=f"flow {flow}",
            cure="nothing was published; see HiveServer2's log, and find out whether somebody deletes files below "
            f"lake.root; then {run_again('ingest', flow)}"
            + ("; if Hive has 0 rows again, restart HiveServer2 (docs/operations.md)" if rows == 0 else ""),
        )
    if bent := differences(columns, read.columns, aggregates):
        raise ReconcileMismatch(
            f"values were lost in Hive's types: {'; '.join(bent)}",
            where=f"flow {flow}",
            cure=f"nothing was published; find values that a type cannot hold: switchyard preflight {flow}; then cast "
            "these columns in source.query, or set `columns: {COLUMN: {as: string}}`",
        )


def check_equation(name: str, left: int, other: str, right: dict[str, int], flow: str, policy: Reconcile) -> str | None:
    """`left` rows must be the sum of the parts; under `tolerance` a small difference is returned as a sentence.

    `name` and `other` begin the two halves of the sentence, each before its number. Raises ReconcileMismatch with all
    numbers.
    """
    total = sum(right.values())
    if left == total:
        return None
    part_counts = " + ".join(f"{count} {part}" for part, count in right.items())
    what = f"{name} {left} rows, but {other} {total} ({part_counts})"
    if policy.policy == "tolerance" and abs(left - total) <= rows_allowed(policy.tolerance, left):
        return what
    raise ReconcileMismatch(
        what,
        where=f"flow {flow}",
        cure=f"nothing was published; {run_again('ingest', flow)}; if it happens again, see the log of step prove and "
        "HiveServer2's log",
    )


def check_shrink(before: int | None, rows: int, flow: str, policy: Reconcile) -> None:
    """Refuse a version with far fewer rows than the one before it; raises ReconcileMismatch."""
    if before is None or policy.max_shrink is None or before - rows <= rows_allowed(policy.max_shrink, before):
        return
    fewer = before - rows
    raise ReconcileMismatch(
        f"the version before has {before} rows and this one {rows}: {fewer} fewer, and reconcile.max_shrink "
        f"allows {policy.max_shrink}",
        where=f"flow {flow}",
        cure="nothing was published; see why rows are gone from the source; if that is right, raise "
        f"reconcile.max_shrink in the flow file for this one load; then {run_again('ingest', flow)}",
    )


def _manifests(buffer: bytes) -> Iterator[str]:
    start = 0
    while True:
        at = buffer.find(_MANIFEST_PREFIX, start)
        if at < 0:
            return
        end = buffer.find(b"\n", at)
        if end < 0:
            return
        start = end
        if at == 0 or buffer[at - 1 : at] == b"\n":
            yield json.loads(buffer[at:end])["m"]
