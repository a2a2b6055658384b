"""Flows and loads."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the first tables."""
    zero = sa.text("0")
    op.create_table(
        "flows",
        sa.Column("flow", sa.Text, primary_key=True),
        sa.Column("last_ingest_seq", sa.BigInteger, nullable=False, server_default=zero),
        sa.Column("last_serve_seq", sa.BigInteger, nullable=False, server_default=zero),
        comment="one row a flow: the seqs given out so far; locked while a load is planned",
    )
    op.create_table(
        "loads",
        sa.Column("load_id", sa.Text, primary_key=True),
        sa.Column("flow", sa.Text, nullable=False),
        sa.Column("leg", sa.Text, nullable=False),
        sa.Column(
            "seq", sa.BigInteger, nullable=False, comment="ingest: the version it publishes; serve: the gate's seq"
        ),
        sa.Column("previous_seq", sa.BigInteger, comment="ingest: the seq that its publish expects to replace"),
        sa.Column("version", sa.BigInteger, comment="serve: the lake version it serves"),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("spec", postgresql.JSONB, nullable=False, comment="the frozen flow file"),
        sa.Column("spec_hash", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False, comment="who runs it: Airflow run or shell, host and process"),
        sa.Column("try_id", sa.Text, comment="the winning try"),
        sa.Column("location", sa.Text, comment="directory of the version in HDFS"),
        sa.Column(
            "facts",
            postgresql.JSONB,
            nullable=False,
            server_default=sa.text("'{}'::jsonb"),
            comment="reports of the steps",
        ),
        sa.Column("error", sa.Text, comment="why it was abandoned or failed"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("published_at", sa.DateTime(timezone=True)),
        sa.Column("superseded_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("leg in ('ingest', 'serve')", name="ck_loads_leg"),
        sa.CheckConstraint(
            "state in ('planned', 'landed', 'converted', 'proved', 'staged', 'publishing', 'published', 'refreshing',"
            " 'served', 'abandoned')",
            name="ck_loads_state",
        ),
    )
    op.create_index("ix_loads_flow_leg_seq", "loads", ["flow", "leg", "seq"], unique=True)


def downgrade() -> None:
    """Drop them."""
    op.drop_table("loads")
    op.drop_table("flows")
