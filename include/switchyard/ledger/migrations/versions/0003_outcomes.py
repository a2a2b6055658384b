"""How calls ended."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table; what is there stays as it is, so that a step of the release before goes on."""
    op.create_table(
        "outcomes",
        sa.Column("call_id", sa.Text, primary_key=True),
        sa.Column("flow", sa.Text, nullable=False),
        sa.Column("leg", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("load_id", sa.Text, comment="NULL: the step begins or needs no load"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("outcome", postgresql.JSONB, nullable=False, comment="report, skip reason, error, lineage"),
        comment="how calls of steps ended: the same call asked again is answered from here",
    )
    op.create_index("ix_outcomes_created_at", "outcomes", ["created_at"])


def downgrade() -> None:
    """Take it away."""
    op.drop_table("outcomes")
