"""A column as Hive has it: name, type, comment."""

from __future__ import annotations

from dataclasses import dataclass

from switchyard.types.hive_type import HiveType


@dataclass(frozen=True)
class HiveColumn:
    """Name (lower case, as the metastore keeps it), type, and description."""

    name: str
    type: HiveType
    comment: str = ""
