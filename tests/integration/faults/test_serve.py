"""Kill -9 at every named step of the serve leg: MongoDB and cache stay whole and true, and the next run is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from harness.cases import Case
from harness.matrix import members, record
from harness.readers import mongo_reader
from harness.serve_stops import ABANDONED, KEYS, STOPS, UNPUBLISHED, assert_cache_is_true, kill_at
from harness.servers import Servers
from harness.stop_points import wait_for
from harness.two_versions import TwoVersions
from harness.wires import WireStop, put_behind_wires
from switchyard.serve.cache.reader import ReadThroughCache

pytestmark = pytest.mark.fault


@pytest.fixture(scope="module")
def two(module_case: Callable[..., Case]) -> TwoVersions:
    case = module_case("stop", serve={"indexes": [["x"]]}, cache={"negative": "5m"})
    put_behind_wires(case, "powergrid_mongo", "powergrid_redis")
    return TwoVersions.load(case)


@pytest.fixture
def warm(two: TwoVersions, servers: Servers) -> Iterator[ReadThroughCache]:
    """Every key of both versions is cached; the other version waits in Hive; MongoDB is read all the while."""
    two.case.run("serve")
    old = two.shown()
    cache = two.case.cache()
    for key in KEYS:
        cache.get(key)
    two.flip("b" if old == "a" else "a")
    with mongo_reader(servers, two.case.name, two.name) as reader:
        yield cache
    assert set(reader.seen) <= {"a", "b"}, "each read is of one version, whole"
    assert len(reader.order) <= 2, "nobody went back to the old version"


def rerun(two: TwoVersions, servers: Servers) -> None:
    code, said = two.case.switchyard("run", "serve", two.case.name)
    assert code == 0, said
    assert set(two.case.states("serve")) <= {"served", "abandoned"}
    assert servers.mongo.list_collection_names(filter={"name": {"$regex": f"^{two.case.name}"}}) == [two.case.name]
    assert servers.files_below(f"/lake/_serve/{two.case.name}") == []
    assert two.case.indexes() == [("_id",), ("x",)]


@pytest.mark.parametrize("moment", members(STOPS, ["renamed, not in the ledger"]))
def test_killed(two: TwoVersions, warm: ReadThroughCache, servers: Servers, moment: str) -> None:
    old = two.shown()
    new = "b" if old == "a" else "a"
    given_up = two.case.states("serve").count("abandoned")
    kill_at(two, moment)
    assert two.shown() == (old if moment in UNPUBLISHED else new)
    assert_cache_is_true(two, warm)
    rerun(two, servers)
    assert two.shown() == new
    assert_cache_is_true(two, warm)
    given_up += 1 if moment in ABANDONED else 0
    assert two.case.states("serve").count("abandoned") == given_up, "one that was being published is finished"
    assert two.case.states("serve")[-1] == "served"
    before = warm.counters()
    assert_cache_is_true(two, warm)
    assert warm.counters().hits - before.hits == 2 * len(KEYS), "the cache is in use again"
    seen = "old" if moment in UNPUBLISHED else "new"
    record("serve", moment, "kill -9", f"{seen} version read, cache true; next run right")


@pytest.mark.kin
def test_killed_twice_in_a_row(two: TwoVersions, warm: ReadThroughCache, servers: Servers) -> None:
    """The recovery itself is killed, before the gate opens."""
    old = two.shown()
    new = "b" if old == "a" else "a"
    kill_at(two, "before the rename")
    kill_at(two, "before the gate opens")
    assert two.shown() == new
    assert_cache_is_true(two, warm)
    rerun(two, servers)
    assert two.shown() == new
    assert_cache_is_true(two, warm)
    record("serve", "in the recovery of a kill", "kill -9 again", "next run right")


@pytest.mark.kin
def test_the_table_moves_on_while_a_killed_publish_waits(two: TwoVersions, servers: Servers) -> None:
    two.case.run("serve")
    old = two.shown()
    new = "b" if old == "a" else "a"
    cache = two.case.cache()
    for key in KEYS:
        cache.get(key)
    two.flip(new)
    kill_at(two, "renamed, not in the ledger")
    two.flip(old)
    rerun(two, servers)
    assert two.shown() == old
    assert_cache_is_true(two, cache)
    record("serve", "renamed, not in the ledger", "kill -9, then a new version", "both are served, in order")


@pytest.mark.kin
def test_an_application_wrote_into_a_collection_whose_publish_was_killed(two: TwoVersions, servers: Servers) -> None:
    """The collection's record says that the rename happened: the next run ends the load, and touches no document.

    What the application wrote is a difference as any other: diff names it, and heals it when asked to.
    """
    two.case.run("serve")
    new = "b" if two.shown() == "a" else "a"
    two.flip(new)
    kill_at(two, "renamed, not in the ledger")
    servers.mongo[two.case.name].insert_one({"_id": 999, "who": "an application"})
    code, output = two.case.switchyard("run", "serve", two.case.name)
    assert code == 0, output
    assert two.name([each for each in two.case.documents() if each["_id"] != 999]) == new
    assert_cache_is_true(two, two.case.cache())
    code, output = two.case.switchyard("diff", two.case.name, "--heal")
    assert (code, "1 extra" in output) == (3, True), output
    assert two.shown() == new
    record("serve", "renamed, not in the ledger", "kill -9, then a foreign write", "load ended; diff names it")


def test_two_runs_at_once(two: TwoVersions, warm: ReadThroughCache) -> None:
    new = "b" if two.shown() == "a" else "a"
    with WireStop(two.case, "powergrid_mongo", b"insert", "before") as stop:
        first = two.case.start("run", "serve", two.case.name)
        wait_for(lambda: stop.reached.is_set() or first.poll() is not None, "the first run at work")
        code, said = two.case.switchyard("run", "serve", two.case.name)
        assert code == 1
        assert f"run by switchyard run, process {first.pid} on" in said
        assert "is at work" in said
    said, _ = first.communicate(timeout=60)
    assert first.returncode == 1, "its connection to MongoDB was cut"
    assert "connection powergrid_mongo" in said
    two.case.run("serve")
    assert two.shown() == new
    record("serve", "another run at work", "second run", "refused at once, names the owner")
