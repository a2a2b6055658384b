"""What the ledger knows of how old a flow's versions are: their loads' watermarks, and plans that found nothing new."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from switchyard.ledger.loads import Kind
from switchyard.ledger.results import PlanOutline
from switchyard.ledger.store import Ledger
from switchyard.ledger.tables import flows, loads


@dataclass(frozen=True)
class Publication:
    """A version that was published.

    `read_to`: the moment up to which its load read the source: the high watermark, or the start of a load that read
    everything. `shows`: of a rollback, the seq whose rows it shows again.
    """

    seq: int
    kind: Kind
    read_to: dt.datetime
    shows: int | None = None


@dataclass(frozen=True)
class History:
    """The published versions of a flow, newest first. `nothing_new_up_to` is of a plan that made no load."""

    publications: tuple[Publication, ...]
    nothing_new_up_to: dt.datetime | None
    now: dt.datetime

    @property
    def newest(self) -> int | None:
        """The seq that Hive shows; None before the first publish."""
        return self.publications[0].seq if self.publications else None

    def as_of(self, seq: int) -> dt.datetime | None:
        """Return the moment up to which a version holds all rows of its source; None if no load of ours says it.

        A backfill or a replay reads rows of the past again, and a rollback shows an older version: neither makes a
        version newer than the load that it stands on.
        """
        quiet = self.nothing_new_up_to if seq == self.newest else None
        for publication in self.publications:
            if publication.seq > seq or publication.kind in ("backfill", "replay"):
                continue
            if publication.kind == "load":
                return publication.read_to if quiet is None else max(quiet, publication.read_to)
            if quiet is not None and quiet > publication.read_to:
                return quiet
            return None if publication.shows is None else self._as_of_earlier(publication)
        return None

    def _as_of_earlier(self, rollback: Publication) -> dt.datetime | None:
        """The same of the version that a rollback shows again, whatever a plan found later."""
        earlier = tuple(each for each in self.publications if each.seq < rollback.seq)
        return History(earlier, None, self.now).as_of(rollback.shows or 0)


def read_history(ledger: Ledger, flow: str) -> History:
    """Read when and from what a flow's versions were published."""
    wanted = (loads.c.flow == flow, loads.c.leg == "ingest", loads.c.state == "published")
    read_to = sa.func.coalesce(sa.cast(loads.c.high, sa.DateTime(timezone=True)), loads.c.created_at)
    moment = sa.case((loads.c.kind == "load", read_to), else_=loads.c.created_at)
    query = sa.select(loads.c.seq, loads.c.kind, moment.label("read_to")).where(*wanted).order_by(loads.c.seq.desc())
    with ledger.session() as session:
        rows = session.execute(query).all()
        quiet = session.scalar(sa.select(flows.c.nothing_new_up_to).where(flows.c.flow == flow))
        now = session.scalar(sa.select(sa.func.pg_catalog.now()))
    assert now is not None  # noqa: S101 - a SELECT without FROM
    publications = [Publication(row.seq, row.kind, row.read_to) for row in rows]
    return History(tuple(_with_origins(ledger, flow, publications)), quiet, now)


def note_nothing_new(ledger: Ledger, flow: str, up_to: str) -> None:
    """Remember that a plan found nothing new at the source up to a watermark, PostgreSQL's text."""
    moment = sa.cast(up_to, sa.DateTime(timezone=True))
    with ledger.session() as session:
        session.execute(flows.update().where(flows.c.flow == flow).values(nothing_new_up_to=moment))


def _with_origins(ledger: Ledger, flow: str, publications: Sequence[Publication]) -> list[Publication]:
    """The same, each rollback with the seq under which its rows were first published."""
    return [
        Publication(each.seq, each.kind, each.read_to, _origin(ledger, flow, each.seq))
        if each.kind == "rollback"
        else each
        for each in publications
    ]


def _origin(ledger: Ledger, flow: str, seq: int) -> int | None:
    load = ledger.find_version(flow, seq)
    outline = load.find_result(PlanOutline) if load else None
    return outline.rollback.origin_seq if outline and outline.rollback else None
