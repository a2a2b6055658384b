"""The one rule by which a tombstone column says that a row is deleted, and which columns may be one."""

from __future__ import annotations

from collections.abc import Sequence

from switchyard.types.carry import CarriedColumn
from switchyard.types.hive_type import BOOLEAN, DATE, TIMESTAMP, HiveType

MARKS = (BOOLEAN, DATE, TIMESTAMP)
"""Types whose values say it: true, or a moment. A text or a number may mean either: `false`, `N` and 0 are values."""


def marks_deleted(name: str, kind: HiveType | None) -> str:
    """SQL, for PostgreSQL and for Hive alike, that is true for a deleted row and never NULL.

    Args:
        name: the tombstone column, quoted.
        kind: the column's type in the lake. A BOOLEAN deletes by true, a DATE or TIMESTAMP by not being NULL. Other
            types occur in loads that an earlier release planned, which deleted by any value; `tombstone_fault` refuses
            them.
    """
    return f"coalesce({name}, false)" if kind == BOOLEAN else f"({name} is not null)"


def tombstone_fault(name: str, columns: Sequence[CarriedColumn]) -> str | None:
    """A sentence on why a source column cannot be the tombstone of a merge, with the cure; None when it can.

    `columns` are those that the load carries.
    """
    column = next((column for column in columns if column.source == name), None)
    if column is None:
        listed = ", ".join(column.source for column in columns if column.source)
        return (
            f"source.tombstone {name!r} is not a column that the load reads, so that no row would be deleted; it reads "
            f"{listed}: correct the name, or set contract.columns: evolve, which takes new columns"
        )
    if column.hive_type in MARKS:
        return None
    cure = f"make it one in source.query: select …, {name} = … as {name}"
    if column.chosen:
        cure = f"leave `as` out of columns.{name} if it is one at the source, or {cure}"
    return (
        f"source.tombstone {name!r} is {column.hive_type.shown} in the lake, whose values do not say which rows are "
        f"deleted: it has to be a boolean (true deletes), a date or a timestamp (any value deletes); {cure}"
    )
