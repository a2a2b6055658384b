"""MongoDB as the serve leg's target: stage a collection, count it, publish it by one rename.

The publish is `renameCollection` with `dropTarget`: each query started sees the old documents or the new ones. A cursor
that is open then is killed with a retryable error (`switchyard.serve.mongo.read`). No document says which load it is
of, so that the documents are Hive's rows and no more: the name of an empty index does (`serve.mongo.marker`), which a
rename carries along in the same atomic step.

A rename replaces the whole collection, its indexes and options included. So `stage` makes the staging like the live
collection (`serve.mongo.form`), and adds the flow's indexes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import ReplaceOne, WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, OperationFailure

from switchyard.connections import Connection
from switchyard.errors import ConnectionUnusable
from switchyard.flow.naming import staging_collection_prefix
from switchyard.serve.mongo.connection import Document, connect, explained
from switchyard.serve.mongo.digest import ContentDigest
from switchyard.serve.mongo.form import CollectionForm, Options, form_of, index_refused
from switchyard.serve.mongo.marker import MARKER_FIELD, Marker
from switchyard.serve.mongo.refusals import NAMESPACE_NOT_FOUND, rename_refused, write_refused

RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
_MAJORITY = WriteConcern(w="majority")


@dataclass(frozen=True)
class StagedReport:
    """What `stage` wrote; `digest` is of the encoded documents (`switchyard.serve.digest`)."""

    documents: int
    bytes: int
    seconds: float
    digest: str


@dataclass(frozen=True)
class CollectionState:
    """A collection as it is; `indexes` are their key columns, `_id` left out."""

    exists: bool
    documents: int
    indexes: tuple[tuple[str, ...], ...]


class MongoTarget:
    """One MongoDB database, the connection's `schema`. Close it, or use it as a context manager."""

    def __init__(self, connection: Connection, *, timeout_seconds: float = 5.0) -> None:
        if not connection.schema:
            raise ConnectionUnusable(
                "the connection names no database",
                where=f"connection {connection.conn_id}",
                cure="write the database's name into the connection's schema field",
            )
        self.connection = connection
        self.client = connect(connection, timeout_seconds=timeout_seconds)
        self.database: Database[Document] = self.client.get_database(connection.schema, write_concern=_MAJORITY)

    def __enter__(self) -> MongoTarget:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the client's sockets."""
        self.client.close()

    def ping(self) -> None:
        """Ask the server for something that needs the login. Raises ServerUnavailable, ConnectionUnusable."""
        with explained(self.connection):
            self.client.admin.command("ping")
            self.database.list_collection_names(filter={"name": "switchyard"})

    def collection(self, name: str) -> Collection[Document]:
        """A collection of the database; majority writes, primary reads."""
        return self.database.get_collection(name)

    def raw(self, name: str) -> Collection[RawBSONDocument]:
        """The same, with documents as the BSON they are."""
        raw: Collection[RawBSONDocument] = self.database.get_collection(name, codec_options=RAW)  # type: ignore[assignment]
        return raw

    def exists(self, name: str) -> bool:
        """True if the collection exists. A staging collection exists until it is published."""
        with explained(self.connection):
            return bool(self.database.list_collection_names(filter={"name": name}))

    def count(self, name: str) -> int:
        """Documents counted one by one (no estimate from metadata, which a crash can falsify)."""
        with explained(self.connection):
            return self.collection(name).count_documents({})

    def digest(self, name: str) -> ContentDigest:
        """Read all documents back and digest them: equal to the staged report's when the values are the same."""
        digest = ContentDigest()
        with explained(self.connection):
            digest.add(bytes(document.raw) for document in self.raw(name).find({}))
        return digest

    def find_raw(self, name: str, ids: Sequence[Any]) -> list[RawBSONDocument]:
        """The documents that have one of these `_id`s."""
        with explained(self.connection):
            return list(self.raw(name).find({"_id": {"$in": list(ids)}}))

    def state(self, name: str) -> CollectionState:
        """The collection as it is now."""
        if not self.exists(name):
            return CollectionState(False, 0, ())
        return CollectionState(True, self.count(name), tuple(self._indexes(name)))

    def form(self, name: str) -> CollectionForm | None:
        """What a collection is besides its documents; None when it does not exist."""
        with explained(self.connection):
            described = list(self.database.list_collections(filter={"name": name}))
        if not described:
            return None
        listed = [] if described[0]["type"] == "view" else self._list_indexes(name)
        return form_of(described[0], list(listed))

    def stage(
        self,
        staging: str,
        batches: Iterable[Sequence[bytes]],
        indexes: Sequence[Sequence[str]] = (),
        marker: Marker | None = None,
        like: CollectionForm | None = None,
    ) -> StagedReport:
        """Write encoded documents into a new staging collection and build its indexes; majority-acknowledged.

        It gets the indexes of `like`, the live collection's form, and beside them the flow's `indexes`.

        `staging` is a try's own name: what a killed run of the same try left under it is dropped first. An empty
        version makes an empty collection.

        Raises:
            ValueRefused: two rows have the same `_id`; the message names it.
            ServerUnavailable, ConnectionUnusable, StepFailed: from the server.
        """
        started, size, digest = time.perf_counter(), 0, ContentDigest()
        with explained(self.connection):
            self.database.drop_collection(staging)
            self.database.create_collection(staging)
            if marker is not None:
                self._create_marker(staging, marker)
            target = self.raw(staging)
            for batch in batches:
                self._insert(target, batch)
                digest.add(batch)
                size += sum(map(len, batch))
        for index in like.indexes if like else ():
            self._copy_index(staging, index)
        self.ensure_indexes(staging, indexes)
        return StagedReport(digest.documents, size, time.perf_counter() - started, digest.hex)

    def ensure_indexes(self, name: str, indexes: Sequence[Sequence[str]]) -> None:
        """Build the indexes that a collection lacks; one on the same columns that somebody made counts."""
        form = self.form(name) if indexes else None
        with explained(self.connection):
            for columns in indexes:
                if form is None or not form.covers(tuple(columns)):
                    self.collection(name).create_index([(column, 1) for column in columns])

    def _copy_index(self, name: str, index: Options) -> None:
        with explained(self.connection):
            try:
                self.database.command({"createIndexes": name, "indexes": [index]})
            except OperationFailure as error:
                raise index_refused(error, index, self._where(name)) from error

    def marker(self, name: str) -> Marker | None:
        """Which load wrote a collection last, as its marker says; None without one, or without the collection."""
        markers = filter(None, map(Marker.parse, self._index_names(name)))
        return max(markers, key=lambda marker: marker.serve_seq, default=None)

    def mark(self, name: str, marker: Marker) -> None:
        """Make this marker the collection's only one. Again is fine."""
        names = self._index_names(name)
        with explained(self.connection):
            for other in names:
                if Marker.parse(other) not in (None, marker):
                    self.collection(name).drop_index(other)
            if marker.index_name not in names:
                self._create_marker(name, marker)

    def _create_marker(self, name: str, marker: Marker) -> None:
        self.collection(name).create_index([(MARKER_FIELD, 1)], name=marker.index_name, sparse=True)

    def replace(self, name: str, documents: Sequence[RawBSONDocument]) -> None:
        """Put whole documents in the place of those of the same `_id`, or beside them; majority-acknowledged."""
        writes: list[ReplaceOne[RawBSONDocument]] = [
            ReplaceOne({"_id": document["_id"]}, document, upsert=True) for document in documents
        ]
        with explained(self.connection):
            try:
                self.raw(name).bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                raise write_refused(error, self._where(name)) from error

    def delete(self, name: str, ids: Sequence[Any]) -> None:
        """Delete the documents of these `_id`s; majority-acknowledged."""
        with explained(self.connection):
            self.collection(name).delete_many({"_id": {"$in": list(ids)}})

    def publish_snapshot(self, staging: str, collection: str) -> None:
        """Rename the staging collection over the live one: the atomic step.

        Raises:
            PublishConflict: the staging collection does not exist: published already, or dropped by a later load.
            StepFailed: the server cannot rename it (sharded collections), and the old one stays.
        """
        names = {"renameCollection": f"{self.database.name}.{staging}", "to": f"{self.database.name}.{collection}"}
        with explained(self.connection):
            try:
                self.client.admin.command({**names, "dropTarget": True, "writeConcern": {"w": "majority"}})
            except OperationFailure as error:
                raise rename_refused(error, staging, self._where(collection)) from error

    def stagings(self, collection: str) -> list[str]:
        """Staging collections of a collection, of any load."""
        prefix = staging_collection_prefix(collection)
        with explained(self.connection):
            return sorted(n for n in self.database.list_collection_names() if seq_of_staging(n, prefix) is not None)

    def staged_seq(self, collection: str) -> int:
        """The highest serve seq that a staging of the collection has in its name; 0 without one."""
        prefix = staging_collection_prefix(collection)
        return max((seq_of_staging(name, prefix) or 0 for name in self.stagings(collection)), default=0)

    def drop_stagings(
        self, collection: str, *, older_than_seq: int | None = None, keep: str | None = None
    ) -> list[str]:
        """Drop stagings of other loads, so that a zombie's rename fails; returns their names.

        Args:
            collection: the live collection's name.
            older_than_seq: only those of a lower seq; None: all.
            keep: the staging to leave, whatever its seq.
        """
        dropped = []
        prefix = staging_collection_prefix(collection)
        for name in self.stagings(collection):
            seq = seq_of_staging(name, prefix)
            if name != keep and (older_than_seq is None or (seq is not None and seq < older_than_seq)):
                with explained(self.connection):
                    self.database.drop_collection(name)
                dropped.append(name)
        return dropped

    def _insert(self, target: Collection[RawBSONDocument], batch: Sequence[bytes]) -> None:
        if not batch:
            return
        try:
            target.insert_many([RawBSONDocument(document, RAW) for document in batch], ordered=False)
        except BulkWriteError as error:
            raise write_refused(error, self._where(target.name)) from error

    def _where(self, collection: str) -> str:
        return f"connection {self.connection.conn_id} collection {collection}"

    def _indexes(self, name: str) -> list[tuple[str, ...]]:
        """Key columns of the indexes, but for `_id` and the marker."""
        listed = self._list_indexes(name)
        return [tuple(index["key"]) for index in listed if tuple(index["key"]) not in (("_id",), (MARKER_FIELD,))]

    def _index_names(self, name: str) -> list[str]:
        return [str(index["name"]) for index in self._list_indexes(name)]

    def _list_indexes(self, name: str) -> list[Mapping[str, Any]]:
        with explained(self.connection):
            try:
                return list(self.collection(name).list_indexes())
            except OperationFailure as error:
                if error.code != NAMESPACE_NOT_FOUND:
                    raise
        return []


def seq_of_staging(name: str, prefix: str) -> int | None:
    """The seq in a staging collection's name; None for a name that is not one (`loads__sum_x` is nobody's staging)."""
    seq, _, try_id = name.removeprefix(prefix).partition("_")
    return int(seq) if name.startswith(prefix) and seq.isascii() and seq.isdigit() and try_id else None
