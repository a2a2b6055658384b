"""MongoDB's side of a diff: a collection as it is now, digested by key, and its documents looked up again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bson import decode
from pymongo.errors import OperationFailure

from switchyard.compare.digests import DigestSpool
from switchyard.compare.documents import compare_document
from switchyard.compare.join import Difference, Suspect
from switchyard.compare.sameness import CODEC
from switchyard.legs.diff.lake_side import LakeSide
from switchyard.serve.mongo.connection import explained
from switchyard.serve.mongo.read import is_killed_by_publish
from switchyard.serve.mongo.target import MongoTarget

_FETCH_BYTES = 16 << 20
_FETCH_DOCUMENTS = 1_000


class CollectionReplaced(Exception):
    """A publish replaced the collection while it was read: the comparison has to begin again."""


@dataclass(frozen=True)
class MongoSide:
    """A collection, read as raw BSON."""

    mongo: MongoTarget
    collection: str
    lake: LakeSide

    def read(self, path: Path) -> DigestSpool:
        """Digest every document; raises CollectionReplaced when a publish comes between."""
        with DigestSpool(path) as spool:
            for documents in self._batches():
                spool.add(list(map(self.lake.ids.of, documents)), documents)
        return spool

    def compare(self, suspects: Sequence[Suspect], document_bytes: int) -> Iterator[Difference]:
        """Look the suspects' documents up again, in portions that fit in memory, and compare field by field."""
        portion = max(1, min(_FETCH_DOCUMENTS, _FETCH_BYTES // max(1, document_bytes)))
        for start in range(0, len(suspects), portion):
            some = suspects[start : start + portion]
            identities = [self.lake.ids.value(suspect.key) for suspect in some]
            by_key: dict[bytes, list[dict[str, Any]]] = {}
            for document in self.mongo.find_raw(self.collection, identities):
                by_key.setdefault(self.lake.ids.of(bytes(document.raw)), []).append(decode(document.raw, CODEC))
            for suspect, identity in zip(some, identities, strict=True):
                difference = compare_document(suspect, identity, by_key.get(suspect.key, []), self.lake.form)
                if difference is not None:
                    yield difference

    def _batches(self) -> Iterator[list[bytes]]:
        with explained(self.mongo.connection):
            try:
                batches: Any = self.mongo.collection(self.collection).find_raw_batches({})
                for batch in batches:
                    yield list(split_documents(batch))
            except OperationFailure as error:
                if not is_killed_by_publish(error):
                    raise
                raise CollectionReplaced from error


def split_documents(batch: bytes) -> Iterator[bytes]:
    """The documents of a batch of BSON, one after another."""
    at = 0
    while at < len(batch):
        end = at + int.from_bytes(batch[at : at + 4], "little")
        yield batch[at:end]
        at = end
