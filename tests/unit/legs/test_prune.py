"""Which loads the ledger may forget: never one that a version, a bookmark, a replay or a rollback names."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from switchyard.lake.table_version import TableVersion
from switchyard.ledger.loads import Load
from switchyard.ledger.results import FlowChanges, PlanOutline, Proved, RollbackPlan
from switchyard.legs.ingest.prune import prunable

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def load(seq: int, leg: str = "ingest", plan: PlanOutline | None = None, refused: int = 0, **more: Any) -> Load:
    state = "published" if leg == "ingest" else "served"
    facts = {"plan": (plan or PlanOutline()).to_json(), "prove": Proved(1, 1, 1, quarantined_rows=refused).to_json()}
    given: dict[str, Any] = {
        "load_id": f"{leg[0]}{seq}", "flow": "f", "leg": leg, "seq": seq, "previous_seq": seq - 1, "version": None,
        "state": state, "spec": {}, "spec_hash": "", "owner": "", "try_id": None, "location": f"/{seq}",
        "facts": facts, "error": None, "created_at": NOW, "updated_at": NOW, "published_at": NOW,
        "superseded_at": NOW, "kind": "load", "low": None, "high": str(seq),
    }  # fmt: skip
    return Load(**(given | more))


def shown(seq: int) -> TableVersion:
    return TableVersion("d", "t", seq, f"i{seq}", "f", "hdfs://h:1/x", (), None, head=seq)


def ids(loads: list[Load]) -> list[str]:
    return [one.load_id for one in loads]


def newest_first(*loads: Load) -> list[Load]:
    return sorted(loads, key=lambda one: -one.seq)


def test_the_newest_of_each_leg_stay() -> None:
    loads = newest_first(*(load(seq) for seq in range(1, 7)), *(load(seq, "serve") for seq in range(1, 4)))
    assert sorted(ids(prunable(loads, 2, shown(6)))) == ["i1", "i2", "i3", "i4", "s1"]
    assert prunable(loads, 9, shown(6)) == []


def test_what_is_named_stays() -> None:
    back = RollbackPlan(5, 2, "i2", 2, FlowChanges("2"), head=2)
    loads = newest_first(
        load(1), load(2), load(3, refused=4), load(4, refused=1), load(5),
        load(6, plan=PlanOutline(rollback=back), kind="rollback"),
        load(7, plan=PlanOutline(replays="i4"), kind="replay"),
        load(1, "serve", version=1),
    )  # fmt: skip
    assert set(ids(prunable(loads, 2, shown(7)))) == {"i3", "i5"}, "6 undid 3, 4 was replayed by 7, 1 is served"


def test_a_load_that_waits_for_a_replay_stays() -> None:
    loads = newest_first(load(1, refused=4), *(load(seq) for seq in range(2, 6)))
    assert set(ids(prunable(loads, 2, shown(5)))) == {"i2", "i3"}


def test_the_bookmarks_setter_stays_behind_any_number_of_backfills() -> None:
    loads = newest_first(load(1), load(2), *(load(seq, kind="backfill") for seq in range(3, 9)))
    assert ids(prunable(loads, 2, shown(8))) == ["i1"]


def test_nothing_goes_since_the_last_that_was_published() -> None:
    loads = newest_first(load(1), load(2), *(load(seq, state="abandoned", location=None) for seq in range(3, 9)))
    assert ids(prunable(loads, 2, shown(2))) == ["i1"]


@given(st.data())
def test_never_more_than_what_is_beyond_and_never_what_the_table_shows(data: st.DataObject) -> None:
    states = st.sampled_from(["published", "abandoned", "planned", "publishing"])
    loads = newest_first(*(load(seq, state=data.draw(states)) for seq in range(1, data.draw(st.integers(2, 20)))))
    keep, at = data.draw(st.integers(1, 10)), data.draw(st.integers(1, len(loads)))
    doomed = prunable(loads, keep, shown(at))
    assert not {f"i{at}"} & set(ids(doomed))
    assert not set(ids(doomed)) & set(ids(loads[:keep]))
    assert all(one.state in ("published", "abandoned") for one in doomed)
