"""Kin of W4: in mode append, where nothing is rewritten, a replay loads no row twice and forgets none."""

import pytest

from harness.outside.grounds import FlowUnderTest, Grounds, require_refused

REFUSING = {"between": {"column": "v", "min": 0}, "severity": "quarantine"}


def appended(grounds: Grounds, rows: str) -> FlowUnderTest:
    """A flow whose first load has read these rows (k, v) and refused those with a negative v."""
    flow = grounds.flow(
        "appended_replay",
        "k int, v int not null, updated_at timestamptz not null default now(), other_at timestamptz default now()",
        source={"cursor": "updated_at", "cursor_clock": "database", "key": ["k"]},
        lake={"mode": "append"},
        checks=[REFUSING],
        contract={"quarantine_threshold": "100%"},
    )
    load(flow, rows)
    return flow


def load(flow: FlowUnderTest, rows: str) -> None:
    """Insert rows and ingest them."""
    flow.sql(f"insert into {{t}} (k, v) values {rows}")
    flow.ingest().require_success()


def shown(flow: FlowUnderTest) -> list[int]:
    """Every v of the lake table, in order."""
    return sorted(row[0] for row in flow.hive(what="v"))


def mend(flow: FlowUnderTest) -> None:
    """Correct the refused rows where they are: their cursor stays."""
    flow.sql("update {t} set v = 10 - v where v < 0")


@pytest.mark.kin
def test_a_loaded_row_that_shares_its_key_with_a_refused_one_is_not_loaded_twice(grounds: Grounds) -> None:
    """As many rows as were refused are at the source with their keys, but one of them was loaded."""
    flow = appended(grounds, "(1, 1), (1, -1), (2, -2)")
    flow.sql("delete from {t} where v = -2")
    mend(flow)
    ended = flow.switchyard("replay", flow.name)
    assert shown(flow) == [1], ended.output
    require_refused(ended, flow, "there twice")


@pytest.mark.kin
def test_a_loaded_row_that_alone_has_a_refused_key_now_is_not_loaded_twice(grounds: Grounds) -> None:
    flow = appended(grounds, "(1, 1), (1, -1), (2, -2)")
    flow.sql("delete from {t} where v = -1")
    mend(flow)
    ended = flow.switchyard("replay", flow.name)
    assert shown(flow) == [1], ended.output
    require_refused(ended, flow, "there twice")


@pytest.mark.kin
def test_rows_without_a_key_are_left_behind_only_when_that_is_asked_for(grounds: Grounds) -> None:
    flow = appended(grounds, "(1, -1), (null, -2), (3, 3)")
    mend(flow)
    ended = flow.switchyard("replay", flow.name)
    assert shown(flow) == [3], ended.output
    require_refused(ended, flow, "NULL in the key", "--partly")
    partly = flow.switchyard("replay", flow.name, "--partly").require_success()
    assert "1 have NULL in the key" in partly.output
    assert shown(flow) == [3, 11]


@pytest.mark.kin
def test_a_load_that_was_rolled_back_is_not_replayed_beside_the_load_that_reads_its_range_again(
    grounds: Grounds,
) -> None:
    flow = appended(grounds, "(1, 1)")
    load(flow, "(2, -2), (3, 3)")
    flow.switchyard("rollback", flow.name).require_success()
    flow.switchyard("release", flow.name).require_success()
    mend(flow)
    ended = flow.switchyard("replay", flow.name)
    flow.ingest().require_success()
    assert shown(flow) == [1, 3, 12], ended.output
    require_refused(ended, flow)


@pytest.mark.kin
def test_rows_whose_replay_was_rolled_back_can_be_replayed_again(grounds: Grounds) -> None:
    flow = appended(grounds, "(1, 1), (2, -2)")
    mend(flow)
    flow.switchyard("replay", flow.name).require_success()
    assert shown(flow) == [1, 12]
    flow.switchyard("rollback", flow.name).require_success()
    flow.switchyard("release", flow.name).require_success()
    assert shown(flow) == [1]
    flow.switchyard("replay", flow.name).require_success()
    assert shown(flow) == [1, 12]


@pytest.mark.kin
def test_a_range_of_one_cursor_is_not_read_by_another(grounds: Grounds) -> None:
    flow = appended(grounds, "(1, 1), (2, -2)")
    flow.sql("insert into {t} values (2, 4, now() - interval '1 year', now() - interval '1 year')")
    mend(flow)
    flow.change(source={"cursor": "other_at"})
    ended = flow.switchyard("replay", flow.name)
    assert shown(flow) == [1], ended.output
    require_refused(ended, flow, "updated_at", "other_at")
