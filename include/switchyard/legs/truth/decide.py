"""What a step may do when a table says this and the ledger says that. Pure: tests go through all combinations.

The rows of docs/architecture.md, "The check": the table is believed, the ledger is a memory. A ledger that is older
than the table, and a table that is older than the ledger, are refused before anything is recovered or written.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

BEFORE_PUBLISHING = ("planned", "landed", "converted", "proved")


class Action(Enum):
    """What follows from table and ledger."""

    GO_ON = "they agree"
    COPY = "the table was altered by us and the ledger does not know it: it learns the hold and the rev"
    RECORD = "the table shows the load, the ledger does not say so yet: record it as published"
    PUBLISH = "the load was about to be published, and the table is at the version before it"
    SUPERSEDE = "the load was about to be published, and another version came first: abandon it"
    WRITE_PARAMETERS = "the table was written by an earlier release: write what it did not write"
    UNKNOWN = "refuse: the ledger does not know what the table shows"
    TABLE_GONE = "refuse: the table was dropped, and its loads are in the ledger"
    TABLE_OLDER = "refuse: the ledger knows newer versions than the table shows"

    @property
    def refuses(self) -> bool:
        """Whether a step that was not asked for something aloud ends here."""
        return self in (Action.UNKNOWN, Action.TABLE_GONE, Action.TABLE_OLDER)


class StrayAction(Enum):
    """What follows from a partition that is not in the table's chain."""

    ROLL_FORWARD = "it was shown, and the table not altered: alter it"
    DROP = "it belongs to no version: drop it, never its data"


@dataclass(frozen=True)
class TableSays:
    """What the metastore says of the flow's table. `seq` 0: it is empty; `rev` None: of an earlier release."""

    seq: int
    load_id: str
    rev: int | None


@dataclass(frozen=True)
class Publishing:
    """A load that the ledger has in `publishing`; it expects the table at `previous_seq`."""

    load_id: str
    previous_seq: int


@dataclass(frozen=True)
class LedgerSays:
    """What the ledger knows of the flow's table.

    Args:
        state: of the load that the table names; None: there is no such load.
        newest_seq: of the load that was published last and not superseded; None: none was.
        newest_load: that load.
        rev: the table's rev as that load, or a release after it, left it; None: the code of an earlier release did.
        publishing: the load that was about to be published.
    """

    state: str | None = None
    newest_seq: int | None = None
    newest_load: str = ""
    rev: int | None = None
    publishing: Publishing | None = None


def decide(table: TableSays | None, ledger: LedgerSays) -> Action:
    """Choose the row. `table` is None when there is no table of that name."""
    if table is None or table.seq == 0:
        return _without_version(table, ledger)
    if ledger.state is None or ledger.state in BEFORE_PUBLISHING:
        return Action.UNKNOWN
    if ledger.newest_seq is not None and ledger.newest_seq > table.seq:
        return Action.TABLE_OLDER
    if ledger.state in ("publishing", "abandoned"):
        return Action.RECORD
    if ledger.newest_load != table.load_id:
        return Action.TABLE_OLDER  # it was published once, and another one after it
    return _published(table, ledger)


def _without_version(table: TableSays | None, ledger: LedgerSays) -> Action:
    if ledger.newest_seq is not None:
        return Action.TABLE_GONE
    if ledger.publishing is None:
        return Action.GO_ON
    waits = table is not None and ledger.publishing.previous_seq == 0
    return Action.PUBLISH if waits else Action.SUPERSEDE


def _published(table: TableSays, ledger: LedgerSays) -> Action:
    """The table shows the load that the ledger calls published last; what else was altered?"""
    if ledger.rev is not None and (table.rev is None or table.rev < ledger.rev):
        return Action.TABLE_OLDER
    if table.rev is None or ledger.rev is None:
        return Action.WRITE_PARAMETERS  # the code of an earlier release published it: it wrote no bookmark
    if ledger.publishing is not None:
        return Action.PUBLISH if ledger.publishing.previous_seq == table.seq else Action.SUPERSEDE
    if table.rev > ledger.rev:
        return Action.COPY
    return Action.GO_ON


def decide_stray(*, seq: int, previous: int | None, is_whole: bool, table_seq: int, head: int) -> StrayAction:
    """Choose the row for a partition outside the chain, once table and ledger agree.

    `is_whole`: its directory has the manifest that a proof writes last.
    """
    if seq > table_seq and previous == head and is_whole:
        return StrayAction.ROLL_FORWARD
    return StrayAction.DROP
