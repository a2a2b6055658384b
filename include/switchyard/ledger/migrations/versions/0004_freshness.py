"""How far the source was read by a plan that found nothing new and made no load."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column that a flow's freshness is judged by when its source is quiet."""
    comment = "up to here a plan found nothing new at the source; NULL: none did"
    op.add_column("flows", sa.Column("nothing_new_up_to", sa.DateTime(timezone=True), comment=comment))


def downgrade() -> None:
    """Take it away."""
    op.drop_column("flows", "nothing_new_up_to")
