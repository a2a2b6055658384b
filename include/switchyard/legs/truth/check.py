"""The check that every step begins with: does the table say what the ledger says? It reads both and writes nothing."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from switchyard.errors import TruthConflict
from switchyard.flow.spec import Flow
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.store import Ledger
from switchyard.ledger.table_memory import LakeTable, TableMemory, read_memory
from switchyard.legs.runtime import Runtime
from switchyard.legs.tables.versions import require_own
from switchyard.legs.truth.decide import Action, LedgerSays, Publishing, TableSays, decide

log = logging.getLogger(__name__)

_MOST_READS = 20


@dataclass(frozen=True)
class Inspection:
    """A table and the ledger's memory of it, read while neither moved, and what follows."""

    version: TableVersion | None
    memory: TableMemory
    action: Action


def lake_table(flow: Flow) -> LakeTable:
    """The flow's table, as the ledger knows it."""
    return LakeTable(flow.flow, flow.lake.database, flow.lake.table)


def look(runtime: Runtime, ledger: Ledger, flow: Flow) -> Inspection:
    """Read the table and the ledger; raises SwitchyardError when the table is not the flow's.

    The ledger is read before and after the table, until it did not move meanwhile: a publish goes through the ledger
    before and after it alters the table, so that a run at work is never taken for a disagreement. The partitions of an
    append table are listed once, unless it does move.
    """
    shown = runtime.metastore(flow).read_load_id(flow.lake.database, flow.lake.table)
    memory = read_memory(ledger, lake_table(flow), shown)
    for _ in range(_MOST_READS):
        version = _read(runtime, flow)
        again = read_memory(ledger, lake_table(flow), version.load_id if version else "")
        if _is_same(memory, again):
            break
        memory = again
    return Inspection(version, memory, decide(_table_says(version), _ledger_says(memory)))


def require_agreement(runtime: Runtime, ledger: Ledger, flow: Flow, *, from_beginning: bool = False) -> Inspection:
    """Raise TruthConflict unless the ledger knows the table, or a load that reads everything was asked for aloud."""
    inspection = look(runtime, ledger, flow)
    require_allowed(flow, inspection, from_beginning=from_beginning)
    return inspection


def require_allowed(flow: Flow, inspection: Inspection, *, from_beginning: bool) -> None:
    """Raise TruthConflict when table and ledger disagree so that the step must not go on.

    Mode replace reads everything in every load, so that a table that was dropped loses nothing by it.
    """
    if not inspection.action.refuses:
        return
    if inspection.action is Action.TABLE_GONE and (from_beginning or flow.lake.mode == "replace"):
        return
    if inspection.action is Action.TABLE_OLDER and from_beginning and flow.lake.mode != "append":
        return
    raise refusal(flow, inspection)


def refusal(flow: Flow, inspection: Inspection) -> TruthConflict:
    """The error of a disagreement."""
    what, cure = _REFUSALS[inspection.action](flow, inspection)
    return TruthConflict(what, where=f"flow {flow.flow}", cure=f"nothing was changed; {cure}")


def _unknown(flow: Flow, inspection: Inspection) -> tuple[str, str]:
    version = inspection.version
    assert version is not None  # noqa: S101 - the table shows something
    load = inspection.memory.named
    knows = "does not know" if load is None else f"has as {load.state}"
    return (
        f"Hive table {version.name} shows seq {version.seq}, load {version.load_id}, which the ledger "
        f"{knows}: the ledger is older than the table, or of another environment",
        "restore the ledger's newest backup, or make it again from the tables: switchyard ledger rebuild",
    )


def _gone(flow: Flow, inspection: Inspection) -> tuple[str, str]:
    newest = inspection.memory.newest
    assert newest is not None  # noqa: S101 - the ledger has a published load
    is_empty = "is gone" if inspection.version is None else "is empty"
    return (
        f"Hive table {flow.lake.database}.{flow.lake.table} {is_empty}, and the ledger has load {newest.load_id}, "
        f"seq {newest.seq}, published into it",
        "restore the metastore's newest backup; if the table was dropped on purpose, load everything anew: "
        f"switchyard run ingest {flow.flow} --from-beginning",
    )


def _older(flow: Flow, inspection: Inspection) -> tuple[str, str]:
    version = inspection.version
    assert version is not None  # noqa: S101 - the table shows something
    newest = inspection.memory.newest
    if newest is None:
        remembered = "a newer version, published into another lake.table or into a newer copy of this metastore"
    else:
        newest_rev = inspection.memory.rev
        remembered = f"seq {newest.seq}, revision {newest_rev}: the metastore is older than the ledger"
    again = f"; or read everything again: switchyard run ingest {flow.flow} --from-beginning"
    return (
        f"Hive table {version.name} shows seq {version.seq}, revision {version.rev} (parameter switchyard.rev), and "
        f"the ledger has {remembered}",
        "restore the metastore's newest backup; or go on from the tables as they are: switchyard ledger rebuild"
        + ("" if flow.lake.mode == "append" else again),
    )


_REFUSALS = {Action.UNKNOWN: _unknown, Action.TABLE_GONE: _gone, Action.TABLE_OLDER: _older}


def _read(runtime: Runtime, flow: Flow) -> TableVersion | None:
    version = runtime.metastore(flow).read_version(flow.lake.database, flow.lake.table)
    if version is not None:
        require_own(flow, flow.lake.table, version)
    return version


def _is_same(one: TableMemory, other: TableMemory) -> bool:
    return _ledger_says(one) == _ledger_says(other)


def _table_says(version: TableVersion | None) -> TableSays | None:
    return TableSays(version.seq, version.load_id, version.rev) if version else None


def _ledger_says(memory: TableMemory) -> LedgerSays:
    publishing = memory.publishing
    return LedgerSays(
        state=memory.named.state if memory.named else None,
        newest_seq=memory.newest.seq if memory.newest else None,
        newest_load=memory.newest.load_id if memory.newest else "",
        rev=memory.rev,
        publishing=Publishing(publishing.load_id, publishing.previous_seq or 0) if publishing else None,
    )
