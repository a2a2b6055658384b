"""What the ledger remembers of a Hive table: the loads that it shows or showed, and its rev.

The table itself is the truth; `legs.truth` compares the two before anything is done.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from switchyard.ledger.loads import Load
from switchyard.ledger.results import TableLeft
from switchyard.ledger.statements import facts_with
from switchyard.ledger.store import Ledger
from switchyard.ledger.tables import flows, loads


@dataclass(frozen=True)
class LakeTable:
    """A flow's Hive table. A flow may have written another one before: the ledger keeps those loads apart."""

    flow: str
    database: str
    table: str


@dataclass(frozen=True)
class TableMemory:
    """The newest load that the table shows, as the ledger has it, the one about to be published, and the named one."""

    named: Load | None
    newest: Load | None
    publishing: Load | None

    @property
    def rev(self) -> int | None:
        """The table's rev as the newest load left it; None: it was not recorded."""
        noted = self.newest.find_result(TableLeft) if self.newest else None
        return noted.rev if noted else None


def read_memory(ledger: Ledger, table: LakeTable, load_id: str) -> TableMemory:
    """What is known of a table that names this load."""
    shown = loads.c.superseded_at.is_(None)
    return TableMemory(
        named=_first(ledger, loads.c.load_id == load_id, loads.c.flow == table.flow),
        newest=_first(ledger, _is_of(table), loads.c.state == "published", shown),
        publishing=_first(ledger, _is_of(table), loads.c.state == "publishing"),
    )


def note_rev(ledger: Ledger, load: Load, rev: int, *, held: str | None) -> None:
    """Remember how an alter that published nothing (a release) left the table: its rev, and whether it is on hold."""
    with ledger.session() as session:
        session.execute(loads.update().where(loads.c.load_id == load.load_id).values(facts=facts_with(TableLeft(rev))))
        session.execute(flows.update().where(flows.c.flow == load.flow).values(held=held))


def accept_table(ledger: Ledger, table: LakeTable, shown: Collection[str], rev: int | None) -> None:
    """Believe the table: of its published loads those that it shows are the current ones, the others superseded.

    `shown` are their ids, none when the table is gone; `rev` is the table's.
    """
    is_shown = loads.c.load_id.in_(shown)
    published = (_is_of(table), loads.c.state == "published")
    with ledger.session() as session:
        supersede = loads.update().where(*published, sa.not_(is_shown), loads.c.superseded_at.is_(None))
        session.execute(supersede.values(superseded_at=sa.func.pg_catalog.now()))
        restore = loads.update().where(*published, is_shown).values(superseded_at=None)
        session.execute(restore if rev is None else restore.values(facts=facts_with(TableLeft(rev))))


def _is_of(table: LakeTable) -> sa.ColumnElement[bool]:
    lake = loads.c.spec["lake"]
    return sa.and_(
        loads.c.flow == table.flow,
        loads.c.leg == "ingest",
        lake["database"].astext == table.database,
        lake["table"].astext == table.table,
    )


def _first(ledger: Ledger, *conditions: sa.ColumnElement[bool]) -> Load | None:
    query = sa.select(loads).where(*conditions).order_by(loads.c.seq.desc()).limit(1)
    with ledger.session() as session:
        row = session.execute(query).one_or_none()
    return Load(**row._mapping) if row else None
