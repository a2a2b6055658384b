"""Advisory locks of the ledger's sessions: who works on a leg of a flow. PostgreSQL frees those of a dead session.

A step's lock is held while one step works, whoever runs it. A run's lock is held by a process that drives all steps,
from the first to the last, so that its load is not taken for that of a dead process between two of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from typing import TYPE_CHECKING

import sqlalchemy as sa

from switchyard.flow.naming import Leg

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Session

_POLL_SECONDS = 0.1
_NAME_BYTES = 63  # NAMEDATALEN - 1: what PostgreSQL keeps of an application_name
_HOLDER = sa.text(
    "select a.application_name from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a using (pid)"
    " where l.locktype = 'advisory' and l.granted and l.objsubid = 1"
    " and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())"
    " and l.classid::bigint = :high and l.objid::bigint = :low limit 1"
)


def step_key(flow: str, leg: Leg) -> int:
    """The lock of one step."""
    return _key(f"switchyard/{leg}/{flow}")


def run_key(flow: str, leg: Leg) -> int:
    """The lock of a process that drives a leg."""
    return _key(f"switchyard/run/{leg}/{flow}")


def acquire(session: Session, key: int, owner: str, patience: float = 0) -> bool:
    """Take a lock under the owner's name, waiting up to `patience` seconds for it; returns whether it is ours."""
    deadline = time.monotonic() + patience
    if owner:
        session.execute(sa.select(sa.func.pg_catalog.set_config("application_name", owner, False)))
    while True:
        is_ours = bool(session.scalar(sa.select(sa.func.pg_catalog.pg_try_advisory_lock(key))))
        session.commit()
        if is_ours or time.monotonic() >= deadline:
            return is_ours
        time.sleep(_POLL_SECONDS)


def hold_until_commit(session: Session, what: str) -> None:
    """Wait for a lock of that name; the session's transaction holds it to its end."""
    session.execute(sa.select(sa.func.pg_catalog.pg_advisory_xact_lock(_key(f"switchyard/{what}"))))


def release(session: Session, key: int) -> None:
    """Give a lock back; a session that died has freed it already."""
    with contextlib.suppress(sa.exc.DBAPIError):
        session.execute(sa.select(sa.func.pg_catalog.pg_advisory_unlock(key)))
        session.commit()


def holder(session: Session, key: int) -> str | None:
    """Who holds a lock: the start of its owner's name, empty when PostgreSQL hides it; None when the lock is free."""
    row = session.execute(_HOLDER, {"high": key >> 32 & 0xFFFFFFFF, "low": key & 0xFFFFFFFF}).one_or_none()
    return None if row is None else str(row[0] or "")


def is_name_of(name: str, owner: str) -> bool:
    """Whether a session's name is that of an owner: PostgreSQL keeps 63 bytes."""
    return owner.encode()[:_NAME_BYTES] == name.encode()


def shown(name: str | None) -> str:
    """A session's name for people: an owner's that PostgreSQL has cut ends in dots."""
    return f"{name}…" if name and len(name.encode()) >= _NAME_BYTES else name or ""


def _key(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
