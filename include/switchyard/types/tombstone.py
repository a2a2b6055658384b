"""The one rule by which a tombstone column says that a row is deleted."""

from __future__ import annotations

from switchyard.types.hive_type import BOOLEAN, HiveType


def marks_deleted(name: str, kind: HiveType | None) -> str:
    """SQL, for PostgreSQL and for Hive alike, that is true for a deleted row and never NULL.

    Args:
        name: the tombstone column, quoted.
        kind: the column's type in the lake. A BOOLEAN deletes by true, any other type by not being NULL: so does a
            boolean that is carried `as: string`, whose text says nothing to Hive.
    """
    return f"coalesce({name}, false)" if kind == BOOLEAN else f"({name} is not null)"
