"""The publishing side of the cache protocol: close, invalidate, verify, warm, open. The serve leg's; see gate.py.

A seq is one publish, and must never be used for another: the gate's text is what tells two versions apart. Any step may
be repeated, by another process too. After a crash the gate stays closed: readers use MongoDB, slow and never wrong.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any, Literal

from bson.raw_bson import RawBSONDocument
from redis import Redis

from switchyard.connections import Connection
from switchyard.errors import PublishConflict, ReconcileMismatch
from switchyard.flow.cures import run_again
from switchyard.flow.naming import cache_gate, cache_served, cache_value
from switchyard.serve.cache.connection import check_volatile, connect, explained
from switchyard.serve.cache.gate import Gate, Script, script, value, value_seq
from switchyard.serve.cache.keys import cache_key, id_values
from switchyard.serve.mongo.target import MongoTarget

_CHUNK = 1000
_WARM_CHUNK = 200


@dataclass(frozen=True)
class InvalidateReport:
    """`keys` that changed were named, `unlinked` of them were cached; `floor_raised`: all older values are void."""

    keys: int
    unlinked: int
    floor_raised: bool


@dataclass(frozen=True)
class WarmReport:
    """Values filled before the gate opens; `refused`: the gate was no longer ours."""

    warmed: int
    refused: int


@dataclass(frozen=True)
class Warming:
    """What `warm` fills from, how many keys and for how long."""

    target: MongoTarget
    collection: str
    limit: int
    ttl: timedelta


@dataclass(frozen=True)
class SettleReport:
    """What `settle` did."""

    invalidated: InvalidateReport
    verified: int
    warmed: WarmReport
    gate: Gate
    seconds: float


class CachePublisher:
    """Publishes one flow's versions to its cache. Every error names the connection.

    Args:
        flow: the flow's name.
        connection: of Redis.
        identity: of the collection that is served (`naming.served_identity`).
        redis: a client; default: one of the connection.
    """

    def __init__(self, flow: str, connection: Connection, identity: str, *, redis: Redis | None = None) -> None:
        self.flow, self.connection, self.identity = flow, connection, identity
        self.redis: Any = redis if redis is not None else connect(connection)
        self.gate_key = cache_gate(flow)

    def preflight(self) -> list[str]:
        """Refuse a Redis that could restore old state; returns warnings (`redis_connection.check_volatile`)."""
        return check_volatile(self.redis, self.connection)

    def gate(self) -> Gate | None:
        """The gate as it stands; None when it is lost: readers use MongoDB, and nothing is filled."""
        with explained(self.connection):
            return Gate.parse(self.redis.get(self.gate_key))

    def close(self, seq: int, *, served: int | None) -> Gate:
        """Close the gate, before anything of this publish is visible in MongoDB. Again is fine.

        Args:
            seq: of this publish.
            served: seq that MongoDB serves now, from which the changed keys are counted; None: unknown, so that every
                value now in Redis is put below the floor.

        Raises:
            PublishConflict: a higher seq was here, this seq was used for another collection, or this seq's publish had
                ended (look at `gate()` on recovery).
            ServerUnavailable: Redis does not answer. Then do not publish: readers may still see an open gate.
        """
        answer, gate = self._run("close", str(seq), str(served or 0))
        if answer in (b"superseded", b"open"):
            state = "open" if gate.is_open else "closed"
            what = f"{self._other_publish(gate)}, {state}, and cannot be closed for serve seq {seq}"
            cure = (
                f"nothing was removed from the cache; {run_again('serve', self.flow)}; the new run takes a higher seq"
            )
            raise PublishConflict(what, where=self._where, cure=cure)
        return gate

    def invalidate(self, seq: int, ids: Iterable[Any] | None, *, limit: int = 100_000) -> InvalidateReport:
        """UNLINK the values of these keys; past `limit`, or without ids, raise the floor instead.

        `ids`: `_id`s as stored, of inserted keys too (they may be cached as absent).
        """
        keys = unlinked = 0
        for chunk in _chunks(self._keys(islice(ids or (), limit + 1)), _CHUNK):
            with explained(self.connection):
                unlinked += int(self.redis.unlink(*chunk))
            keys += len(chunk)
        floor_raised = ids is None or keys > limit
        if floor_raised:
            with explained(self.connection):
                self._script("floor", [self.gate_key], [str(seq), self.identity])
        return InvalidateReport(keys, unlinked, floor_raised)

    def verify(self, seq: int, ids: Iterable[Any] | None) -> int:
        """Look at every invalidated key: gone, below the floor, or of this seq. Returns how many were looked at.

        Raises:
            ReconcileMismatch: a value older than this publish would still be served.
        """
        gate = self.gate()
        ours = gate is not None and gate.seq == seq and gate.identity == self.identity
        floor = gate.floor if gate is not None and ours else seq
        checked = 0
        for chunk in _chunks(self._keys(ids or ()), _CHUNK):
            for key, cached_seq in zip(chunk, self._seqs(chunk), strict=True):
                if cached_seq is not None and floor <= cached_seq < seq:
                    what = (
                        f"key {key} still has a value of serve seq {cached_seq}, which serve seq {seq} should "
                        "have removed"
                    )
                    raise ReconcileMismatch(
                        what,
                        where=self._where,
                        cure="a client writes to this cache without the protocol (docs/cache-protocol.md): stop it; "
                        f"then {run_again('serve', self.flow)}; until then readers use MongoDB",
                    )
            checked += len(chunk)
        return checked

    def warm(self, seq: int, warming: Warming, ids: Iterable[Any]) -> WarmReport:
        """After the publish, the gate still closed by this seq: fill the first `warming.limit` keys from MongoDB.

        The same script as a reader's, with the closed gate as the expected text: a publisher that was overtaken fills
        nothing.
        """
        gate = self.gate()
        if gate is None or gate.seq != seq or gate.is_open or gate.identity != self.identity:
            return WarmReport(0, 0)
        warmed = refused = 0
        for chunk in _chunks(islice(ids, warming.limit), _WARM_CHUNK):
            answers = self._fill_all(gate, warming.target.find_raw(warming.collection, chunk), warming.ttl)
            warmed, refused = warmed + sum(answers), refused + len(answers) - sum(answers)
        return WarmReport(warmed, refused)

    def open(self, seq: int) -> Gate:
        """Open the gate, after `invalidate` and `verify`. A gate lost meanwhile comes back with floor = seq.

        Raises:
            PublishConflict: a higher seq is here, or this seq was used for another collection.
        """
        return self._open(seq, "invalidated")

    def restore(self, seq: int, *, upgrade: bool = False) -> Gate:
        """With no publish going on, and `seq` served: bring back a lost gate, or one that an abandoned publish closed.

        An open gate of this seq stays as it is. Otherwise every value now in Redis is put below the floor; but with
        `upgrade` an open gate of this seq, written by a release that knew no identities, gets this one and keeps its
        values. The caller knows then that all of them were read from this collection.

        Raises:
            PublishConflict: a higher seq is here, or this seq was used for another collection.
        """
        return self._open(seq, "upgrade" if upgrade else "restore")

    def tell(self, served: Mapping[str, str | int]) -> None:
        """Write down for people which loads the cached values come from; no program believes it."""
        with explained(self.connection):
            self.redis.set(cache_served(self.flow), json.dumps(served))

    def settle(
        self,
        seq: int,
        ids: Callable[[], Iterable[Any]] | None,
        *,
        limit: int = 100_000,
        warm: Warming | None = None,
        warm_ids: Callable[[], Iterable[Any]] | None = None,
    ) -> SettleReport:
        """Invalidate, verify, warm and open, after the publish in MongoDB.

        `ids` gives the changed `_id`s anew at each call (the delta's file), None: unknown; `warm_ids` those worth
        filling, in that order, by default all.
        """
        started = time.perf_counter()
        invalidated = self.invalidate(seq, ids() if ids else None, limit=limit)
        verified = 0 if invalidated.floor_raised or ids is None else self.verify(seq, ids())
        warmed = WarmReport(0, 0)
        fillable = warm_ids or ids
        if warm is not None and fillable is not None:
            warmed = self.warm(seq, warm, fillable())
        gate = self.open(seq)
        return SettleReport(invalidated, verified, warmed, gate, time.perf_counter() - started)

    def reset(self) -> int:
        """Forget the flow's gate and all its values (a new ledger counts from 1 again); returns the values removed.

        Wait for readers that began before it, because their fills could carry an old seq that is used again.
        """
        removed = 0
        with explained(self.connection):
            self.redis.unlink(self.gate_key, cache_served(self.flow))
            pattern = _literal(cache_value(self.flow, "")) + "*"
            for chunk in _chunks(self.redis.scan_iter(match=pattern, count=_CHUNK), _CHUNK):
                removed += int(self.redis.unlink(*chunk))
        return removed

    @property
    def _where(self) -> str:
        return f"connection {self.connection.conn_id} cache of flow {self.flow}"

    def _keys(self, ids: Iterable[Any]) -> Iterator[str]:
        return (cache_key(self.flow, id_values(identity)) for identity in ids)

    def _seqs(self, keys: list[str]) -> list[int | None]:
        with explained(self.connection), self.redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.getrange(key, 0, 20)
            return [value_seq(start) for start in pipe.execute()]

    def _fill_all(self, gate: Gate, documents: list[RawBSONDocument], ttl: timedelta) -> list[int]:
        fill = self.redis.register_script(script("fill"))
        milliseconds = int(ttl.total_seconds() * 1000)
        with explained(self.connection), self.redis.pipeline(transaction=False) as pipe:
            for document in documents:
                key = cache_key(self.flow, id_values(document["_id"]))
                args = [gate.text(), value(gate.seq, bytes(document.raw)), milliseconds]
                fill(keys=[self.gate_key, key], args=args, client=pipe)
            return [int(answer) for answer in pipe.execute()]

    def _open(self, seq: int, mode: Literal["invalidated", "restore", "upgrade"]) -> Gate:
        answer, gate = self._run("open", str(seq), mode)
        if answer == b"superseded":
            what = f"{self._other_publish(gate)}, and cannot be opened for serve seq {seq}"
            cure = f"readers get no old value; {run_again('serve', self.flow)}; the new run takes a higher seq"
            raise PublishConflict(what, where=self._where, cure=cure)
        return gate

    def _other_publish(self, gate: Gate) -> str:
        gate_seq = gate.seq
        whose = ", for another collection" if gate.is_of_another(self.identity) else ""
        key = self.gate_key
        return f"another publish used this cache meanwhile: its gate, key {key}, is at serve seq {gate_seq}{whose}"

    def _run(self, name: Script, *args: str) -> tuple[bytes, Gate]:
        with explained(self.connection):
            answer, text = self._script(name, [self.gate_key], [*args, self.identity])
        gate = Gate.parse(text)
        if gate is None:
            raise ReconcileMismatch(
                f"the cache's gate, key {self.gate_key}, cannot be read after the script {name} should have written it",
                where=self._where,
                cure=f"another client wrote to that key: delete it (redis-cli DEL {self.gate_key}); then "
                f"{run_again('serve', self.flow)}; until then readers use MongoDB",
            )
        return answer, gate

    def _script(self, name: Script, keys: list[str], args: list[str]) -> Any:
        return self.redis.register_script(script(name))(keys=keys, args=args)


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _literal(text: str) -> str:
    """Escape what SCAN's MATCH takes for a pattern."""
    return "".join(f"\\{c}" if c in "*?[]\\^" else c for c in text)
