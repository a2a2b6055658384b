"""Which load a rollback goes back to, and what the table says of it then: functions of the ledger's loads."""

from __future__ import annotations

from collections.abc import Sequence

from switchyard.lake.table_version import TableVersion
from switchyard.ledger.loads import Load
from switchyard.ledger.results import PlanOutline, RollbackPlan
from switchyard.legs.ingest.planned import Planned


def previous_version(published: Sequence[Load], current: TableVersion) -> Load | None:
    """The version before the current one; of a version that a rollback shows again, the one before the original.

    `published` is newest first. A second rollback goes further back, never forth to what the first one took away.
    """
    shown = next((load for load in published if load.seq == current.seq), None)
    seq = origin(shown) if shown else current.seq
    earlier = (load for load in published if load.seq < seq)
    return next((load for load in earlier if version_paths(load, current) != current.paths), None)


def version_paths(load: Load, current: TableVersion) -> tuple[str, ...]:
    """Directories that a load's version consists of: for an append table, also those of the loads before it."""
    own = (load.location,) if load.location else ()
    return (*load.result(Planned).before_paths, *own) if current.partitioned else own


def bookmark_of(load: Load | None, published: Sequence[Load]) -> str | None:
    """The cursor's value that the source had been read up to when a version was published."""
    setter = setter_of(load, published)
    return setter.high if setter else None


def setter_of(load: Load | None, published: Sequence[Load]) -> Load | None:
    """The load that set a version's bookmark: a backfill or replay left the one before it, a rollback went back."""
    while load is not None:
        if load.kind in ("backfill", "replay"):
            before = load.previous_seq
            load = next((one for one in published if one.seq == before), None)
            continue
        back = rollback_of(load)
        to_load = back.to_load if back else None
        target = next((one for one in published if one.load_id == to_load), None)
        if target is None:
            return load
        load = target
    return None


def head_of(load: Load) -> int:
    """The seq of the newest rows of a load's version: its own, or of a rollback, the one that it shows again."""
    back = rollback_of(load)
    return back.head if back and back.head is not None else origin(load)


def origin(load: Load) -> int:
    """The seq under which a load's version was first published."""
    back = rollback_of(load)
    return back.origin_seq if back else load.seq


def rollback_of(load: Load) -> RollbackPlan | None:
    """What a rollback was planned with; None for a load of another kind."""
    plan = load.find_result(PlanOutline)
    return plan.rollback if plan else None
