"""Which versions may be deleted, and which one a rollback goes back to: functions of the ledger's loads."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from switchyard.lake.table_version import TableVersion
from switchyard.ledger.loads import Load
from switchyard.legs.ingest.rollback_target import bookmark_of, origin, previous_version
from switchyard.legs.tables.vacuum import old_versions

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LONG_AGO = NOW - dt.timedelta(days=1)


def load(seq: int, location: str, superseded: dt.datetime | None = LONG_AGO, **more: Any) -> Load:
    given: dict[str, Any] = {
        "load_id": f"l{seq}", "flow": "f", "leg": "ingest", "seq": seq, "previous_seq": seq - 1, "version": None,
        "state": "published", "spec": {}, "spec_hash": "", "owner": "", "try_id": None, "location": location,
        "facts": {"plan": {}}, "error": None, "created_at": NOW, "updated_at": NOW, "published_at": NOW,
        "superseded_at": superseded, "kind": "load", "low": None, "high": None,
    }  # fmt: skip
    return Load(**(given | more))


def rolled(seq: int, to: Load, superseded: dt.datetime | None = LONG_AGO) -> Load:
    back = {"from_seq": seq - 1, "to_seq": to.seq, "to_load": to.load_id, "origin_seq": origin(to)}
    facts = {"plan": {"rollback": {**back, "flow_changes": {"bookmark": None, "held": ""}}}}
    return load(seq, to.location or "", superseded, kind="rollback", facts=facts, high=to.high)


def shown(seq: int, location: str) -> TableVersion:
    return TableVersion("d", "t", seq, "", "f", f"hdfs://h:1{location}", (), None)


def test_a_directory_counts_once_however_many_loads_have_it() -> None:
    first, second, third = load(1, "/a"), load(2, "/b"), load(3, "/c")
    loads = [rolled(5, first, None), rolled(4, second), third, second, first]
    assert old_versions(loads, 3, set(), NOW) == []
    assert old_versions(loads, 2, set(), NOW) == ["/c"]
    assert old_versions(loads, 1, set(), NOW) == ["/b", "/c"]
    assert old_versions(loads, 1, {"/b"}, NOW) == ["/c"]


def test_what_was_shown_again_lately_is_kept_for_its_queries() -> None:
    first = load(1, "/a")
    loads = [load(4, "/d", None), load(3, "/c", NOW), rolled(2, first, NOW), first]
    assert old_versions(loads, 1, set(), NOW) == []
    assert old_versions(loads, 1, set(), NOW + dt.timedelta(seconds=1)) == ["/c", "/a"]


@given(st.data())
def test_nothing_that_is_needed_or_not_superseded_is_ever_deleted(data: st.DataObject) -> None:
    times = st.sampled_from([None, LONG_AGO, NOW, NOW + dt.timedelta(days=1)])
    count = data.draw(st.integers(1, 12))
    loads = [load(n, data.draw(st.sampled_from("abcde")), data.draw(times)) for n in range(count, 0, -1)]
    keep, needed = data.draw(st.integers(1, 5)), set(data.draw(st.lists(st.sampled_from("abcde"))))
    doomed = old_versions(loads, keep, needed, NOW)
    assert not set(doomed) & needed
    assert len(doomed) == len(set(doomed))
    for one in loads:
        if one.superseded_at is None or one.superseded_at >= NOW:
            assert one.location not in doomed
    newest = list(dict.fromkeys(one.location for one in loads))[:keep]
    assert not set(doomed) & set(newest)


def test_a_second_rollback_goes_further_back_and_never_forth() -> None:
    one, two, bad = load(1, "/1"), load(2, "/2"), load(3, "/3")
    back = rolled(4, two)
    assert previous_version([bad, two, one], shown(3, "/3")) is two
    assert previous_version([back, bad, two, one], shown(4, "/2")) is one
    again = load(5, "/5")
    assert previous_version([again, back, bad, two, one], shown(5, "/5")) is back
    assert previous_version([rolled(5, one), back, bad, two, one], shown(5, "/1")) is None
    assert previous_version([two, one], shown(7, "/elsewhere")) is two, "a version that the ledger does not know"


def test_the_bookmark_of_a_backfill_is_the_one_before_it() -> None:
    loads = [
        load(4, "/4", kind="replay", high="1999", previous_seq=3),
        load(3, "/3", kind="backfill", high="1998", previous_seq=1),
        load(2, "/2", high="2021"),
        load(1, "/1", high="2020"),
    ]
    assert [bookmark_of(one, loads) for one in loads] == ["2020", "2020", "2021", "2020"]
    assert bookmark_of(rolled(5, loads[2]), loads) == "2021"
    assert bookmark_of(load(9, "/9", kind="backfill", previous_seq=8), loads) is None
