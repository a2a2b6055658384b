"""Redis' errors, walked: each leads to its own cause and cure, and only a dead server is said not to answer."""

import pytest
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,
    MaxConnectionsError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from switchyard.connections import Connection
from switchyard.errors import ConnectionUnusable, ServerUnavailable, StepFailed
from switchyard.serve.cache.answers import ANSWERS, RedisAnswer, find_answer
from switchyard.serve.cache.connection import explained

REDIS = Connection("cache", "redis", host="r", port=6379, password="secret")
MET: list[tuple[RedisError, type[Exception], str, str]] = [
    # what redis-py raises, our class, a word of the cause, one of the cure
    (
        ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value script: 0a"),
        StepFailed,
        "not a string",
        "UNLINK",
    ),
    (
        ResponseError("Command # 2 (GETRANGE {f}:v:1 0 20) of pipeline caused error: WRONGTYPE Operation against"),
        StepFailed,
        "not a string",
        "UNLINK",
    ),
    (OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), StepFailed, "is full", "maxmemory"),
    (ResponseError("OOM command not allowed when used memory > 'maxmemory'."), StepFailed, "is full", "maxmemory"),
    (
        ResponseError("MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk."),
        StepFailed,
        "could not save",
        "CONFIG SET save",
    ),
    (ReadOnlyError("You can't write against a read only replica."), StepFailed, "is a replica", "replicas"),
    (
        ResponseError("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."),
        ServerUnavailable,
        "somebody's script",
        "SCRIPT KILL",
    ),
    (BusyLoadingError("Redis is loading the dataset in memory"), ServerUnavailable, "just started", "wait"),
    (ConnectionError("max number of clients reached"), ServerUnavailable, "no connection left", "maxclients"),
    (MaxConnectionsError("max number of clients reached"), ServerUnavailable, "no connection left", "maxclients"),
    (ConnectionError("Error 111 connecting to r:6379. Connection refused."), ServerUnavailable, "not answer", "start"),
    (TimeoutError("Timeout reading from socket"), ServerUnavailable, "does not answer", "host and port"),
    (NoPermissionError("User u has no permissions to run the 'get' command"), ConnectionUnusable, "refused", "ACL"),
    (NoPermissionError("No permissions to access a key"), ConnectionUnusable, "refused the command", "ACL"),
    (ResponseError("ACL failure in script: User u has no permissions to run"), ConnectionUnusable, "refused", "ACL"),
    (ResponseError("NOPERM this user has no permissions to access one of the keys"), ConnectionUnusable, "ref", "ACL"),
    (ResponseError("ERR unknown command 'evalsha'"), StepFailed, "answered with an error", "Redis's log"),
]


@pytest.mark.parametrize(("error", "kind", "cause", "cure"), MET, ids=[str(row[0])[:40] for row in MET])
def test_an_error_has_its_own_cause_and_cure(error: RedisError, kind: type[Exception], cause: str, cure: str) -> None:
    with pytest.raises((StepFailed, ServerUnavailable, ConnectionUnusable)) as caught, explained(REDIS):
        raise error
    assert type(caught.value) is kind
    assert cause in caught.value.what
    assert str(error) in caught.value.what
    assert cure in caught.value.cure
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("row", ANSWERS, ids=lambda row: row.words)
def test_every_row_is_met(row: RedisAnswer) -> None:
    assert any(find_answer(str(error)) is row for error, *_ in MET)
