"""The cache protocol on a real Redis and a real MongoDB server: coherence, races, and Redis lost at every point."""

from __future__ import annotations

import datetime as dt
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Any

import bson
import pytest

from harness.checkout import CHECKOUT
from harness.serve_servers import REDIS_PASSWORD, RedisServer, free_port
from switchyard.errors import (
    ConnectionUnusable,
    PreflightRefused,
    PublishConflict,
    ReconcileMismatch,
    ServerUnavailable,
    StepFailed,
    SwitchyardError,
    ValueRefused,
)
from switchyard.flow.naming import served_identity
from switchyard.flow.spec import Flow
from switchyard.serve.cache.connection import connect
from switchyard.serve.cache.gate import Gate
from switchyard.serve.cache.publisher import CachePublisher, Warming
from switchyard.serve.cache.reader import CacheCounters, ReadThroughCache
from switchyard.serve.mongo.connection import server_of_connection
from switchyard.serve.mongo.target import MongoTarget

pytest_plugins = ["harness.serve_servers"]
PROTOCOL = CHECKOUT / "docs" / "cache-protocol.md"
TTL = dt.timedelta(minutes=5)
NEGATIVE = dt.timedelta(seconds=40)


@dataclass
class Served:
    """One flow: its collection, cache and publisher, published in turns as the serve leg does."""

    mongo: MongoTarget
    server: RedisServer
    flow: str
    content: dict[int, str] = field(default_factory=dict)
    seq: int = 0

    def __post_init__(self) -> None:
        server = server_of_connection(self.mongo.connection)
        self.identity = served_identity(server, self.mongo.database.name, self.flow)
        self.publisher = CachePublisher(self.flow, self.server.connection(), self.identity)

    def gate(self, seq: int, floor: int, is_open: bool) -> Gate:
        return Gate(seq, floor, is_open, self.identity)

    def reader(self, **options: Any) -> ReadThroughCache:
        redis = connect(self.server.connection(), timeout_seconds=1)
        options = {"negative": NEGATIVE, **options}
        return ReadThroughCache(
            flow=self.flow, redis=redis, collection=self.mongo.collection(self.flow), ttl=TTL, **options
        )

    def replace_collection(self, content: dict[int, str]) -> None:
        staging = f"{self.flow}__s{self.seq + 1}_x"
        self.mongo.stage(staging, [[bson.encode({"_id": k, "v": v}) for k, v in content.items()]])
        self.mongo.publish_snapshot(staging, self.flow)

    def changed(self, content: dict[int, str]) -> list[int]:
        return [k for k in self.content.keys() | content.keys() if self.content.get(k) != content.get(k)]

    def publish(self, content: dict[int, str], at: Callable[[str], None] = lambda step: None, **options: Any) -> None:
        """Publish; `at` is called before each step, and may raise."""
        seq, changed = self.seq + 1, self.changed(content)
        at("close")
        self.publisher.close(seq, served=self.seq)
        at("publish")
        self.replace_collection(content)
        self.finish(seq, content, changed, at, **options)

    def finish(
        self, seq: int, content: dict[int, str], changed: Iterable[int], at: Callable[[str], None], **options: Any
    ) -> None:
        at("invalidate")
        self.publisher.invalidate(seq, changed, **options)
        at("verify")
        self.publisher.verify(seq, changed)
        at("warm")
        self.publisher.warm(seq, Warming(self.mongo, self.flow, 3, TTL), changed)
        at("open")
        self.publisher.open(seq)
        at("record")
        self.seq, self.content = seq, content


@pytest.fixture
def served(serve_mongo: MongoTarget, serve_redis: RedisServer) -> Iterator[Served]:
    serve_redis.client().flushall()
    one = Served(serve_mongo, serve_redis, "telemetry")
    one.publish({1: "a", 2: "b", 3: "c"})
    yield one
    one.publisher.redis.close()


def value(document: dict[str, Any] | None) -> str | None:
    return document and document["v"]


def test_a_miss_then_a_hit_of_equal_documents(served: Served) -> None:
    served.publisher.restore(served.seq)
    served.server.client().unlink("{telemetry}:v:1")
    reader = served.reader()
    first, second = reader.get(1), reader.get(1)
    assert first == second == {"_id": 1, "v": "a"}
    assert reader.counters() == CacheCounters(hits=1, misses=1, filled=1)
    assert 0 < served.server.client().pttl("{telemetry}:v:1") <= 300_000
    assert served.server.client().ttl("{telemetry}:gate") == -1


def test_an_absent_document_is_cached_as_absent_until_it_is_inserted(served: Served) -> None:
    reader = served.reader()
    assert [reader.get(9), reader.get(9)] == [None, None]
    assert reader.counters().hits == 1
    assert 0 < served.server.client().pttl("{telemetry}:v:9") <= 40_000, "it has a lifetime of its own"
    served.publish({**served.content, 9: "new"})
    assert value(reader.get(9)) == "new"


def test_without_a_lifetime_absent_documents_are_not_remembered(served: Served) -> None:
    reader = served.reader(negative=None)
    assert [reader.get(9), reader.get(9)] == [None, None]
    assert reader.counters() == CacheCounters(misses=2, absent=2)
    assert not served.server.client().exists("{telemetry}:v:9")
    served.reader().get(9)
    assert reader.get(9) is None
    assert reader.counters().hits == 1, "what another client remembers is used"


def test_an_absent_document_is_forgotten_after_its_time(served: Served) -> None:
    reader = served.reader(negative=dt.timedelta(milliseconds=1))
    assert reader.get(9) is None
    time.sleep(0.01)
    served.mongo.collection("telemetry").insert_one({"_id": 9, "v": "by hand"})
    assert value(reader.get(9)) == "by hand"


@pytest.mark.parametrize("limit", [0, 100])
def test_a_reader_that_found_nothing_cannot_hide_what_was_inserted_meanwhile(served: Served, limit: int) -> None:
    reader = race(served, lambda: served.publish({**served.content, 9: "new"}, limit=limit))
    assert reader.get(9) is None
    assert (reader.counters().refused, reader.counters().filled) == (1, 0)
    assert value(served.reader().get(9)) == "new"


def test_a_publish_drops_exactly_the_changed_keys(served: Served) -> None:
    reader = served.reader()
    for key in (1, 2, 3):
        reader.get(key)
    before = reader.counters()
    seq, content = served.seq + 1, {1: "a", 2: "B"}
    served.publisher.close(seq, served=served.seq)
    served.replace_collection(content)
    report = served.publisher.settle(seq, lambda: served.changed(content))
    assert (report.invalidated.keys, report.invalidated.unlinked, report.verified) == (2, 2, 2)
    assert report.gate == served.gate(2, 1, True)
    assert [value(reader.get(key)) for key in (1, 2, 3)] == ["a", "B", None]
    after = reader.counters()
    assert (after.hits - before.hits, after.misses - before.misses) == (1, 2)


@pytest.mark.parametrize("limit", [0, 1])
def test_too_many_changes_raise_the_floor_instead(served: Served, limit: int) -> None:
    reader = served.reader()
    for key in (1, 2, 3):
        reader.get(key)
    served.publish({1: "A", 2: "B", 3: "c"}, limit=limit)
    assert served.publisher.gate() == served.gate(2, 2, True)
    assert [value(reader.get(key)) for key in (1, 2, 3)] == ["A", "B", "c"]


def test_unknown_changes_raise_the_floor(served: Served) -> None:
    served.reader().get(1)
    served.publisher.close(2, served=1)
    served.replace_collection({1: "A"})
    assert served.publisher.settle(2, None).invalidated.floor_raised
    assert value(served.reader().get(1)) == "A"


def test_warmed_keys_are_hits_at_once(served: Served) -> None:
    seq, content = 2, {1: "A", 2: "b"}
    served.publisher.close(seq, served=1)
    served.replace_collection(content)
    warming = Warming(served.mongo, "telemetry", 2, TTL)
    report = served.publisher.settle(seq, lambda: [1, 3], warm=warming)
    assert (report.warmed.warmed, report.warmed.refused) == (1, 0)
    reader = served.reader()
    assert value(reader.get(1)) == "A"
    assert reader.counters() == CacheCounters(hits=1)


def test_while_the_gate_is_closed_readers_use_mongodb_and_fill_nothing(served: Served) -> None:
    served.server.client().unlink("{telemetry}:v:1")
    served.publisher.close(2, served=1)
    reader = served.reader()
    assert [value(reader.get(1)) for _ in range(3)] == ["a"] * 3
    assert reader.counters() == CacheCounters(bypassed=3)
    assert not served.server.client().exists("{telemetry}:v:1")


def test_a_lost_gate_bypasses_until_restored(served: Served) -> None:
    reader = served.reader()
    reader.get(1)
    served.server.client().unlink("{telemetry}:gate")
    served.mongo.collection("telemetry").update_one({"_id": 1}, {"$set": {"v": "later"}})
    assert value(reader.get(1)) == "later"
    assert served.publisher.restore(1) == served.gate(1, 1, True)
    assert served.publisher.restore(1) == served.gate(1, 1, True)
    reader.get(1)
    assert reader.counters().bypassed == 1


class Pause:
    """A collection whose reads stop between MongoDB's answer and its return."""

    def __init__(self, real: Any, during: Callable[[], None]) -> None:
        self.real, self.during = real, during

    def find_one(self, *args: Any) -> Any:
        found = self.real.find_one(*args)
        self.during()
        return found


def race(served: Served, during: Callable[[], None]) -> ReadThroughCache:
    """A reader that has read MongoDB while `during` happens, before it fills."""
    reader = served.reader()
    reader._raw = Pause(reader._raw, during)
    return reader


@pytest.mark.parametrize("stop_before", ["publish", "invalidate", "verify", "warm", "open", "record", None])
def test_a_reader_that_raced_the_publish_cannot_put_the_old_value_back(served: Served, stop_before: str | None) -> None:
    served.server.client().unlink("{telemetry}:v:1")

    class Stop(Exception):
        pass

    def at(step: str) -> None:
        if step == stop_before:
            raise Stop

    def during() -> None:
        try:
            served.publish({1: "new"}, at)
        except Stop:
            return

    reader = race(served, during)
    assert value(reader.get(1)) == "a"
    assert (reader.counters().refused, reader.counters().filled) == (1, 0)
    if stop_before not in ("publish",):
        assert value(served.reader().get(1)) == "new"


def test_a_gate_that_came_back_to_the_same_state_is_another_string(served: Served) -> None:
    served.server.client().unlink("{telemetry}:v:1")

    def during() -> None:
        served.publish({1: "x"})
        served.publish({1: "a2"})

    assert value(race(served, during).get(1)) == "a"
    assert value(served.reader().get(1)) == "a2"


def test_a_flushed_redis_refuses_the_fill(served: Served) -> None:
    served.server.client().unlink("{telemetry}:v:1")
    reader = race(served, lambda: served.server.client().flushall())
    reader.get(1)
    assert reader.counters().refused == 1
    assert served.server.client().keys("*") == []


STEPS = ["close", "publish", "invalidate", "verify", "warm", "open", "record"]


class Killed(Exception):
    pass


@pytest.mark.parametrize("step", STEPS)
def test_a_publisher_killed_before_each_step_is_slow_and_never_wrong(served: Served, step: str) -> None:
    reader = served.reader()
    for key in (1, 2, 3, 4):
        reader.get(key)
    content = {1: "a", 2: "B", 4: "D"}

    def at(now: str) -> None:
        if now == step:
            raise Killed

    changed = served.changed(content)
    with pytest.raises(Killed):
        served.publish(content, at)
    truth = served.content if step in ("close", "publish") else content
    assert [value(reader.get(key)) for key in (1, 2, 3, 4)] == [truth.get(key) for key in (1, 2, 3, 4)]
    if step in ("close", "publish"):
        served.publish(content)
    elif step == "record":
        with pytest.raises(PublishConflict):
            served.publisher.close(2, served=1)
        assert served.publisher.gate() == served.gate(2, 1, True)
    else:
        served.publisher.close(2, served=1)
        served.finish(2, content, changed, lambda _: None)
    assert [value(reader.get(key)) for key in (1, 2, 3, 4)] == ["a", "B", None, "D"]
    hits = reader.counters().hits
    assert value(reader.get(1)) == "a"
    assert reader.counters().hits == hits + 1


@pytest.mark.parametrize("step", STEPS[1:])
@pytest.mark.parametrize("back", [True, False])
def test_redis_lost_at_each_point_of_a_publish(served: Served, step: str, back: bool) -> None:
    reader = served.reader()
    for key in (1, 2, 3):
        reader.get(key)
    content = {1: "a", 2: "B"}
    changed = served.changed(content)

    def at(now: str) -> None:
        if now == step:
            served.server.kill()
            if back:
                served.server.start()

    try:
        served.publish(content, at)
        assert back or step == "record"
    except ServerUnavailable as error:
        assert not back
        assert "test_redis" in error.where
    reads = [value(reader.get(key)) for key in (1, 2, 3)]
    if served.server.process.poll() is not None:
        served.server.start()
    reader._resume_at = 0
    truth = ["a", "B", None]
    if served.seq == 1:  # the leg found it dead: run again
        old = ["a", "b", "c"]
        assert reads == (truth if served.mongo.collection("telemetry").find_one({"_id": 2})["v"] == "B" else old)
        served.publisher.close(2, served=1)
        served.replace_collection(content)
        served.finish(2, content, changed, lambda _: None)
    else:
        assert reads == truth
        served.publisher.restore(served.seq)
    assert [value(reader.get(key)) for key in (1, 2, 3)] == truth
    assert served.publisher.gate() == served.gate(2, 2, True)
    assert all(value(reader.get(key)) == v for key, v in zip((1, 2, 3), truth, strict=True))


def test_an_abandoned_or_unseen_publish_puts_all_older_values_below_the_floor(served: Served) -> None:
    served.reader().get(1)
    served.publisher.close(2, served=1)  # abandoned: never published
    assert served.publisher.close(3, served=1) == served.gate(3, 3, False)
    served.publisher.open(3)
    assert served.publisher.close(5, served=4) == served.gate(5, 5, False)
    served.publisher.open(5)
    assert served.publisher.close(6, served=None) == served.gate(6, 6, False)
    assert served.publisher.restore(6) == served.gate(6, 6, True)


def test_a_zombie_publisher_can_neither_close_fill_nor_open(served: Served) -> None:
    served.publisher.close(7, served=1)
    with pytest.raises(PublishConflict, match="is at serve seq 7, closed"):
        served.publisher.close(6, served=1)
    for act in (served.publisher.open, served.publisher.restore):
        with pytest.raises(PublishConflict):
            act(6)
    assert served.publisher.warm(6, Warming(served.mongo, "telemetry", 9, TTL), [1]).warmed == 0
    served.publisher.invalidate(6, None)
    assert served.publisher.gate() == served.gate(7, 1, False)


def other_collection(served: Served) -> tuple[CachePublisher, ReadThroughCache]:
    """Another collection under the same flow's name, in the same Redis: its publisher and a reader of it."""
    collection = served.mongo.collection("other")
    collection.insert_many([{"_id": key, "v": f"other {key}"} for key in (1, 2, 3)])
    identity = served_identity(server_of_connection(served.mongo.connection), served.mongo.database.name, "other")
    publisher = CachePublisher(served.flow, served.server.connection(), identity)
    redis = connect(served.server.connection(), timeout_seconds=1)
    return publisher, ReadThroughCache(flow=served.flow, redis=redis, collection=collection, ttl=TTL)


def test_a_reader_of_another_collection_neither_uses_nor_fills_the_cache(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    ours, (_, theirs) = served.reader(), other_collection(served)
    assert [value(ours.get(1)), value(theirs.get(1)), value(ours.get(1))] == ["a", "other 1", "a"]
    assert [value(theirs.get(2)), value(ours.get(2))] == ["other 2", "b"]
    assert theirs.counters() == CacheCounters(bypassed=2)
    assert len([text for text in caplog.messages if "holds another collection" in text]) == 1


def test_a_reader_that_calls_the_server_by_another_name_reads_mongodb(served: Served) -> None:
    elsewhere = served.reader(server="mongo.example:27017")
    assert value(elsewhere.get(1)) == "a"
    assert elsewhere.counters() == CacheCounters(bypassed=1)
    same = served.reader(server=server_of_connection(served.mongo.connection))
    same.get(1)
    assert same.counters().bypassed == 0


def test_a_publish_of_another_collection_voids_every_value(served: Served) -> None:
    ours, (publisher, theirs) = served.reader(), other_collection(served)
    ours.get(1)
    gate = publisher.close(2, served=1)
    assert gate.identity == publisher.identity
    assert gate.floor == 2, "the gate stood open for seq 1, of another collection"
    publisher.invalidate(2, [])
    publisher.open(2)
    assert [value(theirs.get(1)), value(theirs.get(1)), value(ours.get(1))] == ["other 1", "other 1", "a"]
    assert (theirs.counters().hits, ours.counters().bypassed) == (1, 1)


@pytest.mark.parametrize("is_open", [True, False])
def test_a_seq_that_was_used_for_another_collection_is_not_used_again(served: Served, is_open: bool) -> None:
    publisher, _ = other_collection(served)
    served.publisher.close(2, served=1)
    if is_open:
        served.publisher.open(2)
    for act in (lambda: publisher.close(2, served=1), lambda: publisher.open(2), lambda: publisher.restore(2)):
        with pytest.raises(PublishConflict, match="for another collection"):
            act()
    publisher.invalidate(2, None)
    assert served.publisher.gate() == served.gate(2, 1, is_open)


def test_two_environments_in_one_redis_are_slow_and_right(served: Served) -> None:
    """Two ledgers that do not know each other, one flow's name, two collections: each takes seqs above the gate's."""
    chance = random.Random(11)
    publisher, theirs = other_collection(served)
    sides = [(served.publisher, served.reader(), served.mongo.collection("telemetry"), [1])]
    sides.append((publisher, theirs, served.mongo.collection("other"), [0]))
    for turn in range(400):
        cache, reader, collection, seqs = chance.choice(sides)
        key = chance.randint(1, 3)
        if chance.random() < 0.3:
            gate = cache.gate()
            seq = max(seqs[-1], gate.seq if gate else 0) + 1
            cache.close(seq, served=seqs[-1])
            collection.update_one({"_id": key}, {"$set": {"v": f"turn {turn}"}})
            cache.invalidate(seq, [key])
            cache.open(seq)
            seqs.append(seq)
        else:
            assert reader.get(key) == collection.find_one({"_id": key}), f"turn {turn}"
    assert all(reader.counters().hits and reader.counters().bypassed for _, reader, _, _ in sides)


def old_gate(served: Served, text: str) -> None:
    served.server.client().set("{telemetry}:gate", text)


def test_a_gate_of_an_earlier_release_is_not_believed_until_it_is_upgraded(served: Served) -> None:
    served.server.client().unlink("{telemetry}:v:1")
    served.reader().get(1)
    old_gate(served, "1|1|open")
    reader = served.reader()
    assert value(reader.get(1)) == "a"
    assert reader.counters() == CacheCounters(bypassed=1)
    assert served.publisher.restore(1, upgrade=True) == served.gate(1, 1, True)
    assert value(reader.get(1)) == "a"
    assert reader.counters().hits == 1, "what the earlier release cached is served"


@pytest.mark.parametrize("text", ["1|1|open", "1|1|closed", "3|1|closed"])
def test_a_publish_on_a_gate_of_an_earlier_release_voids_every_value(served: Served, text: str) -> None:
    old_gate(served, text)
    assert served.publisher.close(3, served=1) == served.gate(3, 3, False)
    assert served.publisher.open(3) == served.gate(3, 3, True)


def test_an_unfinished_publish_of_an_earlier_release_ends_with_every_value_void(served: Served) -> None:
    old_gate(served, "2|1|closed")
    served.replace_collection({1: "A"})
    assert served.publisher.settle(2, lambda: [1, 2, 3]).gate == served.gate(2, 2, True)
    assert value(served.reader().get(1)) == "A"


def test_people_are_told_which_loads_the_values_come_from(served: Served) -> None:
    served.publisher.tell({"load": "20260101t000000_abcdef", "lake_seq": 7})
    told = served.server.client().get("{telemetry}:served")
    assert told == b'{"load": "20260101t000000_abcdef", "lake_seq": 7}'
    served.publisher.reset()
    assert served.server.client().get("{telemetry}:served") is None


def test_verify_finds_a_value_that_a_foreign_client_put_back(served: Served) -> None:
    served.publisher.close(2, served=1)
    served.publisher.invalidate(2, [1, 2])
    served.server.client().set("{telemetry}:v:2", b"1|old")
    with pytest.raises(ReconcileMismatch, match=r"\{telemetry\}:v:2 still has a value of serve seq 1"):
        served.publisher.verify(2, [1, 2])


def test_a_gate_that_is_no_string_says_which_key_to_look_at(served: Served) -> None:
    client = served.server.client()
    client.delete("{telemetry}:gate")
    client.lpush("{telemetry}:gate", "x")
    with pytest.raises(StepFailed, match="has a key of this flow that is not a string") as caught:
        served.publisher.close(2, served=1)
    assert "TYPE '{FLOW}:gate'" in caught.value.cure


def test_a_full_redis_says_so(served: Served) -> None:
    client = served.server.client()
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1")
    try:
        with pytest.raises(StepFailed, match="is full, and its policy evicts nothing") as caught:
            served.publisher.close(2, served=1)
    finally:
        client.config_set("maxmemory", "0")
    assert "volatile-lru" in caught.value.cure


@pytest.mark.parametrize("rules", ["~* +@all -get", "~other:* +@all"], ids=["a command", "a key"])
def test_a_login_that_lacks_a_right_is_told_to_correct_the_acl(served: Served, rules: str) -> None:
    client = served.server.client()
    client.execute_command("ACL", "SETUSER", "poor", "reset", "on", ">poor-password", *rules.split())
    poor = replace(served.server.connection(), login="poor", password="poor-password")
    publisher = CachePublisher(served.flow, poor, served.identity)
    for step in (publisher.gate, lambda: publisher.close(2, served=1)):
        with pytest.raises(ConnectionUnusable) as caught:
            step()
        assert "ACL" in caught.value.cure
        assert "poor-password" not in str(caught.value)


def test_the_documented_commands_remove_a_flows_keys(served: Served) -> None:
    """Of a flow that was removed, as an operator types them; another flow's keys stay, whatever is in a key."""
    commands = PROTOCOL.read_text().split("## A flow that was removed")[1].split("```sh\n")[1].split("```")[0]
    assert commands.startswith("redis-cli unlink")
    client = served.server.client()
    served.reader().get(1)
    for key in ('{telemetry}:v:["a b\\nc\\"\'", 1]', '{telemetry}:v:["ü"]', "{telemetry2}:v:1", "{telemetry2}:gate"):
        client.set(key, "1|x")
    script = commands.replace("redis-cli", f"redis-cli -p {served.server.port}")
    environment = {**os.environ, "REDISCLI_AUTH": REDIS_PASSWORD}
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(client.keys("*")) == [b"{telemetry2}:gate", b"{telemetry2}:v:1"]
    assert served.reader().get(1) is not None  # from MongoDB


def test_reset_forgets_one_flow_only(served: Served) -> None:
    served.reader().get(1)
    other = served.server.client()
    for key in ("{telemetry2}:v:1", "{t*}:v:1", "unrelated"):
        other.set(key, "1|x")
    assert CachePublisher("t*", served.server.connection(), served.identity).reset() == 1
    assert served.publisher.reset() >= 1
    assert sorted(other.keys("*")) == [b"unrelated", b"{telemetry2}:v:1"]
    assert served.publisher.close(1, served=None) == served.gate(1, 1, False)


def test_a_client_of_another_language_uses_the_shipped_scripts(served: Served) -> None:
    """docs/cache-protocol.md's read, by redis-cli and the Lua files as they are: filled, used by us, refused."""
    fill = files("switchyard.serve.cache") / "lua" / "fill.lua"

    def cli(*arguments: str) -> list[str]:
        command = ["redis-cli", "-p", str(served.server.port), *arguments]
        done = subprocess.run(
            command, env={**os.environ, "REDISCLI_AUTH": REDIS_PASSWORD}, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    gate, cached = "{telemetry}:gate", "{telemetry}:v:9"
    seen = cli("MGET", gate, cached)[0]
    assert seen == f"1|1|open|{served.identity}"
    assert cli("--eval", str(fill), gate, cached, ",", seen, "1|", "40000") == ["1"]
    reader = served.reader()
    assert reader.get(9) is None
    assert reader.counters() == CacheCounters(hits=1), "what it remembered as missing is used"
    served.publish({**served.content, 9: "new"})
    assert cli("--eval", str(fill), gate, cached, ",", seen, "1|", "40000") == ["0"], "the gate is another by now"
    assert value(reader.get(9)) == "new"


def test_redis_down_never_fails_a_read_and_is_not_asked_for_a_second(served: Served) -> None:
    reader = served.reader()
    reader.get(1)
    served.server.kill()
    try:
        started = time.perf_counter()
        assert [value(reader.get(1)) for _ in range(20)] == ["a"] * 20
        assert time.perf_counter() - started < 2
        assert reader.counters().unavailable == 20
    finally:
        served.server.start()
    served.publisher.restore(1)
    time.sleep(1.1)
    reader.get(1)
    reader.get(1)
    assert reader.counters().hits >= 1


def test_redis_lost_between_look_and_fill(served: Served) -> None:
    served.server.client().unlink("{telemetry}:v:1")
    reader = race(served, served.server.kill)
    try:
        assert value(reader.get(1)) == "a"
        assert reader.counters().misses == 1
    finally:
        served.server.start()


def test_keys_of_several_columns_by_order_or_name(serve_mongo: MongoTarget, serve_redis: RedisServer) -> None:
    day = dt.datetime(2024, 1, 1)
    identity = {"profile": "H0", "day": day}
    serve_mongo.stage("daily__s1_x", [[bson.encode({"_id": identity, "kw": 1})]])
    serve_mongo.publish_snapshot("daily__s1_x", "daily")
    server = server_of_connection(serve_mongo.connection)
    publisher = CachePublisher(
        "daily", serve_redis.connection(), served_identity(server, serve_mongo.database.name, "daily")
    )
    publisher.close(1, served=None)
    publisher.open(1)
    reader = ReadThroughCache(
        flow="daily",
        redis=serve_redis.client(),
        collection=serve_mongo.collection("daily"),
        ttl=TTL,
        key=["profile", "day"],
    )
    asked = [["H0", day], ("H0", day.date()), {"day": day.replace(tzinfo=dt.UTC), "profile": "H0"}]
    assert [reader.get(key) for key in asked] == [{"_id": identity, "kw": 1}] * 3
    assert reader.counters() == CacheCounters(hits=2, misses=1, filled=1)
    publisher.close(2, served=1)
    assert publisher.invalidate(2, [identity]).unlinked == 1
    for wrong in ("H0", ["H0"], {"profile": "H0"}, ["H0", 1.5]):
        with pytest.raises(ValueRefused):
            reader.get(wrong)


def test_from_flow_reads_the_connections(served: Served) -> None:
    flow = Flow.model_validate(
        {
            "flow": "telemetry",
            "source": {"connection": "p", "table": "public.t"},
            "lake": {"database": "d", "table": "t"},
            "serve": {"connection": "m", "collection": "telemetry", "key": ["id"]},
            "cache": {"connection": "r", "ttl": "2m"},
        }
    )
    given = {"m": served.mongo.connection, "r": served.server.connection()}

    class Given:
        def get(self, conn_id: str) -> Any:
            return given[conn_id]

    cache = ReadThroughCache.from_flow(flow, Given())
    served.server.client().unlink("{telemetry}:v:1")
    assert [value(cache.get(1)), value(cache.get(1))] == ["a", "a"]
    assert cache.counters().hits == 1
    assert served.server.client().pttl("{telemetry}:v:1") <= 120_000
    with pytest.raises(PreflightRefused, match="no cache"):
        ReadThroughCache.from_flow(flow.model_copy(update={"cache": None}), Given())


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"save": "900 1"}, "persistence is on"),
        ({"appendonly": "yes"}, "persistence is on"),
        ({"replicaof": "127.0.0.1 1", "replica-serve-stale-data": "yes"}, "has replicas or is one"),
        ({"rename-command": 'CONFIG ""'}, "cannot see whether"),
    ],
)
def test_a_redis_that_could_restore_old_state_is_refused(tmp_path: Any, settings: dict[str, str], what: str) -> None:
    server = RedisServer(tmp_path, free_port(27150, 27199))
    server.start(**settings)
    try:
        with pytest.raises(PreflightRefused, match=what) as caught:
            CachePublisher("f", server.connection(), "0").preflight()
        assert caught.value.cure
        if "rename-command" in settings:
            declared = replace(server.connection(), extra={"switchyard_volatile": "true"})
            assert "only declared" in CachePublisher("f", declared, "0").preflight()[0]
    finally:
        server.kill()


def test_preflight_accepts_a_volatile_redis_and_warns_of_its_eviction(served: Served) -> None:
    client = served.server.client()
    assert served.publisher.preflight() == []
    try:
        for policy, words in (("allkeys-lru", "evict a gate"), ("noeviction", "full Redis"), ("volatile-lru", None)):
            client.config_set("maxmemory", "100mb")
            client.config_set("maxmemory-policy", policy)
            found = served.publisher.preflight()
            assert words in found[0] if words else found == []
    finally:
        client.config_set("maxmemory", "0")


def test_a_wrong_password_and_a_redis_that_is_down_are_named(served: Served) -> None:
    wrong = replace(served.server.connection(), password="wr0ng")
    down = replace(served.server.connection(), port=free_port(27150, 27199))
    none = replace(served.server.connection(), password="")
    refused: type[SwitchyardError] = ConnectionUnusable
    for connection, kind, what in (
        (wrong, refused, "refused user"),
        (none, refused, "refused"),
        (down, ServerUnavailable, "does not answer"),
    ):
        publisher = CachePublisher("f", connection, "0")
        for act in (publisher.preflight, lambda p=publisher: p.close(1, served=None)):
            with pytest.raises(kind, match=what) as caught:
                act()
            assert "connection test_redis" in str(caught.value)
            assert "wr0ng" not in str(caught.value)


def test_thousands_of_races_and_no_read_begun_after_a_publish_sees_an_older_value(served: Served) -> None:
    """Readers fill and hit as fast as they can while keys change, go and come back.

    A read may see what a key was in any version between the last publish that had ended before it and the last that had
    begun after it, and nothing else: neither an older value, nor that a document which is there is missing.
    """
    keys, seconds = range(12), 15.0
    states: list[dict[int, str]] = [dict.fromkeys(keys, "0")]
    served.publish(states[0])
    ended = 0
    stop, wrong, failures, caches, negatives = threading.Event(), [], [], [], []

    def read(seed: int) -> None:
        chance, cache = random.Random(seed), served.reader()
        caches.append(cache)
        try:
            while not stop.is_set():
                key = chance.choice(keys)
                low, hits = ended, cache.counters().hits
                found = value(cache.get(key))
                allowed = {states[n].get(key) for n in range(low, len(states))}
                if found not in allowed:
                    wrong.append((key, found, allowed))
                if found is None and cache.counters().hits > hits:
                    negatives.append(key)
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read, args=(n,)) for n in range(6)]
    for reader in readers:
        reader.start()
    deadline, chance = time.monotonic() + seconds, random.Random(0)
    while time.monotonic() < deadline:
        changed = chance.sample(keys, chance.randint(1, 6))
        content = {**states[-1], **dict.fromkeys(changed, str(len(states)))}
        states.append({key: text for key, text in content.items() if key not in changed or chance.random() < 0.7})
        served.publish(states[-1], limit=chance.choice([100, 100, 3]))
        ended = len(states) - 1
        time.sleep(0.02)
        if ended % 10 == 0:
            served.server.client().flushall()
            served.publisher.restore(served.seq)
    stop.set()
    for reader in readers:
        reader.join()
    publishes = ended
    assert not failures
    assert not wrong
    total = {name: sum(getattr(c.counters(), name) for c in caches) for name in CacheCounters.__dataclass_fields__}
    print(f"{publishes} publishes, {total}, {len(negatives)} hits of negative entries")
    assert total["hits"] > 1000
    assert len(negatives) > 100
    assert total["refused"] > 0


def test_two_thousand_fills_provoked_between_look_and_fill(served: Served) -> None:
    """Each read is stopped after MongoDB answered, a whole publish goes by, then it tries to fill."""
    reader = served.reader()
    real, now = reader._raw, {"v": 0}

    def publish() -> None:
        seq = served.seq + 1
        served.publisher.close(seq, served=served.seq)
        now["v"] += 1
        served.mongo.collection("telemetry").update_one({"_id": 1}, {"$set": {"v": now["v"]}})
        served.publisher.invalidate(seq, [1])
        served.publisher.open(seq)
        served.seq = seq

    served.server.client().unlink("{telemetry}:v:1")
    for turn in range(2000):
        reader._raw = Pause(real, publish)
        old = value(reader.get(1))
        reader._raw = real
        assert value(reader.get(1)) == turn + 1, f"turn {turn}: {old} came back"
        served.server.client().unlink("{telemetry}:v:1") if turn % 7 == 0 else served.publisher.invalidate(
            served.seq, [1]
        )
    assert reader.counters().refused == 2000


def test_two_thousand_negative_fills_provoked_between_look_and_fill(served: Served) -> None:
    """Each read finds nothing in MongoDB and sleeps; a whole publish inserts the key; the next one deletes it again."""
    reader = served.reader()
    real = reader._raw
    collection = served.mongo.collection("telemetry")

    def publish(insert: bool) -> None:
        seq = served.seq + 1
        served.publisher.close(seq, served=served.seq)
        if insert:
            collection.insert_one({"_id": 9, "v": "there"})
        else:
            collection.delete_one({"_id": 9})
        served.publisher.invalidate(seq, [9])
        served.publisher.open(seq)
        served.seq = seq

    for turn in range(2000):
        if turn % 3 == 0:
            assert reader.get(9) is None, "remembered as missing"
        reader._raw = Pause(real, lambda: publish(insert=True))
        served.server.client().unlink("{telemetry}:v:9")
        assert reader.get(9) is None, "it overlapped the publish"
        reader._raw = real
        assert value(reader.get(9)) == "there", f"turn {turn}: it is still remembered as missing"
        publish(insert=False)
        assert reader.get(9) is None
    assert reader.counters().refused == 2000
