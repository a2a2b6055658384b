"""The columns of the version before, and what the flow itself changed since: names, and what it leaves out. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from switchyard.types.carry import CarriedColumn, is_other_place
from switchyard.types.hive_type import HiveType


@dataclass(frozen=True)
class KnownColumn:
    """A column of the current version.

    `dropped`: the source dropped it, or the flow leaves it out, and it is kept as NULL. `source`: the column that it
    was read from; empty if that is not known. `place`, `labels`: see `types.carry.CarriedColumn`.
    `in_key`: rows were told apart by it.
    """

    name: str
    hive_type: HiveType
    comment: str = ""
    not_null: bool = False
    postgres_type: str = ""
    dropped: bool = False
    source: str = ""
    place: str = ""
    labels: tuple[str, ...] = ()
    in_key: bool = False

    @classmethod
    def of(cls, column: CarriedColumn, *, in_key: bool = False) -> KnownColumn:
        """A column as a load published it; without a source it was dropped."""
        return cls(
            name=column.name,
            hive_type=column.hive_type,
            comment=column.comment,
            not_null=column.not_null,
            postgres_type=column.postgres_type,
            dropped=column.source == "",
            source=column.source,
            place=column.place,
            labels=column.labels,
            in_key=in_key,
        )

    def is_of(self, source: str) -> bool:
        """True if it was read from this source column; by its name where the source is not known."""
        if self.dropped:
            return False
        return self.source == source if self.source else self.name == source.lower()

    def is_another_of_its_name(self, now: CarriedColumn) -> bool:
        """True if the source has another column of the same name: dropped and added again, or renamed."""
        return self.name == now.name and self.is_of(now.source) and is_other_place(self.place, now.place)

    def renamed_labels(self, now: CarriedColumn) -> list[str]:
        """Labels that are not what they were (see `PostgresType`): the source has other texts of rows read before.

        Labels of an enum that are added, at any place, rename nothing.
        """
        if not self.labels or not now.labels or self.name != now.name or not self.is_of(now.source):
            return []
        rest = iter(now.labels)
        return [label for label in self.labels if label not in now.labels] or [
            label for label in self.labels if label not in rest
        ]


@dataclass(frozen=True)
class NameChanges:
    """What the flow itself changed: which columns it calls otherwise than before, and which it leaves out."""

    before: Sequence[KnownColumn]
    now: Sequence[CarriedColumn]
    not_read: Collection[str]

    def new_name(self, column: KnownColumn) -> str | None:
        """The name under which a column of the version before is carried now, if that is another one."""
        names = (each.name for each in self.now if column.is_of(each.source) and each.name != column.name)
        return next(names, None)

    def old_name(self, column: CarriedColumn) -> str | None:
        """The name under which a source column was carried before, if that is another one."""
        names = (each.name for each in self.before if each.is_of(column.source) and each.name != column.name)
        return next(names, None)

    def leaves_out(self, column: KnownColumn) -> bool:
        """True if the source column is there, and the flow does not read it any more."""
        return any(column.is_of(source) for source in self.not_read)

    def still_has(self, column: KnownColumn) -> bool:
        """True if the source has the column that this one was read from, carried or left out."""
        return self.leaves_out(column) or any(column.is_of(each.source) for each in self.now)

    def is_another(self, before: KnownColumn, now: CarriedColumn) -> bool:
        """True if a lake column is read from another source column than before; one in other capitals is the same."""
        if before.dropped or before.source in ("", now.source):
            return False
        return self.still_has(before) or before.source.lower() != now.source.lower()
