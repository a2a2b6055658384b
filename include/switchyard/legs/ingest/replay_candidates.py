"""Which loads have rows in the quarantine that nobody has read again: a function of the ledger's loads."""

from __future__ import annotations

from collections.abc import Sequence

from switchyard.ledger.loads import Load
from switchyard.ledger.results import PlanOutline, Proved
from switchyard.legs.ingest.rollback_target import rollback_of


def waiting_for_replay(published: Sequence[Load]) -> list[Load]:
    """The loads whose refused rows no replay has read, newest first.

    What a rollback undid does not count, on either side: the range of such a load is read once more, and the rows of
    such a replay are missing again.
    """
    in_place = loads_in_place(published)
    plans = (load.find_result(PlanOutline) for load in in_place)
    replayed = {plan.replays for plan in plans if plan is not None}
    return [load for load in in_place if refused_rows(load) and load.load_id not in replayed]


def refused_rows(load: Load) -> int:
    """How many rows a load put into the quarantine; a rollback shows those of another load."""
    proved = load.find_result(Proved) if rollback_of(load) is None else None
    return proved.quarantined_rows if proved else 0


def loads_in_place(published: Sequence[Load]) -> list[Load]:
    """The loads that led to the current version, newest first: without those that a rollback undid.

    Where the ledger does not go back any further, all older ones count as such.
    """
    by_seq = {load.seq: load for load in published}
    seqs = {load.load_id: load.seq for load in published}
    in_place: list[Load] = []
    at = max(by_seq, default=0)
    while at in by_seq:
        load = by_seq[at]
        in_place.append(load)
        back = rollback_of(load)
        before = (load.previous_seq or 0) if back is None else seqs.get(back.to_load, back.to_seq)
        at = min(before, at - 1)
    return [*in_place, *(by_seq[seq] for seq in sorted(by_seq, reverse=True) if seq < at)]
