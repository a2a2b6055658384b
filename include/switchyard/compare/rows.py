"""A row of the source compared with its row in Hive, column by column. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from switchyard.compare.join import Cell, Difference, Suspect
from switchyard.compare.sameness import exact, show
from switchyard.compare.source_text import source_value
from switchyard.types.hive_type import HiveType


@dataclass(frozen=True)
class ComparedColumn:
    """One column on both sides: its name in Hive, PostgreSQL's type, Hive's, and the Arrow type of its values."""

    name: str
    postgres_type: str
    hive_type: HiveType
    kind: Any


def compare_row(suspect: Suspect, columns: Sequence[ComparedColumn], key: Sequence[str]) -> Difference | None:
    """The difference at one key, PostgreSQL being the left side; None when the rows are the same."""
    source = suspect.left
    hive = suspect.right
    shown = _key(suspect, columns, key)
    if suspect.left_n > 1 or suspect.right_n > 1:
        counts = Cell("", ("rows", str(suspect.left_n)), ("rows", str(suspect.right_n)))
        return Difference(shown, suspect.bucket, "repeated", (counts,))
    if source is None or hive is None:
        return _one_sided(shown, suspect, columns)
    cells = tuple(
        Cell(c.name, (c.postgres_type, source[c.name]), (str(c.hive_type), show(hive[c.name])[1]))
        for c in columns
        if exact(source_value(source[c.name], c.kind)) != exact(hive[c.name])
    )
    return Difference(shown, suspect.bucket, "changed", cells) if cells else None


def _one_sided(shown: str, suspect: Suspect, columns: Sequence[ComparedColumn]) -> Difference | None:
    if suspect.left is not None:
        text = json.dumps({c.name: suspect.left[c.name] for c in columns}, ensure_ascii=False)
        return Difference(shown, suspect.bucket, "missing", (Cell("", ("row", text), ("missing", None)),))
    if suspect.right is not None:
        text = json.dumps({c.name: show(suspect.right[c.name])[1] for c in columns}, ensure_ascii=False)
        return Difference(shown, suspect.bucket, "extra", (Cell("", ("missing", None), ("row", text)),))
    return None


def _key(suspect: Suspect, columns: Sequence[ComparedColumn], key: Sequence[str]) -> str:
    kinds = {column.name: column.kind for column in columns}
    values: Mapping[str, Any] = suspect.right or {
        name: source_value((suspect.left or {}).get(name), kinds[name]) for name in key
    }
    parts = {name: _plain(values.get(name)) for name in key}
    return json.dumps(parts if len(key) > 1 else next(iter(parts.values()), None), ensure_ascii=False)


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | str) or value is None else show(value)[1]
