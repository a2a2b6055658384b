"""A column as Hive has it: name, type, comment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class HiveColumn:
    """Name and Hive type, both lower case as the metastore keeps them."""

    name: str
    type: str
    comment: str = ""
