"""Bookmarks and holds of flows; kinds and watermarks of loads."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_KINDS = "kind in ('load', 'backfill', 'replay', 'rollback', 'adopt')"


def upgrade() -> None:
    """Add what incremental loads and rollbacks write down."""
    op.add_column("flows", sa.Column("bookmark", sa.Text, comment="high watermark of the last published load"))
    op.add_column("flows", sa.Column("held", sa.Text, comment="why no load may begin; NULL: it may"))
    op.add_column(
        "loads", sa.Column("kind", sa.Text, nullable=False, server_default=sa.text("'load'"), comment="what it is for")
    )
    op.add_column("loads", sa.Column("low", sa.Text, comment="low watermark, included; NULL: from the beginning"))
    op.add_column("loads", sa.Column("high", sa.Text, comment="high watermark, not included; NULL: to the end"))
    op.create_check_constraint("ck_loads_kind", "loads", _KINDS)


def downgrade() -> None:
    """Take them away."""
    op.drop_constraint("ck_loads_kind", "loads")
    for name in ("kind", "low", "high"):
        op.drop_column("loads", name)
    for name in ("bookmark", "held"):
        op.drop_column("flows", name)
