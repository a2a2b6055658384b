"""Old loads leave the ledger (`ledger.keep`): only those whose directories are gone and which nothing names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from switchyard.flow.spec import Flow
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.loads import FINISHED, UNFINISHED, Load
from switchyard.ledger.registry import forget
from switchyard.ledger.results import PlanOutline
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest.replay_candidates import waiting_for_replay
from switchyard.legs.ingest.rollback_target import setter_of
from switchyard.legs.runtime import Runtime

_MOST_AT_ONCE = 200


def prune(runtime: Runtime, ledger: Ledger, flow: Flow) -> int | None:
    """Forget loads of both legs beyond `ledger.keep`; returns how many, None when the flow keeps all."""
    if flow.ledger is None:
        return None
    version = runtime.metastore(flow).read_version(flow.lake.database, flow.lake.table)
    loads = ledger.list_loads(flow.flow)
    hdfs = runtime.hdfs(flow)
    candidates = prunable(loads, flow.ledger.keep, version)[-_MOST_AT_ONCE:]
    forgettable = [load.load_id for load in candidates if load.location is None or not hdfs.exists(load.location)]
    forget(ledger, flow.flow, forgettable)
    return len(forgettable)


def prunable(loads: Sequence[Load], keep: int, version: TableVersion | None) -> list[Load]:
    """Loads that may be forgotten once their directories are gone, newest first; `loads` are all, newest first.

    Of each leg the newest `keep` stay, and all since the last that was published or served. Whatever a load that stays
    names, stays: a chain of names is followed to its end.
    """
    old = [*_beyond(loads, "ingest", keep), *_beyond(loads, "serve", keep)]
    by_id = {load.load_id: load for load in old}
    staying = [load for load in loads if load.load_id not in by_id]
    named = {*_named_by_table(loads, version), *(load.load_id for load in waiting_for_replay(_published(loads)))}
    waiting = [*staying, *(by_id.pop(load_id) for load_id in named if load_id in by_id)]
    while waiting:
        for load_id in _named_by_load(waiting.pop(), loads):
            if load_id in by_id:
                waiting.append(by_id.pop(load_id))
    return [load for load in loads if load.load_id in by_id]


def _beyond(loads: Sequence[Load], leg: str, keep: int) -> list[Load]:
    own = [load for load in loads if load.leg == leg]
    last = next((place for place, load in enumerate(own) if load.state == FINISHED[load.leg]), len(own))
    return [load for load in own[max(keep, last + 1) :] if load.state not in UNFINISHED]


def _published(loads: Sequence[Load]) -> list[Load]:
    return [load for load in loads if load.leg == "ingest" and load.state == "published"]


def _named_by_table(loads: Sequence[Load], version: TableVersion | None) -> Iterator[str]:
    """The version, its chain, its head, and the load that set its bookmark."""
    if version is None:
        return
    yield version.load_id
    yield from (part.load_id for part in version.chain)
    yield from (load.load_id for load in loads if load.leg == "ingest" and load.seq == version.head)
    published = _published(loads)
    setter = setter_of(next((load for load in published if load.load_id == version.load_id), None), published)
    if setter is not None:
        yield setter.load_id


def _named_by_load(load: Load, loads: Sequence[Load]) -> Iterator[str]:
    """What a load that stays replays, rolls back to, serves, or takes its bookmark from."""
    plan = load.find_result(PlanOutline)
    if plan is not None and plan.replays is not None:
        yield plan.replays
    if plan is not None and plan.rollback is not None:
        yield plan.rollback.to_load
    seq = None
    if load.leg == "serve":
        seq = load.version
    elif load.kind in ("backfill", "replay"):
        seq = load.previous_seq
    if seq is not None:
        yield from (one.load_id for one in loads if one.leg == "ingest" and one.seq == seq)
