"""The named moments of the serve leg at which a run is stopped and killed, and what must hold afterwards."""

from __future__ import annotations

import hashlib

from harness import stop_points
from harness.stop_points import StopAt
from harness.two_versions import ROWS, TwoVersions
from switchyard.serve.cache.gate import script
from switchyard.serve.cache.reader import ReadThroughCache

KEYS = range(ROWS + 2)
"""Every key of both versions, and two that neither has."""


def lua(name: str) -> bytes:
    """How a script is called on the wire."""
    return hashlib.sha1(script(name).encode()).hexdigest().encode()


SERVED = b"state\x00\x07\x00\x00\x00served"
"""The record's field, as BSON has it."""

STOPS: dict[str, StopAt] = {
    "before the staging is written": ("powergrid_mongo", b"insert", "before"),
    "while the staging is written": ("powergrid_mongo", b"insert", "after"),
    "while the staging's index is built": ("powergrid_mongo", b"createIndexes", "before"),
    "staged, not in the ledger": ("ledger", "staged", ""),
    "before `publishing` is in the ledger": ("ledger", "publishing", ""),
    "`publishing` written, gate open": ("powergrid_redis", lua("close"), "before"),
    "`writing` in MongoDB, gate open": ("powergrid_mongo", b"findAndModify", "after"),
    "gate closed, not renamed": ("powergrid_redis", lua("close"), "after"),
    "before the rename": ("powergrid_mongo", b"renameCollection", "before"),
    "renamed, not in the ledger": ("powergrid_mongo", b"renameCollection", "after"),
    "`served` in MongoDB, not in the ledger": ("powergrid_mongo", SERVED, "after"),
    "before `refreshing` is in the ledger": ("ledger", "refreshing", ""),
    "before the invalidation": ("powergrid_redis", b"UNLINK", "before"),
    "invalidated, gate closed": ("powergrid_redis", b"UNLINK", "after"),
    "before the gate opens": ("powergrid_redis", lua("open"), "before"),
    "gate open, not in the ledger": ("powergrid_redis", lua("open"), "after"),
    "before `served` is in the ledger": ("ledger", "served", ""),
}
UNPUBLISHED = list(STOPS)[:9]
ABANDONED = list(STOPS)[:5]


def assert_cache_is_true(two: TwoVersions, cache: ReadThroughCache) -> None:
    """Nothing is being published now: a cached read is MongoDB's."""
    stored = {document["_id"]: document for document in two.case.documents()}
    for _ in range(2):
        assert [cache.get(key) for key in KEYS] == [stored.get(key) for key in KEYS]


def kill_at(two: TwoVersions, moment: str) -> None:
    """Run the leg as a process of its own, and kill it at that moment."""
    stop_points.kill_at(two.case, STOPS[moment], "run", "serve", two.case.name)
