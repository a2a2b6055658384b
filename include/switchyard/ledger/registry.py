"""Loads that the ledger learns from elsewhere: from a manifest in HDFS, or from a table's parameters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from switchyard.flow.naming import Leg
from switchyard.ledger.loads import Kind, Load
from switchyard.ledger.locks import hold_until_commit
from switchyard.ledger.store import Ledger
from switchyard.ledger.tables import flows, loads

_OWNER = "known from HDFS, the metastore and MongoDB"
_LEFT_ALONE = dt.timedelta(hours=24)


@dataclass(frozen=True)
class FlowRow:
    """A row of `flows` as the ledger shall have it: the last seqs given out, the bookmark and the hold."""

    last_ingest_seq: int
    last_serve_seq: int
    bookmark: str | None
    held: str | None


@dataclass(frozen=True)
class RegisteredLoad:
    """A load as the ledger shall have it."""

    load_id: str
    flow: str
    seq: int
    previous_seq: int | None
    state: str
    kind: Kind
    low: str | None
    high: str | None
    spec: dict[str, Any]
    spec_hash: str
    try_id: str | None
    location: str | None
    created_at: dt.datetime
    facts: dict[str, Any]
    error: str | None = None
    published_at: dt.datetime | None = None
    superseded_at: dt.datetime | None = None
    leg: Leg = "ingest"
    version: int | None = None

    def values(self) -> dict[str, Any]:
        """Columns of `loads`."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return own | {"owner": _OWNER, "updated_at": dt.datetime.now(dt.UTC)}


def is_lately_learned(load: Load) -> bool:
    """Whether the ledger learned of an abandoned load less than a day ago: time for a person to look at its files."""
    return load.owner == _OWNER and load.updated_at > dt.datetime.now(dt.UTC) - _LEFT_ALONE


def register(ledger: Ledger, load: RegisteredLoad) -> Load:
    """Write a load into the ledger, replacing an earlier row of it; its seq is not given out again."""
    with ledger.session() as session:
        row = write_load(session, load)
    return Load(**row._mapping)


def write_load(session: sa.Connection, load: RegisteredLoad) -> sa.Row[Any]:
    """The same, in a transaction of the caller's."""
    values = load.values()
    changes = {name: value for name, value in values.items() if name != "load_id"}
    counter = flows.c.last_ingest_seq if load.leg == "ingest" else flows.c.last_serve_seq
    raise_seq = insert(flows).values({"flow": load.flow, counter.name: load.seq})
    session.execute(
        raise_seq.on_conflict_do_update(
            index_elements=[flows.c.flow], set_={counter.name: sa.func.greatest(counter, load.seq)}
        )
    )
    statement = insert(loads).values(values).on_conflict_do_update(index_elements=[loads.c.load_id], set_=changes)
    return session.execute(statement.returning(*loads.c)).one()


def replace_flow(
    ledger: Ledger, flow: str, history: Sequence[RegisteredLoad], row: FlowRow, stamp: str
) -> tuple[str, ...]:
    """Put a flow's rows in place of the old ones, in one transaction; returns the tables that hold the old ones.

    `stamp` names those tables; there are none when the ledger had no row of the flow.
    """
    with ledger.session() as session:
        aside = tuple(_set_aside(session, table, flow, stamp) for table in ("loads", "flows"))
        for load in history:
            write_load(session, load)
        upsert = insert(flows).values({"flow": flow, **asdict(row)})
        session.execute(upsert.on_conflict_do_update(index_elements=[flows.c.flow], set_=asdict(row)))
    return tuple(name for name in aside if name is not None)


def _set_aside(session: sa.Connection, table: str, flow: str, stamp: str) -> str | None:
    """Move a flow's rows into a table of the same columns."""
    count = session.scalar(sa.text(f"select pg_catalog.count(*) from {table} where flow = :flow"), {"flow": flow})
    if not count:
        return None
    name = f"{table}_set_aside_{stamp}"
    hold_until_commit(session, name)  # `if not exists` does not wait for another transaction that makes the table now
    session.execute(sa.text(f"create table if not exists {name} as select * from {table} with no data"))
    session.execute(sa.text(f"insert into {name} select * from {table} where flow = :flow"), {"flow": flow})
    session.execute(sa.text(f"delete from {table} where flow = :flow"), {"flow": flow})
    return name


def forget(ledger: Ledger, flow: str, load_ids: Sequence[str]) -> None:
    """Delete loads of a flow; its seqs are not given out again."""
    if not load_ids:
        return
    with ledger.session() as session:
        session.execute(loads.delete().where(loads.c.flow == flow, loads.c.load_id.in_(load_ids)))
