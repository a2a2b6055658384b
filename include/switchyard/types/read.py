"""What a source statement read, by its own count; landed files and Hive are compared with it."""

from __future__ import annotations

from dataclasses import dataclass

from switchyard.records import Record
from switchyard.types.aggregates import Aggregates


@dataclass(frozen=True)
class Read(Record):
    """Rows, those of them that do not fit, aggregates of those that do; `high` is the largest cursor value, as text."""

    rows: int
    refused: int
    high: str | None
    columns: tuple[Aggregates, ...]
