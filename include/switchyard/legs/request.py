"""What a run of the ingest leg is asked for: the next load, or a range of the past again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from switchyard.ledger.loads import Kind


@dataclass(frozen=True)
class Request:
    """`load` goes on from the bookmark; `backfill` and `replay` read from `low` (included) to `high` (not)."""

    kind: Kind = "load"
    low: str | None = None
    high: str | None = None

    def facts(self) -> dict[str, Any]:
        """As it is handed to a step."""
        return {"kind": self.kind, "low": self.low, "high": self.high}


ORDINARY = Request()
