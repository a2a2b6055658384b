"""The ledger, MongoDB or Redis alone is set back to an earlier state: serve is right, or refuses in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.cases import Case
from harness.serve_stops import KEYS, assert_cache_is_true, kill_at
from harness.servers import Servers
from harness.two_versions import TwoVersions
from switchyard.legs.serve import leg as serve_leg
from switchyard.serve.mongo.origin import made_by

NewCase = Callable[..., Case]
Mode = dict[str, Any]
MODES: dict[str, Mode] = {
    "snapshot": {"serve": {"indexes": [["x"]]}},
    "delta": {"serve": {"indexes": [["x"]], "publish": "delta"}},
    "product": {"serve": {"indexes": [["x"]]}},
}
OLDER = "the ledger is older than MongoDB, or another's"


@dataclass
class LedgerCopy:
    """What the ledger has of a flow's serve leg, as a backup has it."""

    case: Case
    loads: str = "[]"
    last_seq: int = 0

    def take(self) -> LedgerCopy:
        loads = "select coalesce(json_agg(t), '[]')::text from loads t where flow = %s and leg = 'serve'"
        self.loads = self._run(loads)[0][0]
        self.last_seq = self._run("select last_serve_seq from flows where flow = %s")[0][0]
        return self

    def restore(self) -> None:
        self._run("delete from loads where flow = %s and leg = 'serve'")
        self._run("insert into loads select * from json_populate_recordset(null::loads, %s::json)", self.loads)
        self._run(f"update flows set last_serve_seq = {self.last_seq} where flow = %s")

    def _run(self, statement: str, value: str | None = None) -> list[Any]:
        return self.case.servers.postgres(statement, [value or self.case.name], url="LEDGER_URL")


@dataclass
class MongoCopy:
    """The collection with its indexes, and its record, as a dump has them."""

    case: Case
    documents: list[dict[str, Any]] = field(default_factory=list)
    indexes: list[dict[str, Any]] = field(default_factory=list)
    record: dict[str, Any] | None = None

    def take(self) -> MongoCopy:
        live = self.case.servers.mongo[self.case.name]
        self.documents, self.indexes = list(live.find({})), [dict(index) for index in live.list_indexes()]
        self.record = self.case.record()
        return self

    def restore(self, *, collection: bool = True, record: bool = True, indexes: bool = True) -> None:
        mongo = self.case.servers.mongo
        if collection:
            mongo.drop_collection(self.case.name)
            mongo[self.case.name].insert_many(self.documents)
            for index in self.indexes if indexes else ():
                if index["name"] != "_id_":
                    options = {name: value for name, value in index.items() if name in ("name", "sparse")}
                    mongo[self.case.name].create_index(list(index["key"].items()), **options)
        if record and self.record is not None:
            mongo["switchyard"].replace_one({"_id": self.case.name}, self.record, upsert=True)
        elif record:
            mongo["switchyard"].delete_one({"_id": self.case.name})


def load_two(make: NewCase, mode: str) -> TwoVersions:
    spec = {**MODES[mode], "cache": {}}
    if mode != "product":
        return TwoVersions.load(make(mode, **spec))
    case = make(mode, **spec)
    case.change(serve={"select": f"select id, x from {case.name}.t", "table": "served"})
    return TwoVersions.load(case)


@pytest.fixture(scope="module")
def two(module_case: NewCase) -> TwoVersions:
    return load_two(module_case, "snapshot")


def publish_other(two: TwoVersions) -> str:
    """Publish the other version in Hive; which one."""
    letter = "b" if two.shown() == "a" else "a"
    two.flip(letter)
    return letter


def serve(two: TwoVersions) -> str:
    letter = publish_other(two)
    two.case.run("serve")
    assert two.shown() == letter
    return letter


def warm_cache(two: TwoVersions) -> None:
    cache = two.case.cache()
    for key in KEYS:
        cache.get(key)


def require_right(two: TwoVersions) -> None:
    """The next serve run ends well, and then everything is of the version that Hive shows."""
    code, output = two.case.switchyard("run", "serve", two.case.name)
    assert code == 0, output
    current = two.case.version()
    expected = next(name for name, version in two.versions.items() if version.location == current.location)
    assert two.shown() == expected
    assert_cache_is_true(two, two.case.cache())
    record = two.case.record()
    assert (record["state"], record["lake_seq"], record["ingest_load"]) == ("served", current.seq, current.load_id)


def require_refused(two: TwoVersions, sentence: str) -> None:
    """The next serve run changes nothing and says why."""
    before = MongoCopy(two.case).take()
    code, output = two.case.switchyard("run", "serve", two.case.name)
    assert code == 1, output
    assert sentence in output
    assert "→" in output
    after = MongoCopy(two.case).take()
    assert (after.documents, after.record) == (before.documents, before.record)


def ledger_copies(two: TwoVersions) -> dict[str, LedgerCopy]:
    """Copies of the ledger at the states of one load, which is served in the end."""
    publish_other(two)
    copies = {"before": LedgerCopy(two.case).take()}
    load = serve_leg.plan(two.case.runtime, two.case.flow())
    copies["planned"] = LedgerCopy(two.case).take()
    if two.case.flow().serve.select:
        serve_leg.select(two.case.runtime, load.load_id)
    serve_leg.stage(two.case.runtime, load.load_id)
    copies["staged"] = LedgerCopy(two.case).take()
    kill_at(two, "before `refreshing` is in the ledger")
    copies["publishing"] = LedgerCopy(two.case).take()
    kill_at(two, "before `served` is in the ledger")
    copies["refreshing"] = LedgerCopy(two.case).take()
    require_right(two)
    copies["served"] = LedgerCopy(two.case).take()
    return copies


@pytest.mark.kin
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", MODES)
def test_every_copy_of_the_ledger_against_the_last_state(module_case: NewCase, mode: str) -> None:
    two = load_two(module_case, mode)
    copies = ledger_copies(two)
    for state in ("before", "planned", "staged"):
        copies[state].restore()
        require_refused(two, OLDER)
    newest = copies["served"]
    for state in ("publishing", "refreshing", "served"):
        copies[state].restore()
        if newest is copies["served"] or mode != "delta":
            require_right(two)
            newest = LedgerCopy(two.case).take()
        else:
            require_refused(two, OLDER)  # its changes were deleted, so that a snapshot came after it
    newest.restore()
    serve(two)
    last = LedgerCopy(two.case).take()
    for copy in copies.values():
        copy.restore()
        require_refused(two, OLDER)
    last.restore()
    require_right(two)


def test_an_older_ledger_and_an_empty_one_are_refused(two: TwoVersions) -> None:
    older = LedgerCopy(two.case).take()
    serve(two)
    last = LedgerCopy(two.case).take()
    older.restore()
    require_refused(two, OLDER)
    code, output = two.case.switchyard("plan", two.case.name, "--leg", "serve")
    assert (code, OLDER in output) == (1, True), output
    LedgerCopy(two.case).restore()
    require_refused(two, OLDER)
    last.restore()
    require_right(two)


RESTORED = {
    "whole": {},
    "one collection": {"record": False},
    "one collection, without its indexes": {"record": False, "indexes": False},
    "the records": {"collection": False},
}


@pytest.mark.parametrize(
    "parts", [pytest.param(name, marks=[] if name == "one collection" else pytest.mark.kin) for name in RESTORED]
)
def test_mongodb_restored_is_served_anew(two: TwoVersions, parts: str) -> None:
    older = MongoCopy(two.case).take()
    serve(two)
    warm_cache(two)
    older.restore(**RESTORED[parts])
    require_right(two)
    assert two.case.states("serve")[-1] == "served"


@pytest.mark.kin
@pytest.mark.parametrize("parts", RESTORED)
def test_mongodb_restored_under_a_delta_flow_is_served_anew(module_case: NewCase, parts: str) -> None:
    two = load_two(module_case, "delta")
    older = MongoCopy(two.case).take()
    serve(two)
    warm_cache(two)
    older.restore(**RESTORED[parts])
    require_right(two)


@pytest.mark.kin
@pytest.mark.parametrize("mode", ["snapshot", "delta"])
def test_a_record_that_is_lost_is_written_again_when_the_documents_prove_it(module_case: NewCase, mode: str) -> None:
    two = load_two(module_case, mode)
    serve(two)
    before, loads = two.case.record(), len(two.case.loads("serve"))
    two.case.servers.mongo["switchyard"].delete_one({"_id": two.case.name})
    require_right(two)
    assert two.case.record()["load_id"] == before["load_id"]
    assert len(two.case.loads("serve")) == loads, "nothing was served again"
    two.case.servers.mongo["switchyard"].delete_one({"_id": two.case.name})
    two.case.servers.mongo[two.case.name].update_one({"_id": 5}, {"$set": {"x": "foreign"}})
    require_right(two)
    assert len(two.case.loads("serve")) == loads + 1


@pytest.mark.kin
def test_redis_set_back_is_right_after_the_next_run(two: TwoVersions, servers: Servers) -> None:
    warm_cache(two)
    pattern = f"{{{two.case.name}}}:*"
    older = {key: servers.redis.get(key) for key in servers.redis.scan_iter(match=pattern)}
    serve(two)
    for key, value in older.items():
        servers.redis.set(key, value)
    require_right(two)


def test_mongodb_and_the_ledger_set_back_together_do_not_believe_a_newer_cache(two: TwoVersions) -> None:
    ledger, mongo, table = LedgerCopy(two.case).take(), MongoCopy(two.case).take(), two.shown()
    serve(two)
    warm_cache(two)
    ledger.restore()
    mongo.restore()
    two.flip(table)
    require_right(two)


def test_people_are_told_which_ingest_load_made_a_document(two: TwoVersions, servers: Servers) -> None:
    serve(two)
    told = json.loads(servers.redis.get(f"{{{two.case.name}}}:served"))
    version = two.case.version()
    assert (told["lake_seq"], told["ingest_load"]) == (version.seq, version.load_id)
    assert told["table"] == f"{two.case.name}.t"
    origin = made_by(servers.mongo[two.case.name])
    assert (origin.lake_seq, origin.ingest_load, origin.is_mixed) == (version.seq, version.load_id, False)
    assert made_by(servers.mongo["nobody_serves_this"]) is None
