"""serve.publish: delta. The changed documents are replaced one by one; whatever happens, they end as Hive has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymongo.read_concern import ReadConcern

from harness.cases import Case
from harness.matrix import members, record
from harness.serve_stops import SERVED, assert_cache_is_true, lua
from harness.servers import Servers
from harness.stop_points import StopAt, kill_at
from harness.two_versions import ROWS, TwoVersions
from harness.wires import put_behind_wires
from switchyard.errors import LedgerStateError, ReconcileMismatch, ValueRefused
from switchyard.ledger.results import InPlaceBegun
from switchyard.legs.ingest.rollback import rollback
from switchyard.legs.serve import leg as serve_leg
from switchyard.legs.serve import stage as serve_stage

NewCase = Callable[..., Case]


@pytest.fixture(scope="module")
def two(module_case: NewCase) -> TwoVersions:
    case = module_case("place", serve={"indexes": [["x"]], "publish": "delta"}, cache={"negative": "1m"})
    put_behind_wires(case, "powergrid_mongo", "powergrid_redis")
    return TwoVersions.load(case)


def other(two: TwoVersions) -> str:
    """Publish the other version in Hive; its letter."""
    two.case.run("serve")
    letter = "b" if two.shown() == "a" else "a"
    two.flip(letter)
    return letter


def test_only_what_changed_is_written(two: TwoVersions, servers: Servers) -> None:
    letter = other(two)
    live = servers.mongo[two.case.name]
    live.create_index([("by_hand", 1)])
    cache = two.case.cache()
    assert_cache_is_true(two, cache)
    reports = two.case.run("serve")
    stage, published = reports["stage"], reports["publish"]
    assert (stage["staging"], stage["inserted"], stage["deleted"], stage["updated"]) == (None, 1, 1, ROWS // 3)
    assert (published["replaced"], published["deleted"]) == (ROWS // 3 + 1, 1)
    assert two.shown() == letter
    assert ("by_hand",) in {tuple(index["key"]) for index in live.list_indexes()}, "the collection was not replaced"
    live.drop_index([("by_hand", 1)])
    assert_cache_is_true(two, cache)
    assert reports["refresh_cache"]["verified"] == ROWS // 3 + 2
    assert servers.files_below(f"/lake/_serve/{two.case.name}") == []


def test_a_snapshot_flow_that_becomes_delta_goes_on_from_what_is_served(two: TwoVersions) -> None:
    other(two)
    two.case.change(serve={"publish": "snapshot"})
    assert two.case.run("serve")["stage"]["staging"] is not None
    other(two)
    two.case.change(serve={"publish": "delta"})
    assert two.case.run("serve")["stage"]["staging"] is None


def test_a_collection_that_others_changed_in_number_is_replaced_whole(two: TwoVersions, servers: Servers) -> None:
    letter = other(two)
    servers.mongo[two.case.name].insert_one({"_id": 999, "who": "an application"})
    assert two.case.run("serve")["stage"]["staging"] is not None
    assert two.shown() == letter


def test_the_first_load_goes_into_an_empty_collection_that_an_operator_made(two: TwoVersions, servers: Servers) -> None:
    """As for a sharded collection, which no rename can replace."""
    letter = other(two)
    live = servers.mongo[two.case.name]
    live.delete_many({})
    cache = two.case.cache()
    live.create_index([("made_by_hand", 1)])
    assert two.case.run("serve")["publish"]["replaced"] == ROWS
    assert two.shown() == letter
    assert {"made_by_hand", "x"} <= {next(iter(index["key"])) for index in live.list_indexes()}
    live.drop_index([("made_by_hand", 1)])
    assert_cache_is_true(two, cache)


def test_a_foreign_write_to_a_changed_document_is_found_and_healed(two: TwoVersions, servers: Servers) -> None:
    """Between the publish and its proof; the count alone would not tell."""
    letter = other(two)
    load = serve_leg.plan(two.case.runtime, two.case.flow())
    serve_leg.stage(two.case.runtime, load.load_id)
    real = serve_stage.apply_changes

    def meddle(*args: Any, **options: Any) -> None:
        real(*args, **options)
        servers.mongo[two.case.name].update_one({"_id": 3}, {"$set": {"x": "foreign"}})

    serve_stage.apply_changes = meddle
    try:
        for error in (ReconcileMismatch, Exception):
            with pytest.raises(error, match="differ in content"):
                serve_leg.publish(two.case.runtime, load.load_id)
        assert_cache_is_true(two, two.case.cache())
        reports = two.case.run("serve")
    finally:
        serve_stage.apply_changes = real
    assert reports["stage"]["staging"] is not None, "given up half done: a snapshot"
    assert two.shown() == letter
    assert two.case.states("serve")[-2:] == ["abandoned", "served"]


def test_a_load_given_up_half_done_is_not_counted_from(two: TwoVersions) -> None:
    """The table goes back meanwhile: counted from the last served load nothing has changed, and yet something has."""
    two.case.run("serve")
    old = two.shown()
    two.flip("b" if old == "a" else "a")
    load = serve_leg.plan(two.case.runtime, two.case.flow())
    serve_leg.stage(two.case.runtime, load.load_id)
    with two.case.runtime.ledger() as ledger:
        planned = ledger.get(load.load_id)
        ledger.advance(planned, "publishing", expected=["staged"], result=InPlaceBegun())
        two.case.servers.mongo[two.case.name].update_one({"_id": 3}, {"$set": {"x": "half done"}})
        ledger.advance(planned, "abandoned", expected=["publishing"], error="by hand")
    two.flip(old)
    assert two.case.run("serve")["stage"]["staging"] is not None
    assert two.shown() == old


def test_a_process_that_was_overtaken_does_not_write(two: TwoVersions) -> None:
    other(two)
    load = serve_leg.plan(two.case.runtime, two.case.flow())
    serve_leg.stage(two.case.runtime, load.load_id)
    with two.case.runtime.ledger() as ledger:
        staged = ledger.advance(ledger.get(load.load_id), "publishing", expected=["staged"])
        before = two.case.documents()
        ledger.advance(staged, "abandoned", expected=["publishing"], error="taken over")
        with pytest.raises(LedgerStateError, match="another run took it over"):
            serve_stage.publish_in_place(two.case.runtime, ledger, two.case.flow(), staged)
    assert two.case.documents() == before
    two.case.run("serve")


STOPS: dict[str, StopAt] = {
    "staged, not in the ledger": ("ledger", "staged", ""),
    "before `publishing` is in the ledger": ("ledger", "publishing", ""),
    "`writing` in MongoDB, gate open": ("powergrid_mongo", b"findAndModify", "after"),
    "gate closed, nothing written": ("powergrid_redis", lua("close"), "after"),
    "before the deletes": ("powergrid_mongo", b"\x02delete\x00", "before"),
    "after the deletes": ("powergrid_mongo", b"\x02delete\x00", "after"),
    "half a delta: all deletes, no replace": ("powergrid_mongo", b"\x02update\x00", "before"),
    "after the replaces": ("powergrid_mongo", b"\x02update\x00", "after"),
    "`served` in MongoDB, not in the ledger": ("powergrid_mongo", SERVED, "after"),
    "before `refreshing` is in the ledger": ("ledger", "refreshing", ""),
    "before the invalidation": ("powergrid_redis", b"UNLINK", "before"),
    "gate open, not in the ledger": ("powergrid_redis", lua("open"), "after"),
}
ABANDONED = list(STOPS)[:2]


FIRST = ("gate closed, nothing written", "after the deletes", "before the invalidation")


@pytest.mark.parametrize("moment", members(STOPS, FIRST))
def test_killed(two: TwoVersions, servers: Servers, moment: str) -> None:
    letter = other(two)
    cache = two.case.cache()
    assert_cache_is_true(two, cache)
    given_up = two.case.states("serve").count("abandoned")
    kill_at(two.case, STOPS[moment], "run", "serve", two.case.name)
    both = [*two.documents["a"], *two.documents["b"]]
    assert all(document in both for document in two.case.documents()), "each document is of one version, whole"
    assert_cache_is_true(two, cache)
    code, said = two.case.switchyard("run", "serve", two.case.name)
    assert code == 0, said
    assert two.shown() == letter
    given_up += 1 if moment in ABANDONED else 0
    assert two.case.states("serve").count("abandoned") == given_up, "one that was being published is replayed"
    assert two.case.states("serve")[-1] == "served"
    before = cache.counters()
    assert_cache_is_true(two, cache)
    assert_cache_is_true(two, cache)
    assert cache.counters().hits > before.hits, "the cache is in use again"
    record("serve, in place", moment, "kill -9", "each document whole, cache true; next run right")


def test_every_type_is_the_same_in_place_as_in_a_snapshot(new_case: NewCase, servers: Servers) -> None:
    """The same rows by both ways: the same bytes."""
    make = [
        "create table t (id bigint, k text, s smallint, i int, f real, d double precision, n numeric(30,9), b boolean,"
        " bin bytea, day date, at timestamp, tags text[], primary key (id, k))",
        "insert into t select g, 'k' || g, g, -g, g / 3.0, 'NaN', g / 7.0, g % 2 = 0, decode('00ff', 'hex'),"
        " date '1969-12-31' + g, timestamp '1999-12-31 23:59:59.123456' + g * interval '1 day', array['a', null, 'é']"
        " from generate_series(-50, 50) g",
    ]
    change = [
        "update t set d = '-0', n = -n, at = null, tags = array[]::text[] where id % 3 = 0",
        "delete from t where id % 5 = 0",
        "insert into t (id, k) select g, '$set' from generate_series(100, 120) g",
    ]
    found = []
    for way in ("snapshot", "delta"):
        case = new_case(f"same_{way}", serve={"key": ["id", "k"], "timestamps": "beside", "publish": way})
        case.sql(*make)
        case.both()
        case.sql(*change)
        reports = case.both()
        assert (reports["stage"]["staging"] is None) == (way == "delta")
        raw = servers.mongo[case.name].with_options(read_concern=ReadConcern("local"), codec_options=serve_raw())
        found.append(sorted(bytes(document.raw) for document in raw.find({})))
    assert found[0] == found[1]
    assert len(found[0]) == 101 - 21 + 21


def serve_raw() -> Any:
    from switchyard.serve.mongo.target import RAW

    return RAW


def test_what_mongodb_cannot_hold_is_refused_before_anything_is_written(new_case: NewCase) -> None:
    case = new_case("refuse", serve={"publish": "delta"})
    case.sql("create table t (id int primary key, at timestamp)", "insert into t values (1, '2000-01-01'), (2, null)")
    case.both()
    case.sql("update t set at = '2000-01-01 00:00:00.000001' where id = 2", "delete from t where id = 1")
    case.run("ingest")
    with pytest.raises(ValueRefused, match="finer than MongoDB's millisecond"):
        case.run("serve")
    assert [document["_id"] for document in case.documents()] == [1, 2]
    rollback(case.runtime, case.flow())
    assert case.run("serve")["stage"]["unchanged"] == 2
