"""The ledger's migrations; Alembic is imported only when one has to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from switchyard import __version__
from switchyard.errors import SwitchyardError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Session

REVISIONS = ("0001", "0002", "0003", "0004")
"""All revisions, in order; a test keeps them equal to the files in `versions/`."""
HEAD = REVISIONS[-1]


_LOCK = 0x5917C4


def migrate(session: Session, where: str) -> None:
    """Run what is missing, in the session's transaction; two at once wait for each other.

    Raises SwitchyardError for a ledger that a newer release has migrated: what it means is not known here.
    """
    revision = _revision(session)
    if revision == HEAD:
        return
    if revision is not None and revision not in REVISIONS:
        raise SwitchyardError(
            f"the ledger has revision {revision}, and Switchyard {__version__} knows none after {HEAD}",
            where=where,
            cure="a newer release of Switchyard has changed the ledger's tables: use that release, or a newer one",
        )
    session.execute(sa.select(sa.func.pg_catalog.pg_advisory_xact_lock(_LOCK)))
    _upgrade(session)


def _revision(session: Session) -> str | None:
    if session.scalar(sa.select(sa.func.pg_catalog.to_regclass("alembic_version"))) is None:
        return None
    revision = session.scalar(sa.text("select version_num from alembic_version"))
    return str(revision) if revision else None


def _upgrade(session: Session) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "switchyard:ledger/migrations")
    config.attributes["connection"] = session
    command.upgrade(config, "head")
