"""The serve leg end to end: MongoDB and Redis follow the lake, exactly and no further."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128

from harness.cases import Case
from harness.servers import Servers
from switchyard.errors import PreflightRefused, SwitchyardError, ValueRefused
from switchyard.flow.naming import cache_gate, cache_value
from switchyard.legs.serve import leg as serve_leg

NewCase = Callable[..., Case]


def cached_keys(case: Case) -> set[bytes]:
    return set(case.servers.redis.scan_iter(match=cache_value(case.name, "*"), count=1000))


def key(case: Case, value: Any) -> bytes:
    return cache_value(case.name, str(value)).encode()


def test_a_change_reaches_exactly_its_readers(new_case: NewCase, servers: Servers) -> None:
    """Acceptance 4: changed, deleted, added, and one that did not change, which is still served from Redis."""
    case = new_case("follow", serve={"indexes": [["x"], ["x", "id"]]}, cache={"negative": "1m"})
    case.sql(
        "create table t (id int primary key, x text)", "insert into t select g, 'v1-' || g from generate_series(1, 5) g"
    )
    case.both()
    assert case.documents() == [{"_id": g, "id": g, "x": f"v1-{g}"} for g in range(1, 6)]
    cache = case.cache()
    for _ in range(2):
        assert [cache.get(g) and cache.get(g)["x"] for g in range(1, 7)] == [f"v1-{g}" for g in range(1, 6)] + [None]
    assert cached_keys(case) == {key(case, g) for g in range(1, 7)}

    case.sql("update t set x = 'v2-2' where id = 2", "delete from t where id = 3", "insert into t values (6, 'v2-6')")
    reports = case.both()
    assert {name: reports["stage"][name] for name in ("inserted", "updated", "deleted", "unchanged")} == {
        "inserted": 1, "updated": 1, "deleted": 1, "unchanged": 3,
    }  # fmt: skip
    assert (reports["refresh_cache"]["invalidated"], reports["refresh_cache"]["unlinked"]) == (3, 3)
    assert cached_keys(case) == {key(case, g) for g in (1, 4, 5)}
    before = cache.counters()
    assert [cache.get(g)["x"] for g in (1, 4, 5)] == ["v1-1", "v1-4", "v1-5"]
    assert cache.counters().hits == before.hits + 3
    assert [cache.get(2), cache.get(3), cache.get(6)] == [
        {"_id": 2, "id": 2, "x": "v2-2"}, None, {"_id": 6, "id": 6, "x": "v2-6"},
    ]  # fmt: skip
    assert cache.counters().misses == before.misses + 3
    assert [document["_id"] for document in case.documents()] == [1, 2, 4, 5, 6]
    assert case.indexes() == [("_id",), ("x",), ("x", "id")]
    assert servers.mongo.list_collection_names(filter={"name": {"$regex": f"^{case.name}"}}) == [case.name]

    served = case.loads("serve")
    assert case.run("serve")["plan"]["nothing_to_do"].startswith("seq 2 of")
    assert case.loads("serve") == served, "nothing new to serve: no load"

    uuid = servers.mongo[case.name].options()  # the same rows again: a new version, and nothing to write
    reports = case.both()
    assert (reports["stage"]["staging"], reports["stage"]["unchanged"]) == (None, 5)
    assert servers.mongo[case.name].options() == uuid
    assert cached_keys(case) == {key(case, g) for g in (1, 2, 3, 4, 5, 6)}, "nothing changed, nothing invalidated"
    assert cache.get(3) is None


def test_another_way_to_serve_serves_again(new_case: NewCase, servers: Servers) -> None:
    """A new index, another key, a lost collection: each is served again, without a new version of the table."""
    case = new_case("again", serve={}, cache={"warm": 10})
    case.sql("create table t (id int primary key, code text unique)", "insert into t values (1, 'a'), (2, 'b')")
    case.both()
    cache = case.cache()
    assert cache.get(1)["code"] == "a"
    case.change(serve={"indexes": [["code"]]})
    case.run("serve")
    assert case.indexes() == [("_id",), ("code",)]
    servers.mongo[case.name].create_index("by_hand")
    case.change(serve={"key": ["code"]})
    case.run("serve")
    assert ("by_hand",) in case.indexes(), "what somebody made of the collection stays"
    assert [document["_id"] for document in case.documents()] == ["a", "b"]
    assert cache.get(1) is None, "the old key's value is not served any more"
    assert case.cache().get("a") == {"_id": "a", "id": 1, "code": "a"}
    servers.mongo.drop_collection(case.name)
    assert "staging" in case.run("serve")["stage"]
    assert [document["_id"] for document in case.documents()] == ["a", "b"]
    assert case.version().seq == 1
    case.change(serve={"key": ["nope"]})
    with pytest.raises(PreflightRefused, match="nope"):
        case.run("serve")
    assert [document["_id"] for document in case.documents()] == ["a", "b"]


def test_a_product_is_made_by_hive_and_followed_by_changes(new_case: NewCase, servers: Servers) -> None:
    """serve.select: counts, decimals, a key of two columns; one group changes, one goes, one comes."""
    case = new_case("product", serve={}, cache={})
    case.change(
        serve={
            "key": ["kind", "day"],
            "table": "per_day",
            "select": "select kind, to_date(at) as day, count(*) as n, count(w) as known, sum(w) as total,"
            f" max(at) as newest from {case.name}.t group by kind, to_date(at)",
        }
    )
    case.sql(
        "create table t (id serial primary key, kind text, at timestamp, w numeric(12,3))",
        "insert into t (kind, at, w) values ('a', '2020-02-29 23:59:59', 1.125), ('a', '2020-02-29', null),"
        " ('b', '2020-03-01', 99999999.999), ('b', '2020-03-01', 0.001), ('', '1969-12-31 12:00', -1)",
    )
    case.both()

    def expected() -> list[tuple[Any, ...]]:
        return case.sql("select kind, at::date, count(*), count(w), sum(w), max(at) from t group by 1, 2 order by 1, 2")

    def found() -> list[tuple[Any, ...]]:
        documents = servers.mongo[case.name].find({}).sort([("kind", 1), ("day", 1)])
        return [
            (d["kind"], d["day"].date(), d["n"], d["known"], d["total"] and d["total"].to_decimal(), d["newest"])
            for d in documents
        ]

    assert found() == expected()
    assert found()[-1][4] == Decimal("100000000.000")
    assert isinstance(servers.mongo[case.name].find_one({"kind": "b"})["total"], Decimal128)
    hive = case.hive("order by kind, day", table="per_day", what="kind, day, n, known, total, newest")
    assert hive == expected()
    cache = case.cache()
    days = {row[0]: row[1] for row in expected()}
    for kind in ("a", "b", ""):
        assert cache.get((kind, days[kind])) is not None

    case.sql(
        "update t set w = 2 where kind = 'a' and w is null",
        "delete from t where kind = ''",
        "insert into t (kind, at, w) values ('c', '2021-01-01', null)",
    )
    reports = case.both()
    assert found() == expected()
    assert {name: reports["stage"][name] for name in ("inserted", "updated", "deleted", "unchanged")} == {
        "inserted": 1, "updated": 1, "deleted": 1, "unchanged": 1,
    }  # fmt: skip
    before = cache.counters()
    assert cache.get(("b", days["b"]))["n"] == 2
    assert cache.counters().hits == before.hits + 1
    assert cache.get(("a", days["a"]))["known"] == 2
    assert cache.get(("", days[""])) is None
    staging = [row[0] for row in servers.hive("show tables in switchyard_staging")]
    assert [name for name in staging if case.loads("serve")[0].load_id in name] == []


@pytest.fixture(scope="module")
def served(module_case: NewCase) -> Case:
    """A flow of one number a row, served; each test adds the next number."""
    case = module_case("served", serve={}, cache={})
    case.sql("create table t (id int primary key)", "insert into t values (1)")
    case.both()
    return case


def numbers(case: Case) -> list[int]:
    return [document["_id"] for document in case.documents()]


def add_number(case: Case) -> int:
    """The next number, at the source."""
    return case.sql("insert into t select max(id) + 1 from t returning id")[0][0]


def test_a_product_that_hive_refuses_publishes_nothing(served: Case) -> None:
    before = served.documents()
    select = f"select nope as id from {served.name}.t"
    with pytest.raises(SwitchyardError, match=r"connection lake_hive: Hive could not run a statement: .*nope"):
        served.run("serve", serve={"select": select, "table": "p"})
    assert served.documents() == before


@pytest.mark.parametrize("rows", ["(1, 'a'), (1, 'b')", "(1, 'a'), (null, 'b')"], ids=["repeated", "null"])
def test_a_key_that_is_no_key_is_refused(new_case: NewCase, rows: str) -> None:
    case = new_case("nokey", serve={}, cache={})
    case.sql("create table t (id int, x text)", f"insert into t values {rows}")
    case.run("ingest")
    with pytest.raises(ValueRefused, match=r"key"):
        case.run("serve")
    assert case.servers.mongo.list_collection_names(filter={"name": {"$regex": f"^{case.name}"}}) == []
    assert case.states("serve") == ["planned"]


def test_a_lost_gate_comes_back_and_changes_are_not_missed(new_case: NewCase, servers: Servers) -> None:
    case = new_case("lost", serve={}, cache={})
    case.sql("create table t (id int primary key, x text)", "insert into t values (1, 'a')")
    case.both()
    cache = case.cache()
    assert [cache.get(1)["x"], cache.get(1)["x"]] == ["a", "a"]
    servers.redis.delete(cache_gate(case.name))
    assert cache.get(1)["x"] == "a"
    assert cache.counters().bypassed == 1
    case.run("serve")
    assert (cache.get(1)["x"], cache.counters().hits) == ("a", 2), "nothing was published meanwhile"
    servers.redis.delete(cache_gate(case.name))
    case.sql("update t set x = 'b'")
    assert case.both()["refresh_cache"]["verified"] == 1
    assert cache.get(1)["x"] == "b"


def test_a_late_tidy_leaves_the_next_load_alone(served: Case) -> None:
    """A run's last step may come after the next run has begun: it must not take away what that one needs."""
    before = next(load for load in served.loads("serve") if load.state == "served")
    new = add_number(served)
    served.run("ingest")
    load = serve_leg.plan(served.runtime, served.flow())
    serve_leg.stage(served.runtime, load.load_id)
    serve_leg.tidy(served.runtime, before.load_id)
    serve_leg.publish(served.runtime, load.load_id)
    serve_leg.refresh_cache(served.runtime, load.load_id)
    assert numbers(served) == list(range(1, new + 1))


def test_a_staging_that_somebody_dropped_is_not_taken_for_published(served: Case, servers: Servers) -> None:
    new = add_number(served)
    served.run("ingest")
    load = serve_leg.plan(served.runtime, served.flow())
    staging = serve_leg.stage(served.runtime, load.load_id).facts["staging"]
    servers.mongo.drop_collection(staging)
    with pytest.raises(SwitchyardError, match=f"{staging} no longer exists"):
        serve_leg.publish(served.runtime, load.load_id)
    assert numbers(served) == list(range(1, new))
    served.run("serve")
    assert numbers(served) == list(range(1, new + 1))


def test_a_load_is_numbered_above_a_gate_that_is_ahead_of_the_ledger(served: Case, servers: Servers) -> None:
    """A new ledger counts from 1 while Redis remembers a later seq, its gate open: that seq has been used."""
    servers.redis.set(cache_gate(served.name), "99|0|open")
    new = add_number(served)
    served.both()
    assert served.loads("serve")[0].seq == 100
    assert servers.redis.get(cache_gate(served.name)).startswith(b"100|100|open|"), "what was cached before is void"
    assert numbers(served) == list(range(1, new + 1))
    assert served.cache().get(new) == {"_id": new, "id": new}
