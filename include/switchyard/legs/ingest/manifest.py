"""`_manifest.json`, the last act of a proof: all that is needed to publish the load, or to know it, without the ledger.

A directory without one is not whole.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import JsonValue

from switchyard.lake.hdfs import Hdfs
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.loads import Kind, Load
from switchyard.ledger.registry import RegisteredLoad
from switchyard.ledger.results import Proved, StepResult
from switchyard.legs.ingest.planned import Planned
from switchyard.records import Record

Result = TypeVar("Result", bound=StepResult)

FORM = 2
"""Manifests of earlier releases have no `form`: they do not say enough."""


@dataclass(frozen=True)
class VersionRecord(Record):
    """A version as the table's parameters described it: what a manifest keeps of the version that its load replaces.

    A rollback and an adopted table have no manifest of their own; by this they stay known.
    """

    seq: int
    load_id: str
    kind: str
    head: int
    location: str
    rows: int | None
    bookmark: str | None

    @classmethod
    def of(cls, version: TableVersion) -> VersionRecord:
        """The record of what a table shows."""
        bookmark = version.bookmark.record() if version.bookmark else None
        return cls(version.seq, version.load_id, version.kind, version.head, version.path, version.rows, bookmark)


@dataclass(frozen=True)
class Manifest(Record):
    """A proved load. `facts`: what its steps wrote into the ledger; `replaces`: the version it was planned on."""

    load_id: str
    flow: str
    seq: int
    previous_seq: int
    kind: Kind
    low: str | None
    high: str | None
    replays: str | None
    bookmark: str | None
    spec: Mapping[str, JsonValue]
    spec_hash: str
    try_id: str
    location: str
    created_at: str
    facts: Mapping[str, JsonValue]
    replaces: VersionRecord | None

    @classmethod
    def of(cls, load: Load, proved: Proved, before: TableVersion | None) -> Manifest:
        """The manifest of a load whose proof has just ended."""
        planned = load.result(Planned)
        return cls(
            load_id=load.load_id,
            flow=load.flow,
            seq=load.seq,
            previous_seq=load.previous_seq or 0,
            kind=load.kind,
            low=load.low,
            high=load.high,
            replays=planned.replays,
            bookmark=planned.bookmark.record() if planned.bookmark else None,
            spec=load.spec,
            spec_hash=load.spec_hash,
            try_id=load.try_id or "",
            location=load.location or "",
            created_at=load.created_at.isoformat(),
            facts={**load.facts, Proved.step: proved.to_json()},
            replaces=VersionRecord.of(before) if before is not None and before.seq > 0 else None,
        )

    def result(self, kind: type[Result]) -> Result:
        """A step's result, as the ledger had it."""
        values = self.facts[kind.step]
        assert isinstance(values, Mapping)  # noqa: S101 - a load has been proved, so its steps have results
        return kind.from_json(values, f"manifest of load {self.load_id}")

    def document(self) -> Mapping[str, JsonValue]:
        """As the file holds it: for people first (`columns` and `source_types` by name), then for a rebuild."""
        columns = self.result(Planned).columns
        counts = self.result(Proved).to_json()
        return {
            "form": FORM,
            "load_id": self.load_id,
            "flow": self.flow,
            "seq": self.seq,
            "columns": {column.name: str(column.hive_type) for column in columns},
            "source_types": {column.name: column.postgres_type for column in columns},
            **counts,
            "load": self.to_json(),
        }

    def load(self, state: str) -> RegisteredLoad:
        """The load as the ledger would have it, in this state."""
        return RegisteredLoad(
            load_id=self.load_id,
            flow=self.flow,
            seq=self.seq,
            previous_seq=self.previous_seq,
            state=state,
            kind=self.kind,
            low=self.low,
            high=self.high,
            spec=dict(self.spec),
            spec_hash=self.spec_hash,
            try_id=self.try_id,
            location=self.location,
            created_at=dt.datetime.fromisoformat(self.created_at),
            facts=dict(self.facts),
        )


def read_manifest(hdfs: Hdfs, directory: str) -> Manifest | None:
    """The manifest of a directory; None when it has none, or one of an earlier release."""
    document = hdfs.read_manifest(directory)
    if document is None or document.get("form") != FORM:
        return None
    load = document.get("load")
    return Manifest.from_json(load if isinstance(load, Mapping) else {}, f"manifest in {directory}")
