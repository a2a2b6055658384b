"""What a run of the ingest leg is asked for: the next load, or a range of the past again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from switchyard.ledger.loads import Kind


@dataclass(frozen=True)
class Request:
    """`load` goes on from the bookmark; `backfill` and `replay` read from `low` (included) to `high` (not).

    `keys`: only the rows with these keys, as text by source column; `replays`: the load whose refused rows they are.
    """

    kind: Kind = "load"
    low: str | None = None
    high: str | None = None
    keys: tuple[dict[str, Any], ...] = ()
    replays: str | None = None

    @classmethod
    def of(cls, facts: dict[str, Any] | None) -> Request:
        """As a parent process hands it over; None: the next load."""
        return cls(**facts) if facts else ORDINARY


ORDINARY = Request()
