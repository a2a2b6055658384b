"""Rows of Hive's Parquet files as BSON documents, exactly.

What a column becomes:

| Arrow (Hive) | BSON |
|---|---|
| int8, int16, int32 (TINYINT, SMALLINT, INT) | int32 |
| int64 (BIGINT) | int64, however small the value |
| float32, float64 | double; NaN, ±Infinity and -0.0 kept |
| decimal128 | Decimal128 with the column's scale; over 34 digits refused |
| bool, string, binary | bool, string, binary subtype 0 |
| date | date at midnight UTC |
| timestamp | date, when it has no part below the millisecond; see `Timestamps` |
| list, struct | array, subdocument |
| anything else | refused |

NULL becomes an explicit null field, not a missing one: a missing field looks like a column that did not exist,
and `{field: null}` finds it either way. `_id` is the key column's value, or with several columns a
subdocument of them in key order; the key columns stay fields too.

Timestamps finer than a millisecond, which a BSON date has not: `refuse` them; keep them `beside`: field `<column>` is
the date, rounded down, and field `<column>_us` the exact value in int64 microseconds since 1970-01-01 UTC, alone
enough; or store all of the column as ISO 8601 text (`string`) with six digits of fraction, without zone. Inside a list,
where a value has no field beside it, and in a key, `beside` refuses them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from switchyard.errors import ReconcileMismatch, ValueRefused
from switchyard.flow.naming import MICROSECONDS_FIELD
from switchyard.serve.documents.columns import (
    Array,
    Place,
    RefusedAt,
    Timestamps,
    document,
    elements,
    is_supported,
    pc,
)
from switchyard.serve.documents.shown import show

MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
BATCH_BYTES = 16 * 1024 * 1024
BATCH_ROWS = 8192
_CURE = "nothing was published; change the flow file as each line above says, then run the ingest and the serve leg"
_RENAME = "give it another name, columns: {COLUMN: {name: NAME}}, or in serve.select"


class DocumentEncoder:
    """Encodes record batches of one schema; refuses at once a schema or key that cannot be served.

    Raises:
        ValueRefused: here for types, names and keys, in `encode` for values; each names the column and the cure.
    """

    def __init__(
        self, schema: pa.Schema, key: Sequence[str], *, timestamps: Timestamps = "refuse", where: str = ""
    ) -> None:
        self.schema, self.key, self.timestamps, self.where = schema, tuple(key), timestamps, where
        _require_key(schema, self.key, where)
        _require_fields(list(schema), timestamps, where)

    def encode(self, batch: pa.RecordBatch) -> list[bytes]:
        """One BSON document per row, `_id` first, then the columns in their order."""
        if batch.num_rows == 0:
            return []
        self._require_schema(batch)
        self._require_keys(batch)
        try:
            parts = self._ids(batch) + self._fields(batch)
        except RefusedAt as error:
            place = f"{self.where} column {error.column}, row {self.show_key(batch, error.row)}".strip()
            raise ValueRefused(error.what, where=place, cure=error.cure) from error
        encoded = document(parts, batch.num_rows)
        self._require_size(batch, encoded)
        documents: list[bytes] = encoded.to_pylist()
        return documents

    def encode_all(self, batches: Iterable[pa.RecordBatch]) -> Iterator[list[bytes]]:
        """`encode` over batches, one in memory at a time."""
        return (self.encode(batch) for batch in batches)

    def show_key(self, batch: pa.RecordBatch, row: int) -> str:
        """A row's key for a message: `id=7, day=2024-01-01`."""
        return ", ".join(f"{key_column}={show(batch.column(key_column), row)}" for key_column in self.key)

    def _ids(self, batch: pa.RecordBatch) -> list[Array]:
        rows = np.arange(batch.num_rows)
        if len(self.key) == 1:
            return elements("_id", batch.column(self.key[0]), Place(self.key[0], rows, self.timestamps, in_key=True))
        columns = [batch.column(name) for name in self.key]
        struct = pa.StructArray.from_arrays(columns, names=list(self.key))
        return elements("_id", struct, Place("_id", rows, self.timestamps, in_key=True))

    def _fields(self, batch: pa.RecordBatch) -> list[Array]:
        rows = np.arange(batch.num_rows)
        parts = []
        for field in batch.schema:
            if field.name != "_id":
                parts += elements(field.name, batch.column(field.name), Place(field.name, rows, self.timestamps))
        return parts

    def _require_schema(self, batch: pa.RecordBatch) -> None:
        if not batch.schema.equals(self.schema):
            raise ReconcileMismatch(
                f"a file's columns differ from the first file's: {_difference(self.schema, batch.schema)}",
                where=self.where,
                cure="files of another table are in the version's directory in HDFS: run the ingest leg, which loads a "
                "new version, then the serve leg",
            )

    def _require_keys(self, batch: pa.RecordBatch) -> None:
        for name in self.key:
            if nulls := batch.column(name).null_count:
                raise ValueRefused(
                    f"{nulls} rows have NULL in key column {name}",
                    where=self.where,
                    cure="name columns that are never NULL in `serve.key`, or leave those rows out with `serve.select`",
                )

    def _require_size(self, batch: pa.RecordBatch, encoded: Array) -> None:
        lengths = pc.binary_length(encoded).to_numpy(zero_copy_only=False)
        if lengths.max() > MAX_DOCUMENT_BYTES:
            row = int(np.argmax(lengths))
            raise ValueRefused(
                f"the row makes a document of {lengths[row]:,} bytes; MongoDB's limit is {MAX_DOCUMENT_BYTES:,}",
                where=f"{self.where} row {self.show_key(batch, row)}".strip(),
                cure="leave the large column or that row out, by a query in serve.select",
            )


def parquet_files(directory: Path) -> list[Path]:
    """The data files of a downloaded version, in name order: no hidden, no `_`, no empty file (Hive writes some)."""
    files = (path for path in sorted(directory.rglob("*")) if path.is_file() and path.name[0] not in "._")
    return [path for path in files if path.stat().st_size]


def read_schema(files: Sequence[Path]) -> pa.Schema | None:
    """Columns of the first file, without metadata; None when there is no file."""
    return pq.read_schema(files[0]).remove_metadata() if files else None


def read_batches(files: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    """Record batches of about `BATCH_BYTES` of uncompressed data, so that memory does not grow with the table."""
    for path in files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_batch_rows(file.metadata)):
                yield pa.RecordBatch.from_arrays(batch.columns, schema=batch.schema.remove_metadata())


def _batch_rows(metadata: pq.FileMetaData) -> int:
    size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    return max(1, min(BATCH_ROWS, BATCH_BYTES * metadata.num_rows // max(size, 1)))


def _require_key(schema: pa.Schema, key: Sequence[str], where: str) -> None:
    faults = list(_key_faults(schema, key))
    if faults:
        raise ValueRefused("serve.key cannot be the key of documents:", where=where, cure=_CURE, findings=faults)


def _key_faults(schema: pa.Schema, key: Sequence[str]) -> Iterator[str]:
    if not key or len(set(key)) != len(key):
        yield "the key has to be one or more different columns: name each of them once in serve.key"
    for name in key:
        if name not in schema.names:
            yield f"key column {name} is missing: name one of the columns that there are ({', '.join(schema.names)})"
        elif not _can_be_key(schema.field(name).type):
            kind = schema.field(name).type
            yield (
                f"key column {name} is of type {kind}, which identifies no row exactly: name another column, or carry "
                f"its text, columns: {{COLUMN: {{as: string}}}}"
            )
    if "_id" in schema.names and tuple(key) != ("_id",):
        yield (
            "column _id is not in `serve.key`, and MongoDB keeps the key under that name: set serve.key to _id, or "
            "give the column another name in serve.select"
        )


def _can_be_key(kind: pa.DataType) -> bool:
    unfit = (pa.types.is_floating, pa.types.is_nested, pa.types.is_null)
    return not any(test(kind) for test in unfit)


def _require_fields(fields: list[Any], timestamps: Timestamps, where: str) -> None:
    faults = list(_field_faults(fields, timestamps, ()))
    if faults:
        raise ValueRefused("these columns cannot be served as they are:", where=where, cure=_CURE, findings=faults)


def _field_faults(fields: list[Any], timestamps: Timestamps, parents: tuple[str, ...]) -> Iterator[str]:
    names = [field.name for field in fields]
    for field in fields:
        column = ".".join([*parents, field.name])
        if not field.name or "\0" in field.name or "." in field.name or field.name.startswith("$"):
            yield f"column {column!r} cannot be a MongoDB field name (empty, or with a . or $): {_RENAME}"
        if names.count(field.name) > 1:
            yield f"column {column} occurs twice: {_RENAME}"
        if not is_supported(field.type):
            yield (
                f"column {column} is of type {field.type}, which has no exact BSON type: store it as text, "
                f"columns: {{COLUMN: {{as: string}}}}, or cast it to string in serve.select"
            )
        beside = MICROSECONDS_FIELD.format(field.name)
        if timestamps == "beside" and pa.types.is_timestamp(field.type) and beside in names:
            yield (
                f"serve.timestamps: beside adds field {beside} to each document, and there is a column of that name: "
                "set serve.timestamps to string, or rename that column"
            )
        yield from _field_faults(_struct_fields(field.type), timestamps, (*parents, field.name))


def _struct_fields(kind: Any) -> list[Any]:
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    return [kind.field(i) for i in range(kind.num_fields)] if pa.types.is_struct(kind) else []


def _difference(ours: pa.Schema, theirs: pa.Schema) -> str:
    return ", ".join(sorted({str(f) for f in ours} ^ {str(f) for f in theirs})) or "their order"
