"""The ledger's migrations; Alembic is imported only when one has to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Session

HEAD = "0002"
"""The newest revision; a test keeps it equal to the newest file in `versions/`."""


def migrate_to_head(session: Session) -> None:
    """Run what is missing, in the session's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "switchyard:ledger/migrations")
    config.attributes["connection"] = session
    command.upgrade(config, "head")
