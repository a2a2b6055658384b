"""W0: what only the ledger remembers, when the ledger is lost. A load is then right, or refused; never wrong."""

import pytest

from harness.outside.grounds import FlowUnderTest, Grounds, given, require_refused, require_right_or_refused

EVENTS = "id bigserial primary key, v text, updated_at timestamptz not null default now()"


def insert(flow: FlowUnderTest, count: int, value: str = "good") -> None:
    flow.sql(f"insert into {{t}} (v) select '{value}' from generate_series(1, {count})")


def test_an_append_table_is_not_loaded_twice_after_the_ledger_was_lost(grounds: Grounds) -> None:
    flow = grounds.flow("append", EVENTS, source={"cursor": "updated_at"}, lake={"mode": "append"})
    insert(flow, 100)
    flow.ingest().require_success()
    insert(flow, 10)
    flow.ingest().require_success()
    loaded = flow.ids()
    given(loaded, list(range(1, 111)))

    grounds.use_new_ledger()
    insert(flow, 1)
    ended = flow.ingest()
    require_right_or_refused(ended, flow, flow.ids(), before=loaded, after=[*loaded, 111])


@pytest.mark.kin
def test_a_flow_on_hold_stays_on_hold_after_the_ledger_was_lost(grounds: Grounds) -> None:
    flow = grounds.flow("hold", EVENTS)
    insert(flow, 3)
    flow.ingest().require_success()
    insert(flow, 2, "bad")
    flow.ingest().require_success()
    flow.switchyard("rollback", flow.name, "--no-serve", "--why", "the substation sends volts").require_success()
    given(flow.ids(), [1, 2, 3])
    held = flow.ingest()
    given((held.succeeded, "the substation sends volts" in held.output), (False, True))

    grounds.use_new_ledger()
    require_refused(flow.ingest(), flow)
    assert flow.ids() == [1, 2, 3]
