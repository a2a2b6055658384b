"""What a table and its manifests tell of a flow's loads: the ledger as it can be made again. Pure.

A version is known when the table shows it, or when the manifest of the load that replaced it has its record.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace

from switchyard.flow.bookmark import Bookmark
from switchyard.flow.frozen import frozen_spec, spec_hash
from switchyard.flow.spec import Flow
from switchyard.lake.table_version import Part, TableVersion
from switchyard.ledger.loads import Kind
from switchyard.ledger.registry import RegisteredLoad
from switchyard.ledger.results import FlowChanges, Proved, RollbackPlan, TableLeft
from switchyard.legs.ingest.manifest import Manifest, VersionRecord
from switchyard.legs.ingest.planned import Planned
from switchyard.types.carry import CarriedColumn

ABANDONED = "known by its manifest only, when the ledger was made again"
_TRIES_TIME = "%Y%m%dt%H%M%S"


@dataclass(frozen=True)
class History:
    """A flow's ingest loads, and what cannot be known.

    `bookmark` and `held` are the table's; `last_seq` is above all seqs that were seen.
    """

    flow: str
    loads: tuple[RegisteredLoad, ...]
    bookmark: str | None
    held: str | None
    last_seq: int
    unknown: tuple[str, ...]


def history_of(flow: Flow, version: TableVersion | None, manifests: Mapping[str, Manifest]) -> History:
    """The history that a table and the manifests by load id tell."""
    seqs = [manifest.seq for manifest in manifests.values()]
    if version is None or version.seq < 1:
        shows = "there is no Hive table" if version is None else "the Hive table is empty"
        lost = [f"{shows}; the directories of {len(manifests)} loads are left as they are"] if manifests else []
        return History(flow.flow, (), None, None, max(seqs, default=0), tuple(lost))
    walk = _Walk(flow, version, manifests)
    published = walk.parts() if version.partitioned else walk.versions()
    load_ids = {load.load_id for load in published}
    used_seqs = {load.seq for load in published}
    waiting = walk.waiting(load_ids)
    rest = []
    for manifest in sorted(manifests.values(), key=lambda manifest: (manifest.seq, manifest.load_id)):
        if manifest.load_id in load_ids or manifest.seq in used_seqs:
            continue
        used_seqs.add(manifest.seq)
        state = "publishing" if manifest.load_id == waiting else "abandoned"
        rest.append(replace(manifest.load(state), error=None if state == "publishing" else ABANDONED))
    parts = [part.seq for part in (*version.chain, *version.strays)]
    return History(
        flow=flow.flow,
        loads=(*published, *rest),
        bookmark=version.bookmark.high if version.bookmark else None,
        held=version.held,
        last_seq=max([version.seq, *seqs, *parts]),
        unknown=tuple(walk.unknown),
    )


class _Walk:
    """The walk from what the table shows back to what was shown before."""

    def __init__(self, flow: Flow, version: TableVersion, manifests: Mapping[str, Manifest]) -> None:
        self.flow, self.version, self.manifests = flow, version, manifests
        self.unknown: list[str] = []
        if version.rev is None:
            self.unknown.append("an earlier release published the table: its bookmark and its hold are lost")

    def versions(self) -> list[RegisteredLoad]:
        """The versions of a table of mode replace or merge, newest first."""
        record: VersionRecord | None = VersionRecord.of(self.version)
        loads: list[RegisteredLoad] = []
        until: dt.datetime | None = None
        while record is not None and record.seq > 0:
            if any(load.load_id == record.load_id for load in loads):
                break
            load = self._load(record, superseded_at=until)
            loads.append(load)
            until = load.created_at
            record = self._before(record)
        return loads

    def parts(self) -> list[RegisteredLoad]:
        """The loads of an append table's chain, newest first, and the rollback that it shows."""
        loads = [self._part(part) for part in reversed(self.version.chain)]
        if self.version.load_id not in {load.load_id for load in loads}:
            loads.insert(0, self._load(VersionRecord.of(self.version), superseded_at=None))
        return loads

    def waiting(self, published: set[str]) -> str | None:
        """The load whose partition is shown, while the table was not altered: the next run finishes it."""
        for part in self.version.strays:
            ahead = part.seq > self.version.seq and part.previous == self.version.head
            if ahead and part.load_id in self.manifests and part.load_id not in published:
                return part.load_id
        return None

    def _before(self, record: VersionRecord) -> VersionRecord | None:
        """The version that was shown before; after a rollback, the original of the one that it showed again."""
        own = self.manifests.get(record.load_id)
        if own is not None:
            return own.replaces
        if record.kind == "adopt":
            return None
        original = self._at(record)
        if original is None:
            self.unknown.append(f"what was published before seq {record.seq}: its manifest is gone")
            return None
        return VersionRecord(
            seq=original.seq,
            load_id=original.load_id,
            kind=original.kind,
            head=original.seq,
            location=original.location,
            rows=original.result(Proved).hive_rows,
            bookmark=original.bookmark,
        )

    def _at(self, record: VersionRecord) -> Manifest | None:
        """The manifest of the rows that a version shows: its own, or that of the load it went back to.

        A seq is used twice when ledger and metastore were restored together: the rows say which load is meant.
        """
        own = self.manifests.get(record.load_id)
        of_head = [one for one in self.manifests.values() if one.seq == record.head]
        if self.version.partitioned:
            shown = {part.load_id for part in self.version.chain}
            return own or next((one for one in of_head if one.load_id in shown), None)
        return own or next((one for one in of_head if one.location == record.location), None)

    def _load(self, record: VersionRecord, *, superseded_at: dt.datetime | None) -> RegisteredLoad:
        manifest = self._at(record)
        if manifest is not None and manifest.load_id == record.load_id:
            load = manifest.load("published")
        elif manifest is not None:
            load = self._rolled_back(record, manifest)
        else:
            load = self._bare(record)
        published_at = load.published_at or load.created_at
        dated = replace(load, published_at=published_at, superseded_at=superseded_at)
        return self._with_rev(dated) if superseded_at is None else dated

    def _part(self, part: Part) -> RegisteredLoad:
        manifest = self.manifests.get(part.load_id)
        newest = part.load_id == self.version.load_id
        if manifest is None:
            rows = self.version.rows if newest else None
            record = VersionRecord(part.seq, part.load_id or f"seq{part.seq}", "load", part.seq, part.path, rows, None)
            load = self._bare(record)
        else:
            load = manifest.load("published")
        dated = replace(load, published_at=load.created_at)
        return self._with_rev(dated) if newest else dated

    def _with_rev(self, load: RegisteredLoad) -> RegisteredLoad:
        """The load that the table shows, with the rev at which it left the table; an earlier release wrote no rev."""
        if self.version.rev is None:
            return load
        return replace(load, facts={**load.facts, TableLeft.step: TableLeft(self.version.rev).to_json()})

    def _rolled_back(self, record: VersionRecord, original: Manifest) -> RegisteredLoad:
        """A rollback: the load that it went back to, under its own seq."""
        bookmark = Bookmark.of(record.bookmark) if record.bookmark else None
        back = RollbackPlan(
            from_seq=record.seq - 1,
            to_seq=original.seq,
            to_load=original.load_id,
            origin_seq=original.seq,
            flow_changes=FlowChanges(bookmark.high if bookmark else None, self.version.held),
            head=record.head,
        )
        kind: Kind = "rollback"
        planned = replace(original.result(Planned), bookmark=bookmark, rollback=back, head=record.head)
        return replace(
            original.load("published"),
            load_id=record.load_id,
            seq=record.seq,
            previous_seq=record.seq - 1,
            kind=kind,
            created_at=_time_of(record.load_id),
            facts={Planned.step: planned.to_json(), Proved.step: original.facts[Proved.step]},
        )

    def _bare(self, record: VersionRecord) -> RegisteredLoad:
        """A version without a manifest: adopted, or of an earlier release. The table's columns are its columns."""
        columns = tuple(
            CarriedColumn(column.name, column.name, "", column.type, "", "", "", comment=column.comment)
            for column in self.version.columns
        )
        bookmark = self.version.bookmark
        planned = Planned(
            columns=columns,
            left_out=(),
            key=(),
            split_by=None,
            bounds=None,
            sweep=False,
            changes=(),
            before_columns={},
            before_paths=(),
            before_rows=None,
            bookmark=bookmark,
            head=None if self.version.rev is None else record.head,
        )
        return RegisteredLoad(
            load_id=record.load_id,
            flow=self.flow.flow,
            seq=record.seq,
            previous_seq=None,
            state="published",
            kind="adopt" if record.kind == "adopt" else "load",
            low=None,
            high=bookmark.high if bookmark else None,
            spec=frozen_spec(self.flow),
            spec_hash=spec_hash(self.flow),
            try_id=None,
            location=record.location,
            created_at=_time_of(record.load_id),
            facts={Planned.step: planned.to_json(), Proved.step: Proved(record.rows or 0, 0, 0).to_json()},
        )


def _time_of(load_id: str) -> dt.datetime:
    """When a load was planned, as its id says; the epoch for an id that does not."""
    try:
        return dt.datetime.strptime(load_id.partition("_")[0], _TRIES_TIME).replace(tzinfo=dt.UTC)
    except ValueError:
        return dt.datetime.fromtimestamp(0, dt.UTC)
