"""Differences, counted as they come and written to a table: one row per key and column."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from switchyard.compare.join import Difference

_MOST_EXAMPLES = 20


def table_schema(left: str, right: str) -> pa.Schema:
    """The Arrow schema of the differences between two stores, with `hive_value`, `mongodb_value` and so on."""
    of_sides = [f"{side}_{part}" for side in (left, right) for part in ("type", "value")]
    texts: list[Any] = [pa.field(name, pa.string()) for name in ("diff_id", "key", "kind", "column_name", *of_sides)]
    return pa.schema([*texts, pa.field("bucket", pa.int32()), pa.field("compared_at", pa.timestamp("us"))])


class DifferenceWriter:
    """Counts differences and writes them to a Parquet file; flat in memory. Use as a context manager."""

    def __init__(self, diff_id: str, left: str, right: str, path: Path) -> None:
        self.diff_id = diff_id
        self.kinds: Counter[str] = Counter()
        self.columns: Counter[str] = Counter()
        self.buckets: Counter[int] = Counter()
        self.examples: list[dict[str, Any]] = []
        self._sides = (left, right)
        self._schema = table_schema(left, right)
        self._at = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        self._writer = pq.ParquetWriter(path, self._schema, compression="snappy")

    def __enter__(self) -> DifferenceWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._writer.close()

    @property
    def keys(self) -> int:
        """Number of keys that differ."""
        return self.kinds.total()

    def add(self, differences: Sequence[Difference]) -> None:
        """Count these differences and write them."""
        rows = []
        for difference in differences:
            self.kinds[difference.kind] += 1
            self.buckets[difference.bucket] += 1
            self.columns.update(cell.column for cell in difference.cells if difference.kind == "changed")
            rows += self._rows(difference)
        self.examples += rows[: _MOST_EXAMPLES - len(self.examples)]
        if rows:
            head = {"diff_id": self.diff_id, "compared_at": self._at}
            self._writer.write_table(pa.Table.from_pylist([{**head, **row} for row in rows], self._schema))

    def _rows(self, difference: Difference) -> list[dict[str, Any]]:
        left, right = self._sides
        return [
            {
                "key": difference.key,
                "kind": difference.kind,
                "column_name": cell.column or None,
                f"{left}_type": cell.left[0],
                f"{left}_value": cell.left[1],
                f"{right}_type": cell.right[0],
                f"{right}_value": cell.right[1],
                "bucket": difference.bucket,
            }
            for cell in difference.cells
        ]
