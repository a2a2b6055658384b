"""A hold taken away: one alter of the table, then the ledger's memory of it."""

from __future__ import annotations

from switchyard.flow import naming
from switchyard.flow.spec import Flow
from switchyard.ledger.table_memory import note_rev
from switchyard.legs.ingest.settle import settle
from switchyard.legs.runtime import Runtime
from switchyard.legs.truth.check import look


def release(runtime: Runtime, flow: Flow) -> str | None:
    """Let loads of a flow begin again; returns why they could not, None when they could.

    Raises TruthConflict when table and ledger disagree, LoadInProgress when a run is at work.
    """
    with runtime.running(flow.flow, "ingest") as driving, driving.ledger() as ledger:
        ledger.migrate()
        with ledger.lock(flow.flow, "ingest"):
            version = settle(driving, ledger, flow)
            if version is None or version.held is None:
                return None
            rev = driving.metastore(flow).alter(version, {naming.HELD_PROPERTY: None})
            newest = look(driving, ledger, flow).memory.newest
            if newest is not None:
                note_rev(ledger, newest, rev, held=None)
            return version.held
