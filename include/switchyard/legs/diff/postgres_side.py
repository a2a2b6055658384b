"""PostgreSQL ↔ Hive, by value: the source by one statement, in one snapshot, with the type table's own expressions.

The digests of PostgreSQL's rows are made on this side of the connection: no function of the server makes the bytes
that a Parquet file holds. Mode digest keeps digests only; mode values keeps the rows as text in this step's scratch
directory until it ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from switchyard.compare.digests import DigestSpool
from switchyard.compare.rows import ComparedColumn
from switchyard.compare.source_text import join_elements, text_elements, typed_elements
from switchyard.errors import NothingToCompare
from switchyard.extract.postgres import relation
from switchyard.flow.spec import Flow
from switchyard.serve.documents.encoder import read_batches
from switchyard.types.carry import CarriedColumn
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import BINARY
from switchyard.types.quoting import quote_literal, quote_postgres
from switchyard.types.tombstone import marks_deleted

_BATCH_BYTES = 16 << 20
_FIRST_ROWS = 500
_MOST_ROWS = 20_000


@dataclass(frozen=True)
class SourceStatement:
    """A statement that gives a text for every compared column, in order, then whether the row moved since the load."""

    query: str
    columns: tuple[ComparedColumn, ...]
    key: tuple[str, ...]
    not_compared: tuple[str, ...]


def build_statement(
    flow: Flow,
    carried: Sequence[CarriedColumn],
    key: Sequence[str],
    hive: Sequence[HiveColumn],
    schema: pa.Schema,
    bookmark: str | None,
) -> SourceStatement:
    """Write the statement for the columns that both sides have.

    Args:
        flow: the flow.
        carried: the source's columns as they are now.
        key: names of the key columns in the source; empty when there is none.
        hive: the version's columns.
        schema: of its Parquet files.
        bookmark: rows whose cursor has reached it came after the load; None: compare all.
    """
    types = {column.name: column.type for column in hive}
    both = [c for c in carried if c.name in types and c.name in schema.names]
    alone = sorted({c.name for c in carried} ^ set(schema.names))
    named = {column.source: column for column in carried}
    lake_key = tuple(named[name].name for name in key)
    _require_key(flow, lake_key, both)
    moved = "false"
    condition = f"({flow.source.where or 'true'})"
    if bookmark is not None and flow.source.cursor is not None:
        moved = f"coalesce({quote_postgres(flow.source.cursor)} >= {quote_literal(bookmark)}, false)"
    if flow.lake.mode == "merge" and flow.source.tombstone is not None:
        tombstone = named[flow.source.tombstone]
        is_deleted = marks_deleted(quote_postgres(tombstone.source), tombstone.hive_type)
        condition += f" and (not {is_deleted} or {moved})"
    texts = ", ".join(f"{_text(column)} as c{number}" for number, column in enumerate(both))
    return SourceStatement(
        f"select {texts}, {moved} as moved from {relation(flow.source)} where {condition}",
        tuple(ComparedColumn(c.name, c.postgres_type, types[c.name], schema.field(c.name).type) for c in both),
        lake_key,
        tuple(alone),
    )


def _require_key(flow: Flow, key: Sequence[str], columns: Sequence[CarriedColumn]) -> None:
    """Raise NothingToCompare for a key that the version was published without, under the names of the flow now."""
    missing = set(key) - {column.name for column in columns}
    if missing:
        raise NothingToCompare(
            f"the published version has no column {', '.join(sorted(missing))}, which is the key now",
            where=f"flow {flow.flow}",
            cure=f"load a version with that column: switchyard run ingest {flow.flow}; then: switchyard diff "
            f"{flow.flow} --between postgres-hive",
        )


class _TextBatch(NamedTuple):
    """Rows of the source: the texts of each column, and whether a row moved since the load."""

    columns: list[pa.StringArray]
    moved: list[bool]

    @property
    def bytes(self) -> int:
        """Of the texts, in Arrow's memory."""
        return sum(column.nbytes for column in self.columns)


class _RowBytes(NamedTuple):
    """Each row's key and content, as bytes that are equal for equal values."""

    keys: list[bytes]
    contents: list[bytes]


def read_source(
    session: psycopg.Connection[tuple[object, ...]], statement: SourceStatement, digests: Path, rows: Path | None
) -> DigestSpool:
    """Read the source in one snapshot: digests by key, and with `rows` the rows themselves, as text."""
    names = [column.name for column in statement.columns]
    kinds = [column.kind for column in statement.columns]
    spooled = pa.schema([pa.field(name, pa.string()) for name in names])
    first = 0
    with ExitStack() as stack:
        spool = stack.enter_context(DigestSpool(digests))
        writer = stack.enter_context(pq.ParquetWriter(rows, spooled)) if rows is not None else None
        for batch in _fetch(session, statement.query, len(names)):
            elements = [text_elements(texts, kind) for texts, kind in zip(batch.columns, kinds, strict=True)]
            rows_read = _row_bytes(names, elements, statement.key)
            spool.add(rows_read.keys, rows_read.contents, file=0, first_row=first, left_out=batch.moved)
            if writer is not None:
                writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=spooled))
            first += len(batch.moved)
    return spool


def read_lake(files: Sequence[Path], statement: SourceStatement, digests: Path) -> DigestSpool:
    """Digest every row of a version's files, by the same columns."""
    names = [column.name for column in statement.columns]
    with DigestSpool(digests) as spool:
        for number, file in enumerate(files):
            row = 0
            for batch in read_batches([file]):
                elements = [typed_elements(batch.column(name)) for name in names]
                rows_read = _row_bytes(names, elements, statement.key)
                spool.add(rows_read.keys, rows_read.contents, file=number, first_row=row)
                row += batch.num_rows
    return spool


def _row_bytes(names: Sequence[str], elements: Sequence[pa.LargeBinaryArray], key: Sequence[str]) -> _RowBytes:
    """Join the columns' elements row by row; without a key, each row is its own key."""
    contents = join_elements(list(elements))
    keys = join_elements([elements[names.index(name)] for name in key]) if key else contents
    return _RowBytes(keys, contents)


def _fetch(session: psycopg.Connection[tuple[object, ...]], query: str, columns: int) -> Iterator[_TextBatch]:
    """Batches of text columns, of about the same number of bytes, through a server-side cursor."""
    batch_rows = _FIRST_ROWS
    with session.cursor(name="switchyard_diff") as cursor:
        cursor.execute(query.encode())
        while rows := cursor.fetchmany(batch_rows):
            *texts, moved = zip(*rows, strict=True)
            arrays = [pa.array(values, pa.string()) for values in texts[:columns]]
            batch = _TextBatch(arrays, [value is True for value in moved])
            batch_rows = max(1, min(_MOST_ROWS, _BATCH_BYTES * len(rows) // max(1, batch.bytes)))
            yield batch


def _text(column: CarriedColumn) -> str:
    if column.hive_type == BINARY:
        return f"pg_catalog.encode({quote_postgres(column.source)}, 'hex')"
    return f"pg_catalog.to_json({column.carry})::text" if column.staged.is_list else column.carry
