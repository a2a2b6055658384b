"""One side of a comparison: the digest of each of its rows, by key, in a file.

A bucket is `crc32(key) % buckets`. Its digest is its number of rows and the sums of both halves of its rows' 128-bit
digests (BLAKE2b), so that the order of reading does not matter. It detects accidents and tampering, not collisions that
somebody built on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

BUCKETS = 4096
DIGEST_BYTES = 16
_FLUSH_ROWS = 65_536
_FIELDS: list[Any] = [
    pa.field("bucket", pa.int32()),
    pa.field("key", pa.binary()),
    pa.field("lo", pa.uint64()),
    pa.field("hi", pa.uint64()),
    pa.field("file", pa.int32()),
    pa.field("row", pa.int64()),
    pa.field("left_out", pa.bool_()),
]
SCHEMA: pa.Schema = pa.schema(_FIELDS)


def bucket_of(key: bytes, buckets: int = BUCKETS) -> int:
    """The bucket of a key's bytes."""
    return crc32(key) % buckets


def digest_of(key: bytes, content: bytes) -> bytes:
    """A row's digest, 16 bytes."""
    return blake2b(len(key).to_bytes(4) + key + content, digest_size=DIGEST_BYTES).digest()


class DigestSpool:
    """Writes keys and digests of one side to a Parquet file, flat in memory. Use as a context manager."""

    def __init__(self, path: Path, buckets: int = BUCKETS) -> None:
        self.path = path
        self.buckets = buckets
        self.rows = 0
        self.bytes = 0
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="snappy", use_dictionary=False)
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0

    def __enter__(self) -> DigestSpool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._flush()
        self._writer.close()

    def add(
        self,
        keys: Sequence[bytes],
        contents: Iterable[bytes],
        *,
        file: int = -1,
        first_row: int = 0,
        left_out: Sequence[bool] | None = None,
    ) -> None:
        """Digest rows and write their keys and digests.

        Args:
            keys: each row's key bytes.
            contents: each row's bytes, in the same order.
            file: which of the side's files the rows are in, if it has files.
            first_row: number of the first of these rows in that file; the others follow it.
            left_out: True for rows to leave out of the comparison, along with every other row of the same key.
        """
        digests = bytearray()
        for key, content in zip(keys, contents, strict=True):
            digests += digest_of(key, content)
            self.bytes += len(content)
        if not keys:
            return
        words = np.frombuffer(bytes(digests), dtype="<u8").reshape(-1, 2)
        buckets = np.fromiter((crc32(key) for key in keys), dtype=np.int64, count=len(keys)) % self.buckets
        columns = [
            pa.array(buckets.astype(np.int32)),
            pa.array(keys, pa.binary()),
            pa.array(words[:, 0]),
            pa.array(words[:, 1]),
            pa.array(np.full(len(keys), file, dtype=np.int32)),
            pa.array(np.arange(first_row, first_row + len(keys), dtype=np.int64)),
            pa.array(left_out if left_out is not None else np.zeros(len(keys), dtype=bool)),
        ]
        self._pending.append(pa.RecordBatch.from_arrays(columns, schema=SCHEMA))
        self._pending_rows += len(keys)
        self.rows += len(keys)
        if self._pending_rows >= _FLUSH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self._writer.write_table(pa.Table.from_batches(self._pending).combine_chunks())
        self._pending = []
        self._pending_rows = 0
