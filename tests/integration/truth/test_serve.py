"""The ledger, MongoDB or Redis alone is set back to an earlier state: serve is right, or refuses in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from harness.backups import back_up_ledger_of_serve, back_up_mongo
from harness.cases import Case
from harness.serve_stops import KEYS, assert_cache_is_true
from harness.servers import Servers
from harness.two_versions import TwoVersions
from switchyard.serve.mongo.origin import made_by

NewCase = Callable[..., Case]
Mode = dict[str, Any]
MODES: dict[str, Mode] = {
    "snapshot": {"serve": {"indexes": [["x"]]}},
    "delta": {"serve": {"indexes": [["x"]], "publish": "delta"}},
    "product": {"serve": {"indexes": [["x"]]}},
}
OLDER = "the ledger is older than MongoDB, or of another environment"


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
    before = (two.case.documents(), two.case.record())
    code, output = two.case.switchyard("run", "serve", two.case.name)
    assert code == 1, output
    assert sentence in output
    assert "→" in output
    assert (two.case.documents(), two.case.record()) == before


@pytest.mark.kin
def test_an_older_ledger_and_an_empty_one_are_refused(two: TwoVersions) -> None:
    older = back_up_ledger_of_serve(two.case)
    serve(two)
    last = back_up_ledger_of_serve(two.case)
    older()
    require_refused(two, OLDER)
    code, output = two.case.switchyard("plan", two.case.name, "--leg", "serve")
    assert (code, OLDER in output) == (1, True), output
    two.case.servers.postgres("delete from loads where flow = %s and leg = 'serve'", [two.case.name], url="LEDGER_URL")
    require_refused(two, OLDER)
    last()
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


def test_mongodb_and_the_ledger_set_back_together_do_not_believe_a_newer_cache(two: TwoVersions) -> None:
    ledger = back_up_ledger_of_serve(two.case)
    mongo = back_up_mongo(two.case)
    table = two.shown()
    serve(two)
    warm_cache(two)
    ledger()
    mongo()
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
