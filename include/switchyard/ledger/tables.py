"""The ledger's tables. Migrations in `migrations/` make them; a test keeps the two equal."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, MetaData, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

flows = Table(
    "flows",
    metadata,
    Column("flow", Text, primary_key=True),
    Column("last_ingest_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("last_serve_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("bookmark", Text, comment="high watermark of the last published load"),
    Column("held", Text, comment="why no load may begin; NULL: it may"),
    Column(
        "nothing_new_up_to",
        DateTime(timezone=True),
        comment="up to here a plan found nothing new at the source; NULL: none did",
    ),
    comment="one row a flow: the seqs given out so far; locked while a load is planned",
)

loads = Table(
    "loads",
    metadata,
    Column("load_id", Text, primary_key=True),
    Column("flow", Text, nullable=False),
    Column("leg", Text, nullable=False),
    Column("seq", BigInteger, nullable=False, comment="ingest: the version it publishes; serve: the gate's seq"),
    Column("previous_seq", BigInteger, comment="ingest: the seq that its publish expects to replace"),
    Column("version", BigInteger, comment="serve: the lake version it serves"),
    Column("state", Text, nullable=False),
    Column("spec", JSONB, nullable=False, comment="the frozen flow file"),
    Column("spec_hash", Text, nullable=False),
    Column("owner", Text, nullable=False, comment="who runs it: Airflow run or shell, host and process"),
    Column("try_id", Text, comment="the winning try"),
    Column("location", Text, comment="directory of the version in HDFS"),
    Column("facts", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="reports of the steps"),
    Column("error", Text, comment="why it was abandoned or failed"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("published_at", DateTime(timezone=True)),
    Column("superseded_at", DateTime(timezone=True)),
    Column("kind", Text, nullable=False, server_default=text("'load'"), comment="what it is for"),
    Column("low", Text, comment="low watermark, included; NULL: from the beginning"),
    Column("high", Text, comment="high watermark, not included; NULL: to the end"),
    CheckConstraint("kind in ('load', 'backfill', 'replay', 'rollback', 'adopt')", name="kind"),
    CheckConstraint("leg in ('ingest', 'serve')", name="leg"),
    CheckConstraint(
        "state in ('planned', 'landed', 'converted', 'proved', 'staged', 'publishing', 'published', 'refreshing',"
        " 'served', 'abandoned')",
        name="state",
    ),
    Index("ix_loads_flow_leg_seq", "flow", "leg", "seq", unique=True),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("flow", Text, nullable=False),
    Column("leg", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("load_id", Text, comment="NULL: the step begins or needs no load"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("outcome", JSONB, nullable=False, comment="report, skip reason, error, lineage"),
    Index("ix_outcomes_created_at", "created_at"),
    comment="how calls of steps ended: the same call asked again is answered from here",
)
