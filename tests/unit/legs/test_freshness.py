"""How old a version is by the ledger's history, and when a store is too old."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checkout import CHECKOUT
from switchyard.cli.status import describe_age
from switchyard.flow.files.loader import load_flows
from switchyard.flow.frozen import frozen_spec, spec_hash, whole_spec
from switchyard.flow.spec import Flow
from switchyard.ledger.loads import Kind
from switchyard.ledger.publications import History, Publication
from switchyard.legs.diff.freshness import Store, judge


def at(hour: float) -> dt.datetime:
    return dt.datetime(2026, 11, 28, tzinfo=dt.UTC) + dt.timedelta(hours=hour)


def history(*publications: tuple[int, Kind, float, int | None], quiet: float | None = None) -> History:
    newest_first = sorted(
        (Publication(seq, kind, at(hour), shows) for seq, kind, hour, shows in publications), key=lambda p: -p.seq
    )
    return History(tuple(newest_first), None if quiet is None else at(quiet), at(24))


LOADS = ((1, "load", 1, None), (2, "load", 2, None))


@pytest.mark.parametrize(
    ("known", "seq", "as_of"),
    [
        (history(), 1, None),
        (history(*LOADS), 2, 2),
        (history(*LOADS), 1, 1),
        (history(*LOADS, quiet=5), 2, 5),
        (history(*LOADS, quiet=5), 1, 1),
        (history(*LOADS, quiet=0), 2, 2),
        (history(*LOADS, (3, "backfill", 9, None)), 3, 2),
        (history(*LOADS, (3, "replay", 9, None)), 3, 2),
        (history(*LOADS, (3, "backfill", 9, None), quiet=5), 3, 5),
        (history(*LOADS, (3, "backfill", 9, None), quiet=10), 3, 10),
        (history(*LOADS, (3, "rollback", 9, 1)), 3, 1),
        (history(*LOADS, (3, "rollback", 9, 1), quiet=5), 3, 1),
        (history(*LOADS, (3, "rollback", 9, 1), quiet=10), 3, 10),
        (history(*LOADS, (3, "rollback", 9, 1), (4, "backfill", 10, None)), 4, 1),
        (history(*LOADS, (3, "rollback", 9, 1), (4, "rollback", 10, 2)), 4, 2),
        (history(*LOADS, (3, "rollback", 9, None)), 3, None),
        (history(*LOADS, (3, "rollback", 9, 1), (4, "load", 11, None)), 4, 11),
        (history((1, "adopt", 1, None)), 1, None),
        (history((1, "adopt", 1, None), quiet=3), 1, 3),
        (history((1, "adopt", 1, None), (2, "backfill", 2, None)), 2, None),
        (history((1, "backfill", 1, None)), 1, None),
    ],
)
def test_a_version_is_as_new_as_the_load_it_stands_on(known: History, seq: int, as_of: float | None) -> None:
    assert known.as_of(seq) == (None if as_of is None else at(as_of))


kinds: st.SearchStrategy[Kind] = st.sampled_from(["load", "backfill", "replay", "rollback", "adopt"])


@given(st.lists(kinds, min_size=1, max_size=8), st.none() | st.floats(0, 20), st.data())
def test_nothing_is_newer_than_the_last_look_at_the_source(
    drawn: list[Kind], quiet: float | None, data: st.DataObject
) -> None:
    """Whatever the history, no version passes for newer than what a load or a plan has read."""
    rows = []
    for seq, kind in enumerate(drawn, start=1):
        shows = data.draw(st.integers(1, seq - 1)) if kind == "rollback" and seq > 1 else None
        rows.append((seq, kind, float(seq), shows))
    known = history(*rows, quiet=quiet)
    looks = [at(hour) for _, kind, hour, _ in rows if kind == "load"] + ([] if quiet is None else [at(quiet)])
    for seq in range(1, len(rows) + 1):
        as_of = known.as_of(seq)
        assert as_of is None or as_of in looks


@pytest.mark.parametrize(
    ("as_of", "fresh", "sentence"),
    [
        (23.5, True, "Hive table d.t is as of 2026-11-28 23:30 UTC, 30m ago"),
        (22, True, "Hive table d.t is as of 2026-11-28 22:00 UTC, 2h 0m ago"),
        (21.9, False, "Hive table d.t is as of 2026-11-28 21:54 UTC, 2h 6m ago, and 2h is allowed; the reason"),
        (-24, False, "Hive table d.t is as of 2026-11-27 00:00 UTC, 2d 0h ago, and 2h is allowed; the reason"),
        (24.1, True, "Hive table d.t is as of 2026-11-29 00:06 UTC, 0m ago"),
        (None, False, "Hive table d.t holds nothing that this flow has loaded; the reason"),
    ],
)
def test_a_store_is_judged_by_its_age(as_of: float | None, fresh: bool, sentence: str) -> None:
    moment = None if as_of is None else at(as_of)
    report = judge([Store("Hive table d.t", "ingest", moment, "the reason")], dt.timedelta(hours=2), at(24))
    assert (report.fresh, report.findings) == (fresh, (sentence,))


def test_one_stale_store_makes_the_flow_stale() -> None:
    stores = [Store("Hive table d.t", "ingest", at(24)), Store("collection t of m", "serve", at(0))]
    report = judge(stores, dt.timedelta(hours=2), at(24))
    assert not report.fresh
    assert (report.lake_as_of, report.served_as_of) == ("2026-11-29T00:00:00+00:00", "2026-11-28T00:00:00+00:00")


def test_no_load_depends_on_how_fresh_a_flow_has_to_be() -> None:
    spec = {"flow": "f", "source": {"connection": "c", "table": "s.t"}, "lake": {"database": "d", "table": "t"}}
    plain, fresh = Flow.model_validate(spec), Flow.model_validate({**spec, "freshness": "26h"})
    assert spec_hash(plain) == spec_hash(fresh)
    assert "freshness" not in frozen_spec(fresh)
    assert Flow.model_validate(whole_spec(fresh)) == fresh


TABLE = Store("Hive table d.t", "ingest", at(23.5))
OLD_TABLE = Store("Hive table d.t", "ingest", at(-72))
COLLECTION = Store("collection c of m", "serve", at(20))
EMPTY = Store("collection c of m", "serve", None)


@pytest.mark.parametrize(
    ("stores", "within", "shown"),
    [
        ([TABLE], None, ("30m", None, None)),
        ([TABLE], 2, ("30m", None, "2h")),
        ([OLD_TABLE], 26, ("4d 0h", None, "LATE, 26h allowed")),
        ([TABLE, COLLECTION], 26, ("30m", "4h 0m", "26h")),
        ([TABLE, COLLECTION], 2, ("30m", "4h 0m", "LATE, 2h allowed")),
        ([TABLE, EMPTY], 26, ("30m", None, "LATE, 26h allowed")),
        ([Store("Hive table d.t", "ingest", None)], 26, (None, None, "LATE, 26h allowed")),
        ([Store("Hive table d.t", "ingest", None)], None, (None, None, None)),
    ],
)
def test_the_status_shows_ages_and_what_is_late(
    stores: list[Store], within: float | None, shown: tuple[str | None, ...]
) -> None:
    allowed = None if within is None else dt.timedelta(hours=within)
    columns = describe_age(stores, at(24), allowed)
    assert list(columns) == ["age", "served age", "freshness"]
    assert tuple(columns.values()) == shown


def test_every_shipped_flow_that_has_a_schedule_says_how_fresh_it_has_to_be() -> None:
    loaded, _ = load_flows(CHECKOUT / "dags/flows")
    assert loaded
    assert [name for name, each in loaded.items() if each.schedule and each.freshness is None] == []
