"""What an ingest load was planned with, as the ledger keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from switchyard.extract.postgres import SourceShape
from switchyard.extract.preflight import Examined
from switchyard.extract.session import SourceSession
from switchyard.extract.statement import Bounds
from switchyard.flow.bookmark import Bookmark
from switchyard.flow.spec import Flow, Source
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.results import AdoptionPlan, RollbackPlan, StepResult
from switchyard.legs.tables import versions
from switchyard.prove.contract import Agreed
from switchyard.types.carry import CarriedColumn
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import HiveType


@dataclass(frozen=True)
class Planned(StepResult):
    """What an ingest load was planned with, and what the version was like that it starts from.

    `sweep`: the load reads the whole source, so that a key which it does not find is deleted. `replays`: the load whose
    refused rows are read again. `rollback` and `adopted` are of loads that read no source. `bookmark`: the table's when
    the load is published; `before_columns`: of the version before, those whose values a merge keeps; `head`: of the
    version that it starts from, None in a plan of an earlier release.
    `session`: what the plan saw of the source's server, None likewise. `whole_keys`: see `has_whole_keys`.
    """

    step: ClassVar[str] = "plan"
    columns: tuple[CarriedColumn, ...]
    left_out: tuple[CarriedColumn, ...]
    key: tuple[str, ...]
    split_by: str | None
    bounds: Bounds | None
    sweep: bool
    changes: tuple[str, ...]
    before_columns: Mapping[str, HiveType]
    before_paths: tuple[str, ...]
    before_rows: int | None
    replays: str | None = None
    rollback: RollbackPlan | None = None
    adopted: AdoptionPlan | None = None
    bookmark: Bookmark | None = None
    head: int | None = None
    session: SourceSession | None = None
    whole_keys: bool = False

    @property
    def hive_columns(self) -> list[HiveColumn]:
        """The version's columns."""
        return versions.hive_columns(self.columns)

    @property
    def hive_types(self) -> Mapping[str, HiveType]:
        """The version's types, by lake column."""
        return {column.name: column.hive_type for column in self.columns}

    def lake_name(self, source: str | None) -> str | None:
        """The lake column of a source column."""
        return next((column.name for column in self.columns if column.source == source), None)


def draft(
    flow: Flow,
    examined: Examined,
    agreed: Agreed,
    before: TableVersion,
    bounds: Bounds | None,
    *,
    sweep: bool,
    replays: str | None = None,
    bookmark: Bookmark | None = None,
    session: SourceSession | None = None,
) -> Planned:
    """Put together what a new load is planned with."""
    return Planned(
        columns=agreed.columns,
        left_out=agreed.left_out,
        key=_lake_key(examined.shape.primary_key, agreed),
        split_by=examined.split_by,
        bounds=bounds,
        sweep=sweep,
        changes=agreed.changes,
        before_columns={c.name: c.type for c in before.columns if c.name not in agreed.emptied},
        before_paths=before.paths if flow.lake.mode != "replace" else (),
        before_rows=before.rows if before.seq > 0 else None,
        replays=replays,
        bookmark=bookmark,
        head=before.head,
        session=session,
        whole_keys=has_whole_keys(flow.source, examined.shape, bounds),
    )


def has_whole_keys(source: Source, shape: SourceShape, bounds: Bounds | None) -> bool:
    """True if a load reads every row of each key that it reads: the newest of them is then what the source has now.

    So it takes the lake row's place even when its cursor is the smaller one, as after a correction or a restored
    source. Where a key may have several rows, those outside of the range can be newer.
    """
    from_the_beginning = bounds is None or bounds.low is None
    has_heirs = shape.kind == "r" and shape.children > 0  # a primary key does not hold across them
    return from_the_beginning or (source.table is not None and not source.key and not has_heirs)


def _lake_key(key: Sequence[str], agreed: Agreed) -> tuple[str, ...]:
    """The key's lake columns; none when the flow does not read all of it."""
    names = {column.source: column.name for column in agreed.columns if column.source}
    return tuple(names[column] for column in key) if set(key) <= set(names) else ()
