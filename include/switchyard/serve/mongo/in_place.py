"""Publishing into a live collection: changed documents are replaced and deleted one by one, by `_id`.

Each document changes at once; the collection as a whole does not. The changes are two files, written and digested
before the publish: whole documents as BSON, and the keys. All of it may be repeated: a crash replays the files whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bson import decode_file_iter
from bson.raw_bson import RawBSONDocument

from switchyard.errors import ReconcileMismatch
from switchyard.flow.cures import run_again
from switchyard.serve.mongo.digest import ContentDigest
from switchyard.serve.mongo.target import RAW, MongoTarget

_CHUNK = 1000
_CHUNK_BYTES = 16 << 20
Guard = Callable[[], None]


@dataclass(frozen=True)
class Replacements:
    """Documents to put in place: how many, and the digest of their bytes (`switchyard.serve.digest`)."""

    file: Path
    documents: int
    digest: str


@dataclass(frozen=True)
class InPlaceReport:
    """What was written, and read back."""

    replaced: int
    deleted: int
    documents: int


def write_replacements(batches: Iterable[Sequence[bytes]], out: Path) -> Replacements:
    """Write encoded documents one after another, as mongodump does."""
    digest = ContentDigest()
    with out.open("wb") as target:
        for batch in batches:
            digest.add(batch)
            target.writelines(batch)
    return Replacements(out, digest.documents, digest.hex)


def apply_changes(
    mongo: MongoTarget,
    collection: str,
    file: Path,
    deleted: Callable[[], Iterable[Any]],
    indexes: Sequence[Sequence[str]],
    *,
    guard: Guard,
) -> None:
    """Delete the documents of deleted keys, then put the changed ones in place. It may be repeated.

    Args:
        mongo: the database.
        collection: the live one, which exists.
        file: `write_replacements`'.
        deleted: yields the deleted `_id`s, anew at each call.
        indexes: built if they are missing.
        guard: called before each batch and after the last; raises when the load is no longer ours, so that a process
            that was overtaken while it slept writes one batch at most, and learns it.
    """
    mongo.ensure_indexes(collection, indexes)
    for ids in _chunks(deleted(), _CHUNK):
        guard()
        mongo.delete(collection, ids)
    for documents in read_chunks(file):
        guard()
        mongo.replace(collection, documents)
    guard()


def check_applied(
    mongo: MongoTarget,
    collection: str,
    changed: Replacements,
    deleted: Callable[[], Iterable[Any]],
    rows: int,
    flow: str,
) -> InPlaceReport:
    """Read the changed documents back and count all.

    Raises:
        ReconcileMismatch: something is not as in Hive's version.
    """
    stored = ContentDigest()
    for documents in read_chunks(changed.file):
        stored.add(bytes(d.raw) for d in mongo.find_raw(collection, [d["_id"] for d in documents]))
    deletions = 0
    remaining = 0
    for ids in _chunks(deleted(), _CHUNK):
        deletions += len(ids)
        remaining += len(mongo.find_raw(collection, ids))
    counted = mongo.count(collection)
    stored_documents = stored.documents
    if (stored_documents, stored.hex, remaining, counted) != (changed.documents, changed.digest, 0, rows):
        raise ReconcileMismatch(
            f"published, but MongoDB does not match Hive: {counted} documents instead of {rows}; {stored_documents} of "
            f"{changed.documents} replaced documents are there; {remaining} of {deletions} deleted ones are still there"
            + ("; replaced documents differ in content" if stored.hex != changed.digest else ""),
            where=f"flow {flow}, collection {collection}",
            cure="readers of MongoDB see this now; most likely another client writes to the collection: find and stop "
            f"it; then {run_again('serve', flow)}; the new run replaces the whole collection",
        )
    return InPlaceReport(changed.documents, deletions, counted)


def read_chunks(file: Path) -> Iterator[list[RawBSONDocument]]:
    """Documents in chunks of at most 1,000 and about 16 MiB."""
    chunk: list[RawBSONDocument] = []
    size = 0
    with file.open("rb") as source:
        for document in decode_file_iter(source, codec_options=RAW):
            chunk.append(document)
            size += len(document.raw)
            if len(chunk) == _CHUNK or size >= _CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
    if chunk:
        yield chunk


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
