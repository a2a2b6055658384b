"""One set of columns for the files of a version: partitions of an append table are as old as their loads.

A column that was added later is NULL in older files, one whose type was widened is cast: the casts of Hive's reader,
and of the contract's lattice. The newest file says which columns there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from switchyard.serve.documents.encoder import read_batches, read_schema


def align_columns(files: Sequence[Path], directory: Path) -> list[Path]:
    """The files, with those that have other columns than the last one rewritten into `directory`."""
    schema = read_schema(files[-1:])
    return [file if read_schema([file]) == schema else _rewrite(file, schema, directory) for file in files]


def _rewrite(file: Path, schema: Any, directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    out = directory / f"{file.parent.name}_{file.name}"
    with pq.ParquetWriter(out, schema) as writer:
        for batch in read_batches([file]):
            writer.write_batch(pa.RecordBatch.from_arrays([_column(batch, field) for field in schema], schema=schema))
    return out


def _column(batch: Any, field: Any) -> Any:
    if field.name not in batch.schema.names:
        return pa.nulls(batch.num_rows, field.type)
    return batch.column(field.name).cast(field.type)
