"""Reading a served collection whole while publishes go on. For applications; imports pymongo only.

A publish replaces the collection. A query started before it, whose cursor is still open then, is ended by MongoDB with
a retryable error: what was read so far is of the old version, and must not be mixed with the new. So a whole read is
begun again, and counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pymongo.errors import CursorNotFound, OperationFailure

T = TypeVar("T")

# CursorNotFound, QueryPlanKilled ("collection dropped", "renamed"), CursorKilled: MongoDB's error_codes.yml
KILLED_BY_PUBLISH = frozenset({43, 175, 237})


@dataclass(frozen=True)
class WholeRead(Generic[T]):
    """What one uninterrupted read returned, and how many reads were killed before it."""

    value: T
    retries: int


def is_killed_by_publish(error: Exception) -> bool:
    """Whether an error says that the cursor's collection was replaced; reading again from the start is right."""
    return isinstance(error, CursorNotFound) or (
        isinstance(error, OperationFailure) and error.code in KILLED_BY_PUBLISH
    )


def read_retrying(read: Callable[[], T], *, attempts: int = 20, pause_seconds: float = 0.05) -> WholeRead[T]:
    """Call `read` until no publish kills its cursor.

    `read` opens its cursor and uses it up, keeping nothing from an earlier call:
    `read_retrying(lambda: list(collection.find({})))`.

    Raises:
        pymongo.errors.OperationFailure: the last one, after `attempts` killed reads; any other error at once.
    """
    for attempt in range(attempts):
        try:
            return WholeRead(read(), attempt)
        except OperationFailure as error:
            if not is_killed_by_publish(error) or attempt == attempts - 1:
                raise
            time.sleep(pause_seconds)
    raise ValueError(f"attempts must be positive, not {attempts}")
