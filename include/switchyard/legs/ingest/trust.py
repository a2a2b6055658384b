"""A bookmark that somebody vouches for: its new reading is kept, also where no load is there to write it."""

from __future__ import annotations

from switchyard.flow import naming
from switchyard.flow.bookmark import Bookmark, Reading
from switchyard.flow.spec import Flow
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.store import Ledger
from switchyard.ledger.table_memory import note_rev
from switchyard.legs.runtime import Runtime
from switchyard.legs.truth.check import look


def keep_trusted(runtime: Runtime, ledger: Ledger, flow: Flow, version: TableVersion | None, now: Reading) -> None:
    """Give the table's bookmark the reading of now, by one alter and then the ledger's memory of it.

    Without it the next run would be refused once more.
    """
    if version is None or version.bookmark is None:
        return
    trusted = Bookmark(version.bookmark.high, now)
    rev = runtime.metastore(flow).alter(version, {naming.BOOKMARK_PROPERTY: trusted.record()})
    newest = look(runtime, ledger, flow).memory.newest
    if newest is not None:
        note_rev(ledger, newest, rev, held=version.held)
