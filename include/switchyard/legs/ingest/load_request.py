"""What a run of the ingest leg is asked for: the next load, or a range of the past again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from switchyard.ledger.loads import Kind

Start = Literal["bookmark", "beginning", "trusted-bookmark"]
"""Where a load begins: at the table's bookmark; at the beginning, when it says so aloud; at the bookmark although the
source or its filter is another one, because somebody vouches that the rows below it are the same."""


@dataclass(frozen=True)
class Request:
    """`load` goes on from the bookmark; `backfill` and `replay` read from `low` (included) to `high` (not).

    `keys`: only the rows with these keys, as text by source column; `replays`: the load whose refused rows they are;
    `start`: where a `load` begins.
    """

    kind: Kind = "load"
    low: str | None = None
    high: str | None = None
    keys: tuple[dict[str, Any], ...] = ()
    replays: str | None = None
    start: Start = "bookmark"

    @classmethod
    def of(cls, facts: dict[str, Any] | None) -> Request:
        """As a parent process hands it over; None: the next load."""
        return cls(**facts) if facts else ORDINARY


ORDINARY = Request()
