"""One flow per way of serving goes through every state of a serve load; then each store is restored to each, alone.

Every test is a cell of a table: the way of serving, the store that is restored, and the state that it is restored to.
All other stores are at the last state, where the load is served and the cache is warm. The next run is right, or
refuses in one sentence and changes nothing; after a rebuild it is right. Right: MongoDB has exactly the documents of
the version that Hive shows, its record says so, and no cached value is older.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.backups import Backup, back_up_ledger, back_up_ledger_of_serve, back_up_mongo, back_up_redis, back_up_table
from harness.cases import Case
from harness.matrix import record
from harness.serve_stops import KEYS, SERVED, assert_cache_is_true, lua
from harness.stop_points import StopAt, kill_at
from harness.two_versions import TwoVersions
from harness.wires import put_behind_wires
from switchyard.errors import TruthConflict
from switchyard.legs.rebuild.agreement import check_flow
from switchyard.legs.rebuild.rebuild import rebuild
from switchyard.legs.serve import leg as serve_leg
from switchyard.serve.mongo.origin import made_by

Spec = dict[str, Any]
WAYS: dict[str, Spec] = {
    "snapshot": {"serve": {"indexes": [["x"]]}},
    "delta": {"serve": {"indexes": [["x"]], "publish": "delta"}},
    "product": {"serve": {"indexes": [["x"]]}},
}
LEDGER_OLDER = "the ledger is older than MongoDB, or of another environment"
TABLE_OLDER = "the metastore is older than the ledger"

PUBLISHING: dict[str, StopAt] = {
    "writing": ("powergrid_mongo", b"findAndModify", "after"),
    "closed": ("powergrid_redis", lua("close"), "after"),
    "half a delta": ("powergrid_mongo", b"\x02update\x00", "before"),
    "renamed": ("powergrid_mongo", b"renameCollection", "after"),
    "served": ("powergrid_mongo", SERVED, "after"),
}
"""Where the step publish is killed, one after the other; each process goes on with what the one before it left.

`writing`: MongoDB's record says so, and the gate is open. `half a delta`: what is gone is deleted, nothing is replaced.
`served`: MongoDB's record says so, and the ledger does not."""

STATES = (
    *("nothing", "before", "planned", "selected", "staged", *PUBLISHING, "refreshing", "recorded", "one load later"),
)
"""`before`: another version is served. `recorded`: the ledger has the load as served, and tidy is done."""

ONLY = {"selected": {"product"}, "half a delta": {"delta"}, "renamed": {"snapshot", "product"}}
"""States that only some ways of serving have."""

LATER = "ledger, one load later"
CHANGED: dict[str, tuple[str, ...]] = {
    "ledger": STATES[:-1],
    LATER: STATES[:-1],
    "metastore": ("before", "planned"),
    "MongoDB, whole": ("nothing", "before", "staged", "writing", "half a delta", "renamed"),
    "MongoDB, one collection": ("nothing", "before", "half a delta", "renamed"),
    "MongoDB, without its indexes": ("before",),
    "MongoDB, the records": ("nothing", "before", "writing"),
    "Redis": ("nothing", "before", "closed", "refreshing"),
}
"""The stores, and the states that one has a backup of its own of: in between it did not change.

`ledger`: what it has of the serve leg; the rest is compared with the table (test_restored_ingest). `LATER`: all other
stores are where one more version is served."""

NOT_YET_SERVED = ("nothing", "before", "planned", "selected", "staged")
REFUSED: dict[str, dict[str, str]] = {
    "ledger": dict.fromkeys(NOT_YET_SERVED, LEDGER_OLDER),
    LATER: dict.fromkeys(STATES[:-1], LEDGER_OLDER),
    "metastore": {"before": TABLE_OLDER},
}
"""The sentence that refuses a store restored to that state; without one, the run is right at once."""

IN_MAKE_TEST = {
    ("delta", "ledger", "half a delta"),
    ("delta", "MongoDB, whole", "half a delta"),
    ("delta", "Redis", "before"),
}


def cells() -> list[Any]:
    return [
        pytest.param(
            *(way, store, state),
            id=f"{way}: {store}, {state}",
            marks=[] if (way, store, state) in IN_MAKE_TEST else pytest.mark.kin,
        )
        for way in WAYS
        for store, states in CHANGED.items()
        for state in states
        if way in ONLY.get(state, WAYS) and not (store == "metastore" and state == "planned" and way != "product")
    ]


@dataclass
class Walk:
    """A flow after its walk, and what every store had at each state."""

    two: TwoVersions
    backups: dict[str, Backup] = field(default_factory=dict)

    def take(self, state: str) -> None:
        case = self.two.case
        tables = [back_up_table(case), back_up_table(case, "served")]
        self.backups[state] = Backup(
            {
                "whole ledger": back_up_ledger(case),
                "ledger": back_up_ledger_of_serve(case),
                "metastore": lambda: [restore() for restore in tables],
                "MongoDB, whole": back_up_mongo(case),
                "MongoDB, one collection": back_up_mongo(case, record=False),
                "MongoDB, without its indexes": back_up_mongo(case, record=False, indexes=False),
                "MongoDB, the records": back_up_mongo(case, collection=False),
                "Redis": back_up_redis(case),
            }
        )

    def restore(self, store: str, state: str) -> None:
        """The last state everywhere, then this one in one store."""
        last = "one load later" if store == LATER else "recorded"
        self.backups[last].restore("whole ledger", "metastore", "MongoDB, whole", "Redis")
        self.backups[state].restore("ledger" if store == LATER else store)


@pytest.fixture(scope="module")
def walks(module_case: Callable[..., Case]) -> Callable[[str], Walk]:
    """The walk of a way of serving, gone once."""
    gone: dict[str, Walk] = {}

    def walk(way: str) -> Walk:
        if way not in gone:
            gone[way] = go(begin(module_case(f"restored_{way}", cache={}, **WAYS[way]), way))
        return gone[way]

    return walk


def begin(case: Case, way: str) -> Walk:
    if way == "product":
        case.change(serve={"select": f"select id, x from {case.name}.t", "table": "served"})
    put_behind_wires(case, "powergrid_mongo", "powergrid_redis")
    return Walk(TwoVersions.load(case, serves=False))


def go(walk: Walk) -> Walk:
    """Through all states, a backup at each."""
    two, case = walk.two, walk.two.case
    walk.take("nothing")
    case.run("serve")
    warm_cache(two)
    walk.take("before")
    two.flip("b")
    load = serve_leg.plan(case.runtime, case.flow())
    walk.take("planned")
    if case.flow().serve.select:
        serve_leg.select(case.runtime, load.load_id)
        walk.take("selected")
    serve_leg.stage(case.runtime, load.load_id)
    walk.take("staged")
    way = "product" if case.flow().serve.select else case.flow().serve.publish or "snapshot"
    for state, stop in PUBLISHING.items():
        if way in ONLY.get(state, WAYS):
            kill_at(case, stop, "step", "serve", "publish", "--load", load.load_id)
            walk.take(state)
    assert case.states("serve") == ["served", "publishing"], "one load, through all of it"
    serve_leg.publish(case.runtime, load.load_id)
    walk.take("refreshing")
    serve_leg.refresh_cache(case.runtime, load.load_id)
    serve_leg.tidy(case.runtime, load.load_id)
    assert case.states("serve") == ["served", "served"]
    warm_cache(two)
    walk.take("recorded")
    two.flip("a")
    case.run("serve")
    walk.take("one load later")
    return walk


@pytest.mark.timeout(2400)
@pytest.mark.parametrize(("way", "store", "state"), cells())
def test_restored(walks: Callable[[str], Walk], way: str, store: str, state: str) -> None:
    walk = walks(way)
    walk.restore(store, state)
    case, sentence = walk.two.case, REFUSED.get(store, {}).get(state)
    if sentence is not None:
        require_refused(case, sentence)
        require_rebuilt(case)
    case.run("serve")
    require_right(walk.two)
    record(f"serve, {way}", f"{store} restored: {state}", "an older backup", sentence or "right")


GIVEN_UP = {
    ("delta", "half a delta"): "may be mixed: some of its changes are written and some are not",
    ("delta", "closed"): "may be mixed",
    ("delta", "served"): "shows it; the next serve run replaces it by a snapshot",
    ("snapshot", "writing"): "shows the version before; the next serve run replaces it by a snapshot",
    ("snapshot", "renamed"): "shows it; the next serve run replaces it by a snapshot",
}
"""Where a load is given up, all stores being at that state, and what the command says of the collection."""


@pytest.mark.kin
@pytest.mark.timeout(2400)
@pytest.mark.parametrize(("way", "state"), GIVEN_UP)
def test_given_up(walks: Callable[[str], Walk], way: str, state: str) -> None:
    walk = walks(way)
    walk.backups[state].restore("whole ledger", "metastore", "MongoDB, whole", "Redis")
    two, case = walk.two, walk.two.case
    before = (case.documents(), case.record())
    code, output = case.switchyard("abandon", case.name, "--leg", "serve", "--why", "a drill")
    assert (code, GIVEN_UP[way, state] in " ".join(output.split())) == (0, True), output
    assert (case.documents(), case.record()) == before, "nothing changed"
    origin = made_by(case.servers.mongo[case.name])
    assert origin is not None
    assert origin.is_mixed == (way == "delta" and state != "served")
    assert_cache_is_true(two, case.cache())
    assert case.run("serve")["stage"]["staging"] is not None, "a snapshot, whole"
    require_right(two)
    record(f"serve, {way}", state, "the load was given up", "nothing changed; the next run serves it whole")


def require_refused(case: Case, sentence: str) -> None:
    """A plan says why, in one sentence and its cure, and changes nothing."""
    before = (case.documents(), case.record(), case.loads("serve"))
    with pytest.raises(TruthConflict) as caught:
        serve_leg.plan(case.runtime, case.flow())
    assert sentence in caught.value.what
    assert caught.value.cure.startswith("nothing was changed; ")
    assert (case.documents(), case.record(), case.loads("serve")) == before


def require_rebuilt(case: Case) -> None:
    """A rebuild ends the disagreement; twice is once."""
    with case.runtime.ledger() as ledger:
        assert rebuild(case.runtime, ledger, case.flow()).history is not None
        assert check_flow(case.runtime, ledger, case.flow()).disagrees is None
        assert rebuild(case.runtime, ledger, case.flow()).history is None


def require_right(two: TwoVersions) -> None:
    """Everything is of the version that Hive shows, and nothing is left over."""
    case, current = two.case, two.case.version()
    assert current is not None
    letter = next(name for name, version in two.versions.items() if version.location == current.location)
    assert two.shown() == letter, "0 documents doubled or lost"
    assert_cache_is_true(two, case.cache())
    shown = case.record()
    assert shown is not None
    assert (shown["state"], shown["lake_seq"], shown["ingest_load"]) == ("served", current.seq, current.load_id)
    assert set(case.states("serve")) <= {"served", "abandoned"}
    assert case.indexes() == [("_id",), ("x",)]
    named = {"name": {"$regex": f"^{case.name}"}}
    assert case.servers.mongo.list_collection_names(filter=named) == [case.name], "no staging is left"


def warm_cache(two: TwoVersions) -> None:
    cache = two.case.cache()
    for key in KEYS:
        cache.get(key)
