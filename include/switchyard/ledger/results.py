"""What the steps write down: one type for each step's result, of both legs and the diff.

A result is the ledger's JSON under the step's name (`Load.result`), and what a person reads in the step's report. The
form outlives a release: a later field has a default, none is ever renamed. Ingest's plan is `legs.ingest.planned`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import Field

from switchyard.ledger.reports import ChangedKeys, LandedCounts, SelectedCounts
from switchyard.records import Record
from switchyard.types.read import Read


class StepResult(Record):
    """Base of a result that the ledger keeps. `step` is its key there."""

    step: ClassVar[str]


@dataclass(frozen=True)
class FlowChanges(Record):
    """New values of the flow's row. `held` None leaves a hold, or none, as it is."""

    bookmark: str | None
    held: str | None = None


@dataclass(frozen=True)
class RollbackPlan(Record):
    """Which version is shown again. `origin_seq`: the seq under which that version was first published.

    `head`: the seq of its newest rows; None: an earlier release planned it.
    """

    from_seq: int
    to_seq: int
    to_load: str
    origin_seq: int
    flow_changes: FlowChanges
    head: int | None = None


@dataclass(frozen=True)
class AdoptionPlan(Record):
    """The table's last change, as the metastore had it when its files were counted."""

    changed_at: str


@dataclass(frozen=True)
class PlanOutline(StepResult):
    """What the ledger itself reads of a plan, whichever leg's: `paths` are the directories that a serve load reads."""

    step: ClassVar[str] = "plan"
    paths: tuple[str, ...] | None = None
    rollback: RollbackPlan | None = None
    replays: str | None = None


@dataclass(frozen=True)
class Landed(StepResult):
    """What one try extracted, and what the source statements said that they read."""

    step: ClassVar[str] = "land"
    try_id: Annotated[str, Field(alias="try")]
    staging: str
    read: Read
    source_rows: int
    landed_rows: int
    landed_bytes: int

    @property
    def counts(self) -> LandedCounts:
        """The numbers alone."""
        return LandedCounts(self.source_rows, self.landed_rows, self.landed_bytes, self.read.refused)


@dataclass(frozen=True)
class Converted(StepResult):
    """The tables that one try made: `batch` of what was read, `kept` of it what is not refused.

    `quarantine` is the directory of the refused rows. Of mode merge: `old` is the version before, as a table, and
    `repeated` the number of rows whose key came more than once.
    """

    step: ClassVar[str] = "convert"
    try_id: Annotated[str, Field(alias="try")]
    landing: str
    quarantine: str | None
    batch: str
    kept: str
    old: str | None = None
    repeated: int | None = None


@dataclass(frozen=True)
class Proved(StepResult):
    """The counts that agree; `hive_…` are those of the version. An adopted version has no others.

    `inserted` and what follows it are known of modes append (that one alone) and merge.
    """

    step: ClassVar[str] = "prove"
    hive_rows: int
    hive_bytes: int
    hive_files: int
    source_rows: int | None = None
    landed_rows: int | None = None
    quarantined_rows: int = 0
    differences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    before: int | None = None
    inserted: int | None = None
    updated: int | None = None
    unchanged: int | None = None
    late: int | None = None
    deleted: int | None = None
    unknown: int | None = None
    repeated: int | None = None


@dataclass(frozen=True)
class Published(StepResult):
    """A version that Hive shows."""

    step: ClassVar[str] = "publish"
    seq: int
    rows: int
    bytes: int
    load_id: str
    quarantined: int = 0


@dataclass(frozen=True)
class TableLeft(StepResult):
    """How a load, or a release after it, left its table: the table's rev."""

    step: ClassVar[str] = "table"
    rev: int


@dataclass(frozen=True)
class ServePlanned(StepResult):
    """What a serve load was planned with.

    `previous`: directories of the version that MongoDB shows, if known; `paths`: of the version to serve, None when
    `serve.select` makes one; `bytes`: of the files in each, if known; `timestamps`: columns of that type;
    `ingest_load`: of the lake version; `marker`: index name that the collection had, empty: none, None: not written.
    """

    step: ClassVar[str] = "plan"
    previous: tuple[str, ...] | None
    columns: tuple[str, ...]
    timestamps: tuple[str, ...]
    paths: tuple[str, ...] | None = None
    ingest_load: str = ""
    marker: str | None = None
    bytes: tuple[int | None, ...] | None = None


@dataclass(frozen=True)
class Selected(StepResult):
    """A product: the lake version it was made from, that one's load, columns, other `inputs`, `bytes` of its files."""

    step: ClassVar[str] = "select"
    version: int
    rows: int
    columns: tuple[str, ...]
    timestamps: tuple[str, ...]
    ingest_load: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    bytes: int | None = None

    @property
    def counts(self) -> SelectedCounts:
        """The numbers alone."""
        return SelectedCounts(self.version, self.rows)


@dataclass(frozen=True)
class StagedReplacements(Record):
    """A file of whole documents, to be put in place one by one."""

    file: str
    documents: int
    digest: str


@dataclass(frozen=True)
class Staged(StepResult):
    """What waits for the publish: a staging collection, or replacements; neither when nothing changed.

    `changes` is the file of the changed keys, `changes_known` whether it names all of them.
    """

    step: ClassVar[str] = "stage"
    staging: str | None
    digest: str | None
    replacements: StagedReplacements | None
    changes: str
    changes_known: bool
    rows: int
    inserted: int
    updated: int
    deleted: int
    unchanged: int


@dataclass(frozen=True)
class InPlaceBegun(StepResult):
    """A load that began to write into the live collection: if it is given up, what MongoDB shows is not known."""

    step: ClassVar[str] = "in_place"
    began: bool = True


@dataclass(frozen=True)
class ServePublished(StepResult):
    """A version that MongoDB shows; `replaced` and `deleted` count documents of a publish in place."""

    step: ClassVar[str] = "publish"
    seq: int
    version: int | None
    rows: int
    load_id: str
    replaced: int | None = None
    deleted: int | None = None
    changed_keys: ChangedKeys | None = None


@dataclass(frozen=True)
class CacheSettled(StepResult):
    """What became of the cached keys; says nothing of a flow that has no cache."""

    step: ClassVar[str] = "refresh_cache"
    invalidated: int | None = None
    unlinked: int | None = None
    floor_raised: bool | None = None
    verified: int | None = None
    warmed: int | None = None


@dataclass(frozen=True)
class HealOrdered(StepResult):
    """The comparison after which the next serve load is to be a whole snapshot."""

    step: ClassVar[str] = "heal"
    diff: str


@dataclass(frozen=True)
class Compared(StepResult):
    """Two stores compared: `between` names them, the one that is right first; sizes are in rows or documents.

    `keys` counts the keys that differ, by kind; `columns` the values that differ, by column; `table` holds them.
    """

    step: ClassVar[str] = "diff"
    diff: str
    between: str
    mode: str
    hive: str
    version: int | None
    hive_rows: int
    equal: bool
    mongodb: str | None = None
    mongodb_rows: int | None = None
    served_load: str | None = None
    served_at: str | None = None
    postgres: str | None = None
    postgres_rows: int | None = None
    load: str | None = None
    loaded_at: str | None = None
    before_bookmark: str | None = None
    not_compared: tuple[str, ...] | None = None
    moved_since_load: int | None = None
    buckets: int | None = None
    buckets_differing: int | None = None
    keys: Mapping[str, int] | None = None
    columns: Mapping[str, int] | None = None
    table: str | None = None
    seconds: float | None = None
    heal_ordered: bool | None = None
    healed_by: str | None = None

    @property
    def stores(self) -> tuple[str, str]:
        """Names of the two stores, the one that is right first."""
        left, _, right = self.between.partition("-")
        return left, right

    def rows_of(self, store: str) -> int:
        """Rows, or documents, of one of the stores."""
        return {"hive": self.hive_rows, "mongodb": self.mongodb_rows, "postgres": self.postgres_rows}[store] or 0
