"""What steps report and the ledger does not need: numbers for people, for Airflow's XCom, for the load's events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from switchyard.records import Record


@dataclass(frozen=True)
class NothingNew(Record):
    """A plan that has nothing to do, and why."""

    why: Annotated[str, Field(alias="nothing_to_do")]


@dataclass(frozen=True)
class NotAsked(Record):
    """The report of a step that the load's flow does not have."""

    why: Annotated[str, Field(alias="not_asked_for")]


@dataclass(frozen=True)
class LoadPlanned(Record):
    """The report of a plan: the load that the later steps go on with."""

    load_id: str
    seq: int
    previous_seq: int | None
    version: int | None


@dataclass(frozen=True)
class Examined(Record):
    """The report of a preflight."""

    columns: int
    key: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ChangedKeys(Record):
    """How many keys a publish changed. Not `complete`: the version before is not known, so any key may have changed."""

    inserted: int
    updated: int
    deleted: int
    complete: bool


@dataclass(frozen=True)
class LandedCounts(Record):
    """The report of step land."""

    source_rows: int
    landed_rows: int
    landed_bytes: int
    refused_rows: int


@dataclass(frozen=True)
class RolledBack(Record):
    """The report of a rollback; `rows` are those of the version that is shown again."""

    load_id: str
    seq: int
    from_seq: int
    to_seq: int
    to_load: str
    bookmark: str | None
    held: str | None
    rows: int


@dataclass(frozen=True)
class Adopted(Record):
    """The report of an adoption."""

    load_id: str
    seq: int
    rows: int
    location: str


@dataclass(frozen=True)
class Tidied(Record):
    """Directories and staging tables that were no longer needed; loads that the ledger forgot (`ledger.keep`)."""

    deleted: int
    dropped_tables: int
    pruned: int | None = None


@dataclass(frozen=True)
class SelectedCounts(Record):
    """The report of step select."""

    version: int
    rows: int


@dataclass(frozen=True)
class ServeTidied(Record):
    """Stagings and directories that are gone; of a product, also old versions and tables."""

    dropped_stagings: int
    deleted_directories: int
    deleted: int | None = None
    dropped_tables: int | None = None


@dataclass(frozen=True, kw_only=True)
class ServeForecast(Record):
    """The version that would be served, the one that is, and how many documents each has."""

    serves: str
    version: int | None
    served_version: int | None
    rows: int | None
    rows_are: str
    documents_now: int
    documents_now_are: str = "exact"
    warnings: tuple[str, ...]
