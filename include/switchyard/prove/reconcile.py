"""Counts of one load, hop by hop, compared. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from switchyard.errors import ReconcileMismatch, SourceMoved

_MANIFEST_PREFIX = b'{"m"'


@dataclass(frozen=True)
class Tally:
    """Rows, and non-NULL values per column, in column order."""

    rows: int
    values: tuple[int, ...]

    def plus(self, other: Tally) -> Tally:
        """The tally of both together."""
        return Tally(self.rows + other.rows, tuple(a + b for a, b in zip(self.values, other.values, strict=True)))


@dataclass(frozen=True)
class Landed:
    """What was found in the landing: the statements' own tallies added up, data lines, bytes."""

    read: Tally
    lines: int
    bytes: int


def tally_lines(files: Iterable[Iterable[bytes]], columns: int) -> Landed:
    r"""Count the lines of JSON files given as chunks of bytes, and add up their manifest rows.

    A manifest row is `{"m" : "{\"rows\": …, \"values\": […]}"}`; PostgreSQL's JSON text never holds a raw newline.
    """
    read, lines, size = Tally(0, (0,) * columns), 0, 0
    for chunks in files:
        rest = b""
        for chunk in chunks:
            size += len(chunk)
            lines += chunk.count(b"\n")
            buffer = rest + chunk
            for manifest in _manifests(buffer):
                read = read.plus(manifest)
                lines -= 1
            rest = buffer[buffer.rfind(b"\n") + 1 :]
        if rest:
            raise ReconcileMismatch(
                "a landed file ends in the middle of a line", where="landing", next="nothing was published; run again"
            )
    return Landed(read, lines, size)


def check_landing(landed: Landed, flow: str, *, allow_empty: bool, before: int | None, after: int | None) -> None:
    """Compare what the source statement read with what landed; `before`/`after` when mappers shared no snapshot.

    Raises SourceMoved when the source changed meanwhile, ReconcileMismatch for any other difference.
    """
    if before != after:
        raise SourceMoved(
            f"the source moved while it was read: {before} rows before, {after} rows after",
            where=f"flow {flow}",
            next="nothing was published; run again, or set engine.mappers to 1: one statement reads one snapshot",
        )
    read = landed.read.rows
    if landed.lines != read or (before is not None and before != read):
        source = "" if before is None else f", the source has {before}"
        raise ReconcileMismatch(
            f"the source statement read {read} rows and {landed.lines} landed{source}",
            where=f"flow {flow}",
            next="nothing was published; run again, and see the engine's log if it happens twice",
        )
    if read == 0 and not allow_empty:
        raise ReconcileMismatch(
            "the source has no rows",
            where=f"flow {flow}",
            next="nothing was published; if an empty table is right, set reconcile.allow_empty: true in the flow",
        )


def check_converted(read: Tally, hive: Tally, columns: Sequence[str], flow: str) -> None:
    """Compare the source statement's tally with Hive's; raises ReconcileMismatch that names the columns."""
    if hive.rows != read.rows:
        raise ReconcileMismatch(
            f"the source statement read {read.rows} rows and Hive has {hive.rows}",
            where=f"flow {flow}",
            next="nothing was published; see HiveServer2's log",
        )
    bent = [
        f"{name}: {there} values became {here}"
        for name, there, here in zip(columns, read.values, hive.values, strict=True)
        if there != here
    ]
    if bent:
        raise ReconcileMismatch(
            f"values were lost in Hive's types: {'; '.join(bent)}",
            where=f"flow {flow}",
            next="nothing was published; look for values the type cannot hold: switchyard preflight",
        )


def _manifests(buffer: bytes) -> Iterable[Tally]:
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
            manifest = json.loads(json.loads(buffer[at:end])["m"])
            yield Tally(int(manifest["rows"]), tuple(int(v) for v in manifest["values"]))
