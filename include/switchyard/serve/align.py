"""Files of one version with one schema: partitions of mode append that are older than a column lack it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def align(files: Sequence[Path]) -> list[Path]:
    """Give every file the columns of the last one, in place; `files` are oldest first, and ours to change.

    A column that a file lacks is NULL in it; one that became wider is cast, which loses nothing.
    """
    if not files:
        return []
    wanted = pq.read_schema(files[-1]).remove_metadata()
    for path in files[:-1]:
        if not pq.read_schema(path).remove_metadata().equals(wanted):
            _rewrite(path, wanted)
    return list(files)


def _rewrite(path: Path, wanted: pa.Schema) -> None:
    made = path.with_name(f"{path.name}.aligned")
    with pq.ParquetFile(path) as source, pq.ParquetWriter(made, wanted) as target:
        for batch in source.iter_batches():
            columns = [
                batch.column(field.name).cast(field.type)
                if field.name in batch.schema.names
                else pa.nulls(batch.num_rows, field.type)
                for field in wanted
            ]
            target.write_batch(pa.RecordBatch.from_arrays(columns, schema=wanted))
    made.replace(path)
