"""What an ingest load was planned with, as the ledger keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from switchyard.extract.preflight import Examined
from switchyard.extract.statement import Bounds
from switchyard.flow.spec import Flow
from switchyard.lake.metastore import TableVersion
from switchyard.ledger.loads import Load
from switchyard.legs.tables import versions
from switchyard.prove.contract import Agreed
from switchyard.types.carry import CarriedColumn
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import HiveType


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
    before_columns: dict[str, HiveType]
    before_paths: tuple[str, ...]
    before_rows: int | None

    @classmethod
    def of(cls, load: Load) -> Planned:
        """As the ledger keeps it."""
        facts = load.facts["plan"]
        bounds = facts["bounds"]
        return cls(
            columns=tuple(CarriedColumn.of(column) for column in facts["columns"]),
            left_out=tuple(CarriedColumn.of(column) for column in facts["left_out"]),
            key=tuple(facts["key"]),
            split_by=facts["split_by"],
            bounds=Bounds(**bounds) if bounds else None,
            sweep=facts["sweep"],
            changes=tuple(facts["changes"]),
            before_columns={name: HiveType.parse(text) for name, text in facts["before_columns"].items()},
            before_paths=tuple(facts["before_paths"]),
            before_rows=facts["before_rows"],
        )

    def facts(self) -> dict[str, Any]:
        """For the ledger."""
        return {
            **{field.name: getattr(self, field.name) for field in fields(self)},
            "columns": [column.facts() for column in self.columns],
            "left_out": [column.facts() for column in self.left_out],
            "before_columns": {name: str(kind) for name, kind in self.before_columns.items()},
            "bounds": asdict(self.bounds) if self.bounds else None,
        }

    @property
    def hive_columns(self) -> list[HiveColumn]:
        """The version's columns."""
        return versions.hive_columns(self.columns)

    @property
    def hive_types(self) -> dict[str, HiveType]:
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
