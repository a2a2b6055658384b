"""A process that stood still while another run took its load over writes one batch at most, and orders a snapshot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bson
import pytest

from harness.cases import Case
from switchyard.errors import LedgerStateError
from switchyard.ledger.loads import Load, NewLoad
from switchyard.ledger.results import ServePlanned
from switchyard.ledger.store import Ledger
from switchyard.legs.serve.heal import order_snapshot, take_over_order, trusted
from switchyard.legs.serve.overtaken import Ownership
from switchyard.serve.mongo.in_place import apply_changes, write_replacements
from switchyard.serve.mongo.target import MongoTarget


@pytest.mark.parametrize("batches", range(4))
def test_nothing_is_written_after_the_guard_refused(
    new_case: Callable[..., Case], tmp_path: Path, batches: int
) -> None:
    """It is asked before each batch, and once more after the last."""
    case = new_case("guard", serve={"publish": "delta"})
    documents = [[bson.encode({"_id": number}) for number in range(1500)]]
    file = write_replacements(documents, tmp_path / "replacements.bson").file
    asked = 0

    def guard() -> None:
        nonlocal asked
        if asked == batches:
            raise LedgerStateError("refused", where="here", cure="none")
        asked += 1

    with MongoTarget(case.connections.get("powergrid_mongo")) as mongo:
        mongo.collection(case.name).insert_one({"_id": -1})
        with pytest.raises(LedgerStateError):
            apply_changes(mongo, case.name, file, lambda: [-1], (), guard=guard)
        assert mongo.count(case.name) == (1, 0, 1000, 1500)[batches]


def plan(ledger: Ledger, case: Case, *, state: str) -> Load:
    load = ledger.plan(NewLoad(flow=case.flow(), leg="serve", plan=ServePlanned(None, ("id",), ())))
    return load if state == "planned" else ledger.advance(load, state, expected=["planned"])


def test_whoever_wrote_nothing_has_nothing_to_heal(new_case: Callable[..., Case]) -> None:
    case = new_case("late", serve={"publish": "delta"})
    with case.runtime.ledger() as ledger:
        ledger.migrate()
        load = plan(ledger, case, state="abandoned")
        served = plan(ledger, case, state="served")
        with pytest.raises(LedgerStateError, match="another run took it over") as caught:
            Ownership(ledger, load)()
        assert "do nothing" in caught.value.cure
        assert trusted(ledger.get(served.load_id)) is not None


def test_a_load_that_is_planned_while_an_order_is_written_takes_it_over(new_case: Callable[..., Case]) -> None:
    case = new_case("race", serve={"publish": "delta"})
    with case.runtime.ledger() as ledger:
        ledger.migrate()
        last = plan(ledger, case, state="served")
        order_snapshot(ledger, last, "a diff")
        planned = plan(ledger, case, state="planned")
        take_over_order(ledger, planned, last)
        assert trusted(ledger.get(planned.load_id)) is None
        without_order = plan(ledger, case, state="planned")
        take_over_order(ledger, without_order, None)
        assert trusted(ledger.get(without_order.load_id)) is not None


@pytest.mark.parametrize("state", ["planned", "staged", "publishing", "refreshing", "served"])
def test_a_late_batch_orders_a_snapshot_whoever_is_at_work_by_then(new_case: Callable[..., Case], state: str) -> None:
    case = new_case("late", serve={"publish": "delta"})
    with case.runtime.ledger() as ledger:
        ledger.migrate()
        load = plan(ledger, case, state="publishing")
        guard = Ownership(ledger, load)
        guard()
        ledger.advance(load, "served", expected=["publishing"])
        newer = plan(ledger, case, state=state)
        with pytest.raises(LedgerStateError, match="may have put documents of an old version") as caught:
            guard()
        assert "replaces the whole collection" in caught.value.cure
        last = ledger.get(newer.load_id)
        assert last.state == state, "nothing else changes"
        assert trusted(last) is None, "the next load is a snapshot, even if this one is the one that is served by then"
        shown = ledger.list_loads(case.name, "serve", ["served"], limit=1)[0]
        assert trusted(shown) is None
