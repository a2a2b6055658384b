"""A load as the ledger keeps it: kinds, states, and what a plan writes down."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from switchyard.flow.frozen import frozen_spec, spec_hash
from switchyard.flow.naming import Leg
from switchyard.flow.spec import Flow

Kind = Literal["load", "backfill", "replay", "rollback", "adopt"]
UNFINISHED = ("planned", "landed", "converted", "proved", "staged", "publishing", "refreshing")
FINISHED: dict[Leg, str] = {"ingest": "published", "serve": "served"}


@dataclass(frozen=True)
class Load:
    """One row of `loads`."""

    load_id: str
    flow: str
    leg: Leg
    seq: int
    previous_seq: int | None
    version: int | None
    state: str
    spec: dict[str, Any]
    spec_hash: str
    owner: str
    try_id: str | None
    location: str | None
    facts: dict[str, Any]
    error: str | None
    created_at: dt.datetime
    updated_at: dt.datetime
    published_at: dt.datetime | None
    superseded_at: dt.datetime | None
    kind: Kind
    low: str | None
    high: str | None


@dataclass(frozen=True)
class NewLoad:
    """What a plan writes down, the flow as it is now. `low` and `high` are watermarks, PostgreSQL's text."""

    flow: Flow
    leg: Leg
    previous_seq: int | None = None
    version: int | None = None
    location: str | None = None
    kind: Kind = "load"
    low: str | None = None
    high: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """Columns of `loads`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {"flow": self.flow.flow, "spec": frozen_spec(self.flow), "spec_hash": spec_hash(self.flow)}
