"""What the steps of an ingest load share: its plan's facts as values, its staging tables, its directories."""

from __future__ import annotations

from collections.abc import Sequence

from switchyard.flow import naming
from switchyard.flow.frozen import thaw
from switchyard.flow.naming import StagingKind
from switchyard.lake.hiveql.merging import Merge
from switchyard.lake.hiveql.statements import QUARANTINE_COLUMNS
from switchyard.ledger.loads import Load
from switchyard.legs.ingest.planned import Planned
from switchyard.legs.runtime import Runtime
from switchyard.legs.tables import versions
from switchyard.prove.checks import RowCheck, TableCheck, row_conditions, table_checks
from switchyard.types.columns import HiveColumn


class Batch:
    """One load's tables and directories of one try."""

    def __init__(self, runtime: Runtime, load: Load, try_id: str) -> None:
        self.runtime, self.load, self.try_id = runtime, load, try_id
        self.flow, self.planned = thaw(load.spec), load.result(Planned)
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
        fields = self.planned.hive_columns if columns is None else columns
        self.metastore.create_parquet_table(naming.STAGING_DATABASE, name, fields, location, {})
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
            old_columns=dict(planned.before_columns),
            batch=batch,
            columns=planned.hive_columns,
            key=planned.key,
            cursor=planned.lake_name(source.cursor),
            tombstone=planned.lake_name(source.tombstone),
            sweep=planned.sweep,
            whole_keys=planned.whole_keys,
        )
