"""What an error that Redis answers with means to the person who is paged, and what to do: one table.

Source: server.c, script.c and networking.c of Redis 7. redis-py takes the code off most of them, and makes connection
errors of two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from switchyard.errors import AGAIN


@dataclass(frozen=True)
class RedisAnswer:
    """One row: `words`, a regular expression, are in the error; `cause` ends the sentence "Redis at host:port …".

    `passes`: the server is not there yet, or takes nobody, so that running again may help although nobody changed
    anything.
    """

    words: str
    cause: str
    cure: str
    passes: bool = False


ANSWERS: tuple[RedisAnswer, ...] = (
    RedisAnswer(
        r"WRONGTYPE",
        "has a key of this flow that is not a string: another client wrote it",
        "see which: redis-cli TYPE '{FLOW}:gate' (a value's key begins with {FLOW}:v:); delete it: redis-cli UNLINK; "
        f"then {AGAIN}; readers use MongoDB meanwhile",
    ),
    RedisAnswer(
        r"used memory > 'maxmemory'",
        "is full, and its policy evicts nothing",
        f"raise maxmemory, or set maxmemory-policy volatile-lru; then {AGAIN}",
    ),
    RedisAnswer(
        r"MISCONF",
        "takes no writes, because it could not save its data to disk",
        "turn persistence off, as a cache needs it: CONFIG SET save ''; set it in redis.conf as well, and delete its "
        f"dump.rdb; then {AGAIN}",
    ),
    RedisAnswer(
        r"read only replica",
        "is a replica, which takes no writes",
        f"name a Redis without replicas in cache.connection; then {AGAIN}",
    ),
    RedisAnswer(
        r"busy running a script",
        "is at work on somebody's script",
        f"wait, or end it: redis-cli SCRIPT KILL; then {AGAIN}",
        passes=True,
    ),
    RedisAnswer(
        r"loading the dataset",
        "has just started and reads its data",
        f"wait until it has; then {AGAIN}",
        passes=True,
    ),
    RedisAnswer(
        r"max number of clients",
        "has no connection left",
        f"raise maxclients, or end clients that nobody needs (redis-cli CLIENT LIST); then {AGAIN}",
        passes=True,
    ),
)


def find_answer(words: str) -> RedisAnswer | None:
    """The first row whose words are in an error; None when there is none."""
    return next((row for row in ANSWERS if re.search(row.words, words)), None)
