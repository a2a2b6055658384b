"""What the steps of an ingest load share: its plan's facts as values, its staging tables, its directories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from switchyard.extract.preflight import Examined
from switchyard.extract.statement import Bounds
from switchyard.flow import naming
from switchyard.flow.frozen import thaw
from switchyard.flow.naming import StagingKind
from switchyard.flow.spec import Flow
from switchyard.lake.merging import Merge
from switchyard.lake.metastore import HiveColumn, TableVersion
from switchyard.lake.statements import QUARANTINE_COLUMNS
from switchyard.lake.types import CarriedColumn
from switchyard.ledger.loads import Load
from switchyard.legs import versions
from switchyard.legs.runtime import Runtime
from switchyard.prove.checks import RowCheck, TableCheck, row_conditions, table_checks
from switchyard.prove.contract import Agreed


@dataclass(frozen=True)
class Planned:
    """What an ingest load was planned with, and what the version was like that it starts from.

    `sweep`: the load reads the whole source, so that a key which it does not find is deleted.
    """

    columns: tuple[CarriedColumn, ...]
    left_out: tuple[CarriedColumn, ...]
    key: tuple[str, ...]
    split_by: str | None
    bounds: Bounds | None
    sweep: bool
    changes: tuple[str, ...]
    before_columns: dict[str, str]
    before_paths: tuple[str, ...]
    before_rows: int | None

    @classmethod
    def of(cls, load: Load) -> Planned:
        """As the ledger keeps it."""
        facts = load.facts["plan"]
        bounds = facts["bounds"]
        return cls(
            columns=tuple(CarriedColumn(**column) for column in facts["columns"]),
            left_out=tuple(CarriedColumn(**column) for column in facts["left_out"]),
            key=tuple(facts["key"]),
            split_by=facts["split_by"],
            bounds=Bounds(**bounds) if bounds else None,
            sweep=facts["sweep"],
            changes=tuple(facts["changes"]),
            before_columns=facts["before_columns"],
            before_paths=tuple(facts["before_paths"]),
            before_rows=facts["before_rows"],
        )

    def facts(self) -> dict[str, Any]:
        """For the ledger."""
        return {
            **{field.name: getattr(self, field.name) for field in fields(self)},
            "columns": [asdict(column) for column in self.columns],
            "left_out": [asdict(column) for column in self.left_out],
            "bounds": asdict(self.bounds) if self.bounds else None,
        }

    @property
    def hive_columns(self) -> list[HiveColumn]:
        """The version's columns."""
        return versions.hive_columns(self.columns)

    @property
    def hive_types(self) -> dict[str, str]:
        """Lake column → Hive type."""
        return {column.name: column.hive_type for column in self.columns}

    def lake_name(self, source: str | None) -> str | None:
        """The lake column of a source column."""
        return next((column.name for column in self.columns if column.source == source), None)


def draft(
    flow: Flow, examined: Examined, agreed: Agreed, before: TableVersion, bounds: Bounds | None, *, sweep: bool
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
        before_columns={column.name: column.type for column in before.columns},
        before_paths=before.paths if flow.lake.mode != "replace" else (),
        before_rows=before.rows if before.seq > 0 else None,
    )


def _lake_key(key: Sequence[str], agreed: Agreed) -> tuple[str, ...]:
    """The key's lake columns; none when the flow does not read all of it."""
    names = {column.source: column.name for column in agreed.columns if column.source}
    return tuple(names[column] for column in key) if set(key) <= set(names) else ()


class Batch:
    """One load's tables and directories of one try."""

    def __init__(self, runtime: Runtime, load: Load, try_id: str) -> None:
        self.runtime, self.load, self.try_id = runtime, load, try_id
        self.flow, self.planned = thaw(load.spec), Planned.of(load)
        self.metastore = runtime.metastore(self.flow)

    @property
    def landing(self) -> str:
        """The version's directory, or the partition's."""
        lake = self.flow.lake
        return naming.landing(lake.root, lake.database, lake.table, self.load.load_id, self.try_id)

    @property
    def refused(self) -> str:
        """The directory of the quarantined rows."""
        lake = self.flow.lake
        quarantine = naming.quarantine_table(lake.table)
        return naming.landing(lake.root, lake.database, quarantine, self.load.load_id, self.try_id)

    def part(self, name: str) -> str:
        """A directory that is gone after the proof."""
        lake = self.flow.lake
        return naming.batch(lake.root, lake.database, lake.table, self.load.load_id, self.try_id, name)

    def table(self, kind: StagingKind, directory: str, columns: Sequence[HiveColumn] | None = None) -> str:
        """A Parquet staging table over a directory, with the version's columns; its name with the database."""
        name = versions.staging_table(self.runtime, self.flow, kind, self.load.load_id, self.try_id)
        location = self.runtime.hdfs(self.flow).url + directory
        found = self.planned.hive_columns if columns is None else columns
        self.metastore.create_parquet_table(naming.STAGING_DATABASE, name, found, location, {})
        return f"{naming.STAGING_DATABASE}.{name}"

    def quarantine(self) -> str:
        """A staging table for the rows that this try refuses."""
        return self.table("refused", self.refused, QUARANTINE_COLUMNS)

    def drop(self, *kinds: StagingKind) -> None:
        """Drop staging tables of this try, never their data."""
        for kind in kinds:
            name = naming.staging_table(kind, self.load.load_id, self.try_id)
            self.metastore.drop_table(naming.STAGING_DATABASE, name)

    @property
    def tests(self) -> list[RowCheck]:
        """Checks of single rows, in the flow's order."""
        return row_conditions(self.flow.checks, self.planned.hive_types)

    @property
    def quarantining(self) -> list[RowCheck]:
        """Those that keep rows out."""
        return [test for test in self.tests if test.severity == "quarantine"]

    @property
    def judging(self) -> list[RowCheck]:
        """Those that let a load fail, or warn."""
        return [test for test in self.tests if test.severity != "quarantine"]

    @property
    def totals(self) -> list[TableCheck]:
        """Checks of the load as a whole."""
        return table_checks(self.flow.checks)

    def merge(self, batch: str, old: str) -> Merge:
        """How the batch is merged into the version before it."""
        source, planned = self.flow.source, self.planned
        return Merge(
            old=old,
            old_columns=planned.before_columns,
            batch=batch,
            columns=planned.hive_columns,
            key=planned.key,
            cursor=planned.lake_name(source.cursor),
            tombstone=planned.lake_name(source.tombstone),
            sweep=planned.sweep,
        )
