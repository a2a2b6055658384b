"""The protocol between a leg and an engine that extracts. `sqoop` is the first engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from switchyard.connections import Connection
from switchyard.extract.statement import Statement


@dataclass(frozen=True)
class ExtractRequest:
    """One extraction: `statement` read from `source`, written as JSON lines below `target` (an hdfs:// URL).

    `options` are PostgreSQL's for the session, `fetch_rows` the most rows that the reader may hold at once.
    """

    name: str
    source: Connection
    statement: Statement
    target: str
    mappers: int
    split_by: str | None
    scratch: Path
    hdfs: Connection
    options: str = ""
    fetch_rows: int = 1000


class Engine(Protocol):
    """Extracts by a statement; returns when every byte is in HDFS."""

    def extract(self, request: ExtractRequest) -> None:
        """Run it. Raises StepFailed with the tool's own words; a killed extract leaves only its own directory."""
