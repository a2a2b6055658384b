"""A Redis client of an Airflow connection, its errors in words, and the preflight of a Redis that is to be a cache."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from switchyard.connections import Connection
from switchyard.connections.redis import TLS_EXTRAS, read_extras
from switchyard.connections.tls import find_tls_fault
from switchyard.errors import (
    AGAIN,
    ConnectionUnusable,
    PreflightRefused,
    ServerUnavailable,
    StepFailed,
    SwitchyardError,
)
from switchyard.serve.cache.answers import find_answer

_NO_RIGHT = re.compile(r"NOAUTH|NOPERM|no permissions|No permissions|ACL failure|can't run this command")
"""Words of a refusal by the server's ACL, also within a script; redis-py takes the code off."""


def connect(connection: Connection, *, timeout_seconds: float = 5.0) -> Redis:
    """A client of an Airflow connection of type `redis`. No server is asked.

    It does not retry by itself: a reader has MongoDB, and a publish is run again.

    Raises:
        ConnectionUnusable: an extra cannot be honoured, e.g. Redis Cluster's.
    """
    extras = read_extras(connection)
    return Redis(
        host=connection.host or "localhost",
        port=connection.port or 6379,
        db=extras.database,
        username=connection.login or None,
        password=connection.password or None,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        **dict[str, Any](extras.tls),
    )


@contextmanager
def explained(connection: Connection) -> Iterator[None]:
    """Turn the client's errors into ones that name the connection.

    ServerUnavailable: down. ConnectionUnusable: the login is refused. StepFailed: anything else.
    """
    where = f"connection {connection.conn_id}"
    try:
        yield
    except (AuthenticationError, AuthorizationError) as error:
        what = f"Redis at {connection.address} refused user {connection.login or 'default'}: {error}"
        cure = f"correct the connection's login and password; then {AGAIN}"
        raise ConnectionUnusable(what, where=where, cure=cure) from error
    except RedisError as error:
        raise _explain(error, connection) from error


def _explain(error: RedisError, connection: Connection) -> SwitchyardError:
    where = f"connection {connection.conn_id}"
    answer = find_answer(str(error))
    if answer is not None:
        kind = ServerUnavailable if answer.passes else StepFailed
        return kind(f"Redis at {connection.address} {answer.cause}: {error}", where=where, cure=answer.cure)
    if isinstance(error, RedisConnectionError | RedisTimeoutError):
        fault = find_tls_fault(connection, TLS_EXTRAS, error)
        what = f"Redis at {connection.address} does not answer: {error}"
        cure = f"start it, or correct host and port of the connection; then {AGAIN}; readers use MongoDB meanwhile"
        return fault or ServerUnavailable(what, where=where, cure=cure)
    if _NO_RIGHT.search(str(error)):
        what = f"Redis at {connection.address} refused the command: {error}"
        return ConnectionUnusable(
            what, where=where, cure="correct login and password of the connection, or the login's ACL in Redis"
        )
    return StepFailed(
        f"Redis answered with an error: {error}",
        where=where,
        cure=f"see Redis's log; then {AGAIN}",
    )


def check_volatile(redis: Redis, connection: Connection) -> list[str]:
    """Refuse a Redis that could bring back an old gate with old values; returns warnings.

    Old state comes back from disk (`save`, `appendonly`) after a restart, and from a replica after a failover. Where
    CONFIG is not allowed (managed services), extra `{"switchyard_volatile": true}` says that persistence is off.

    Raises:
        PreflightRefused: with the cure. ServerUnavailable, ConnectionUnusable, StepFailed: from the server.
    """
    where = f"connection {connection.conn_id}"
    with explained(connection):
        replication = _mapping(redis.info("replication"))
        config = _read_config(redis)
    if replication.get("role") != "master" or int(replication.get("connected_slaves", 0)):
        what = "this Redis has replicas or is one: after a failover it could serve values of an older load"
        cure = "name a Redis without replicas in cache.connection; a lost Redis loses nothing: MongoDB has all values"
        raise PreflightRefused(what, where=where, cure=cure)
    if config is None:
        if read_extras(connection).declared_volatile:
            return ["CONFIG is not allowed; that persistence is off is only declared"]
        what = "cannot see whether this Redis saves its values to disk: it refuses CONFIG GET"
        cure = 'allow CONFIG GET; or, if it saves nothing, set the connection\'s extra {"switchyard_volatile": true}'
        raise PreflightRefused(what, where=where, cure=cure)
    if config.get("save") or config.get("appendonly") != "no":
        save = config.get("save")
        appendonly = config.get("appendonly")
        what = (
            f"persistence is on (save {save!r}, appendonly {appendonly!r}): after a restart this Redis could serve "
            "values of an older load"
        )
        cure = "run CONFIG SET save '' and CONFIG SET appendonly no, set both in redis.conf, then delete its dump.rdb"
        raise PreflightRefused(what, where=where, cure=cure)
    return _warn_of_memory(config)


def _warn_of_memory(config: Mapping[str, str]) -> list[str]:
    policy, limit = config.get("maxmemory-policy", ""), int(config.get("maxmemory", 0) or 0)
    if limit and policy.startswith("allkeys"):
        return [f"maxmemory-policy {policy} may evict a gate: right, but slow until the next publish; use volatile-lru"]
    if limit and policy == "noeviction":
        return ["maxmemory-policy noeviction: a full Redis takes no values and stops a publish; use volatile-lru"]
    return []


def _read_config(redis: Redis) -> dict[str, str] | None:
    try:
        return {str(k): str(v) for k, v in _mapping(redis.config_get("save", "appendonly", "maxmemory*")).items()}
    except ResponseError as error:
        if isinstance(error, AuthenticationError) or "NOAUTH" in str(error):
            raise
        return None


def _mapping(answer: Any) -> dict[str, Any]:
    return dict(answer)
