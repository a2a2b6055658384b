"""Which loads wait for a replay: not those that a rollback undid, but those whose replay it undid."""

from __future__ import annotations

import datetime as dt

import pytest

from switchyard.ledger.loads import Kind, Load
from switchyard.ledger.results import FlowChanges, PlanOutline, Proved, RollbackPlan
from switchyard.legs.ingest.replay_candidates import loads_in_place, waiting_for_replay

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def published(
    seq: int, *, refused: int = 0, replays: int | None = None, back_to: int | None = None, previous: int | None = None
) -> Load:
    back = None if back_to is None else RollbackPlan(seq - 1, back_to, f"i{back_to}", back_to, FlowChanges("1"))
    plan = PlanOutline(replays=None if replays is None else f"i{replays}", rollback=back)
    kind: Kind = "rollback" if back else "replay" if replays else "load"
    return Load(
        load_id=f"i{seq}", flow="f", leg="ingest", seq=seq, previous_seq=seq - 1 if previous is None else previous,
        version=None, state="published", spec={}, spec_hash="", owner="", try_id=None, location=f"/{seq}",
        facts={"plan": plan.to_json(), "prove": Proved(1, 1, 1, quarantined_rows=refused).to_json()}, error=None,
        created_at=NOW, updated_at=NOW, published_at=NOW, superseded_at=None, kind=kind, low=None, high=None,
    )  # fmt: skip


CASES = {
    "none refused": ([published(1)], []),
    "refused, not replayed": ([published(1, refused=1), published(2)], [1]),
    "replayed": ([published(1, refused=1), published(2, replays=1)], []),
    "the replay refused rows again": ([published(1, refused=2), published(2, replays=1, refused=1)], [2]),
    "undone by a rollback": ([published(1), published(2, refused=1), published(3, back_to=1)], []),
    "undone, and read again": (
        [published(1), published(2, refused=1), published(3, back_to=1), published(4, refused=1)],
        [4],
    ),
    "its replay was undone": (
        [published(1, refused=1), published(2, replays=1), published(3, back_to=1, refused=1)],
        [1],
    ),
    "its replay was undone, and done again": (
        [published(1, refused=1), published(2, replays=1), published(3, back_to=1, refused=1), published(4, replays=1)],
        [],
    ),
    "a rollback to a rolled back version": (
        [published(1, refused=1), published(2, refused=1), published(3, back_to=1), published(4, back_to=2)],
        [2, 1],
    ),
    "between them one that failed": ([published(1, refused=1), published(4, previous=1)], [1]),
    "the ledger goes back no further": ([published(3, refused=1), published(7, previous=5)], [3]),
    "the table was dropped": ([published(3, refused=1), published(7, previous=0)], []),
}


@pytest.mark.parametrize("case", CASES)
def test_the_loads_that_wait(case: str) -> None:
    loads, waiting = CASES[case]
    assert [load.seq for load in waiting_for_replay(loads[::-1])] == waiting


def test_every_load_is_in_place_without_a_rollback() -> None:
    loads = [published(seq) for seq in range(9, 0, -1)]
    assert loads_in_place(loads) == loads
