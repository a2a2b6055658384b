"""The read-through cache that an application imports: Redis in front of a served collection, and never a lie.

    from switchyard.serve.cache import ReadThroughCache

    cache = ReadThroughCache(flow="telemetry", redis=redis, collection=client.grid.telemetry, ttl=timedelta(minutes=15))
    cache.get(7)          # the document of _id 7, or None
    cache.counters()      # CacheCounters(hits=…, misses=…, …)

A read begun after a publish ended never returns an older value; one that overlaps it may. When Redis is down, or the
gate is closed or lost, reads go to MongoDB. That a document is missing is remembered when `negative` says how long;
a publish that inserts the key makes it be forgotten, like any other value. Thread-safe.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from bson import Decimal128, decode
from bson.errors import InvalidBSON
from pymongo import ReadPreference
from pymongo.collection import Collection
from redis import Redis
from redis.exceptions import RedisError

from switchyard.connections import Connections
from switchyard.errors import PreflightRefused, ValueRefused
from switchyard.flow.naming import cache_gate, served_identity
from switchyard.flow.spec import Flow
from switchyard.serve.cache.connection import connect as connect_redis
from switchyard.serve.cache.gate import Gate, script, value
from switchyard.serve.cache.keys import cache_key, canonical
from switchyard.serve.mongo.connection import connect as connect_mongo
from switchyard.serve.mongo.connection import server_of_client, server_of_connection
from switchyard.serve.mongo.read import read_retrying
from switchyard.serve.mongo.target import RAW

KeyValue = bool | int | str | bytes | date | datetime | Decimal
Key = KeyValue | Sequence[KeyValue] | Mapping[str, KeyValue]
Document = dict[str, Any]

log = logging.getLogger(__name__)

_AFTER_FAILURE_SECONDS = 1.0
_READER_TIMEOUT_SECONDS = 0.5


@dataclass(frozen=True)
class CacheCounters:
    """What reads came to. Every `get` counts once in hits, misses, bypassed or unavailable."""

    hits: int = 0
    """Answered by Redis alone, absent documents included."""
    misses: int = 0
    """Read from MongoDB, the gate being open."""
    filled: int = 0
    """Of the misses: put into Redis."""
    refused: int = 0
    """Of the misses: not put into Redis, because a publish began meanwhile."""
    absent: int = 0
    """Of the misses: MongoDB has no such document, and that is not remembered."""
    bypassed: int = 0
    """Read from MongoDB, because the gate was closed, lost, or of another collection."""
    unavailable: int = 0
    """Read from MongoDB, because Redis failed (for a second after that it is not asked)."""


class ReadThroughCache:
    """Reads documents of one flow's collection by key.

    Args:
        flow: the flow's name.
        redis: a client with `decode_responses=False` (the default); short timeouts and no retries suit it.
        collection: the served collection; read from the primary whatever its read preference.
        ttl: how long a value lives.
        negative: how long it is remembered that a document is missing; None: not at all.
        key: the key's columns, needed when there are several.
        server: the MongoDB server as the serve leg's connection names it: `host:port`, or the name of an SRV record.
            Default: the hosts that the collection's client was given. Under another name all reads go to MongoDB.
    """

    def __init__(
        self,
        *,
        flow: str,
        redis: Redis,
        collection: Collection[Any],
        ttl: timedelta,
        negative: timedelta | None = None,
        key: Sequence[str] = (),
        server: str | None = None,
    ) -> None:
        self.flow, self.ttl, self.negative, self.key = flow, ttl, negative, tuple(key)
        self._redis: Any = redis  # its annotations cannot tell bytes from str
        self._gate_key = cache_gate(flow)
        server = server or server_of_client(collection.database.client)
        self.identity = served_identity(server, collection.database.name, collection.name)
        self._warned_of = ""
        self._options = collection.codec_options
        self._raw: Any = collection.with_options(codec_options=RAW, read_preference=ReadPreference.PRIMARY)
        self._fill_script: Any = redis.register_script(script("fill"))
        self._lock, self._counters, self._resume_at = threading.Lock(), CacheCounters(), 0.0

    @classmethod
    def from_flow(cls, flow: Flow, connections: Connections) -> ReadThroughCache:
        """Build it from a flow and Airflow connections.

        Raises:
            PreflightRefused: the flow has no cache. ConnectionMissing, ConnectionUnusable: as `connections` says.
        """
        if flow.serve is None or flow.cache is None:
            raise PreflightRefused(
                "the flow has no cache", where=f"flow {flow.flow}", cure="add `serve` and `cache` to its flow file"
            )
        mongo = connections.get(flow.serve.connection)
        redis = connect_redis(connections.get(flow.cache.connection), timeout_seconds=_READER_TIMEOUT_SECONDS)
        collection = connect_mongo(mongo)[mongo.schema][flow.serve.collection]
        cache = flow.cache
        return cls(
            flow=flow.flow,
            redis=redis,
            collection=collection,
            ttl=cache.ttl,
            negative=cache.negative,
            key=flow.serve.key,
            server=server_of_connection(mongo),
        )

    def get(self, key: Key) -> Document | None:
        """The document of a key, or None.

        `key` is the value; for several columns their values in key order, or by name. An int, str, bytes, bool, date,
        datetime (naive means UTC) or Decimal, as the column is.

        Raises:
            ValueRefused: the key is of a type that cannot be a key, such as float.
            pymongo.errors.PyMongoError: MongoDB was needed and failed. Redis never fails a read.
        """
        values = [canonical(item) for item in self._values(key)]
        name = cache_key(self.flow, values)
        answer = self._look(name)
        if answer is None:
            self._count(unavailable=1)
            return self._decode(self._read(values))
        gate_text, stored = answer
        gate = Gate.parse(gate_text)
        if gate is None or not gate.admits(self.identity):
            self._warn_of_another(gate)
            self._count(bypassed=1)
            return self._decode(self._read(values))
        return self._hit_or_fill(gate, name, stored, values)

    def counters(self) -> CacheCounters:
        """A snapshot."""
        return self._counters

    def _hit_or_fill(self, gate: Gate, name: str, stored: bytes | None, values: list[Any]) -> Document | None:
        payload = gate.payload(stored)
        if payload is not None:
            try:
                document = self._decode(payload)
            except InvalidBSON:
                pass  # not written by this protocol: a miss, and overwritten
            else:
                self._count(hits=1)
                return document
        read = self._read(values)
        lifetime = self.ttl if read else self.negative
        if lifetime is None:
            self._count(misses=1, absent=1)
        else:
            filled = self._fill(gate, name, read, lifetime)
            self._count(misses=1, filled=int(filled), refused=int(not filled))
        return self._decode(read)

    def _warn_of_another(self, gate: Gate | None) -> None:
        """Say once that the cache is another collection's: by itself it only looks slow."""
        if gate is None or not gate.is_of_another(self.identity) or gate.identity == self._warned_of:
            return
        self._warned_of = gate.identity
        log.warning(
            "the cache of flow %s holds another collection (%s) than this one (%s): reads go to MongoDB",
            *(self.flow, gate.identity, self.identity),
        )

    def _look(self, name: str) -> tuple[bytes | None, bytes | None] | None:
        if time.monotonic() < self._resume_at:
            return None
        try:
            gate, stored = self._redis.mget(self._gate_key, name)
        except (RedisError, OSError):
            self._resume_at = time.monotonic() + _AFTER_FAILURE_SECONDS
            return None
        return gate, stored

    def _fill(self, gate: Gate, name: str, payload: bytes, lifetime: timedelta) -> bool:
        args = [gate.text(), value(gate.seq, payload), max(1, int(lifetime.total_seconds() * 1000))]
        try:
            return bool(self._fill_script(keys=[self._gate_key, name], args=args))
        except (RedisError, OSError):
            return False

    def _read(self, values: list[Any]) -> bytes:
        """The document as BSON; empty when there is none."""
        stored = [_as_stored(item) for item in values]
        identity = dict(zip(self.key, stored, strict=True)) if len(stored) > 1 else stored[0]
        document = read_retrying(lambda: self._raw.find_one({"_id": identity})).value
        return b"" if document is None else bytes(document.raw)

    def _decode(self, payload: bytes) -> Document | None:
        return decode(payload, codec_options=self._options) if payload else None

    def _values(self, key: Key) -> list[Any]:
        if isinstance(key, Mapping):
            values = [key.get(name) for name in self.key] if set(key) == set(self.key) else []
        elif isinstance(key, Sequence) and not isinstance(key, str | bytes):
            values = list(key)
        else:
            values = [key]
        if len(values) != max(1, len(self.key)):
            names = ", ".join(self.key) or "one value"
            raise ValueRefused(
                f"the key of flow {self.flow} is ({names}), and {len(values)} values are given",
                where="ReadThroughCache",
                cure="pass one value for each key column; if the columns are others, correct ReadThroughCache's key=",
            )
        return values

    def _count(self, **more: int) -> None:
        with self._lock:
            now = self._counters
            self._counters = replace(now, **{name: getattr(now, name) + count for name, count in more.items()})


def _as_stored(item: Any) -> Any:
    return Decimal128(item) if isinstance(item, Decimal) else item
