"""MongoDB's own record of a served collection: one document in the collection `switchyard` of the same database.

The ledger is checked against it before serve acts, and can be made again from it. It changes by compare and swap only,
with majority writes: `writing` before anything of a load is visible, `served` when all of it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Literal

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from switchyard.errors import PublishConflict, SwitchyardError
from switchyard.flow.cures import run_again
from switchyard.flow.identifiers import OWN_COLLECTION
from switchyard.serve.mongo.connection import explained
from switchyard.serve.mongo.marker import Marker
from switchyard.serve.mongo.target import MongoTarget

Publish = Literal["snapshot", "delta"]
State = Literal["writing", "served"]
Value = str | int | None


@dataclass(frozen=True)
class ServedRecord:
    """One served collection.

    Args:
        collection: its name, the document's `_id`.
        flow: who serves it.
        table: the Hive table that it is served from, `database.table`.
        serve_seq: of the load that wrote the document.
        load_id: that load.
        lake_seq: the version of the table that it serves.
        ingest_load: the load that made that version; empty when it is not known.
        publish: how the documents are written.
        state: `writing` from before the first visible change until after the last.
        marker: name of the marker index that the collection has when this load is served; empty: none.
        heal: the diff that ordered a whole snapshot.
    """

    collection: str
    flow: str
    table: str
    serve_seq: int
    load_id: str
    lake_seq: int
    ingest_load: str
    publish: Publish
    state: State
    marker: str = ""
    heal: str | None = None

    @classmethod
    def parse(cls, document: Mapping[str, Value]) -> ServedRecord:
        """The record of a stored document, less the fields of a later release.

        Raises:
            SwitchyardError: somebody else wrote the document.
        """
        try:
            return cls(
                collection=str(document["_id"]),
                flow=str(document["flow"]),
                table=str(document["table"]),
                serve_seq=int(document["serve_seq"] or 0),
                load_id=str(document["load_id"]),
                lake_seq=int(document["lake_seq"] or 0),
                ingest_load=str(document["ingest_load"]),
                publish="delta" if document["publish"] == "delta" else "snapshot",
                state="served" if document["state"] == "served" else "writing",
                marker=str(document.get("marker") or ""),
                heal=None if document.get("heal") is None else str(document["heal"]),
            )
        except (KeyError, ValueError, TypeError) as error:
            name = document.get("_id")
            raise SwitchyardError(
                f"the document {name!r} is not one that Switchyard wrote: {error!r}",
                where=f"collection {OWN_COLLECTION}",
                cure="restore that document from MongoDB's backup; or delete it and run the serve leg again "
                "(switchyard run serve FLOW), which then compares all documents",
            ) from error

    def document(self) -> dict[str, Value]:
        """As stored."""
        fields: dict[str, Value] = asdict(self)
        return {"_id": fields.pop("collection"), **fields}

    def as_served(self) -> ServedRecord:
        """The same load, when all of it is visible."""
        return replace(self, state="served")

    def describe(self) -> dict[str, str | int]:
        """The loads behind the served values, for people."""
        return {
            "flow": self.flow,
            "collection": self.collection,
            "serve_seq": self.serve_seq,
            "serve_load": self.load_id,
            "table": self.table,
            "lake_seq": self.lake_seq,
            "ingest_load": self.ingest_load,
        }


@dataclass(frozen=True)
class Shown:
    """A collection as MongoDB shows it: whether it exists, its record and its marker."""

    exists: bool
    record: ServedRecord | None
    marker: Marker | None

    @property
    def seq(self) -> int:
        """The highest serve seq that was used here; 0: none is known."""
        return max(self.record.serve_seq if self.record else 0, self.marker.serve_seq if self.marker else 0)


def read_shown(mongo: MongoTarget, collection: str) -> Shown:
    """The collection as MongoDB shows it now."""
    with explained(mongo.connection):
        document = mongo.collection(OWN_COLLECTION).find_one({"_id": collection})
    record = None if document is None else ServedRecord.parse(document)
    return Shown(mongo.exists(collection), record, mongo.marker(collection))


def write_record(mongo: MongoTarget, record: ServedRecord, *, after: int | None) -> None:
    """Put a record in the place of the one of serve seq `after` (None: there is none), or of this load's own.

    Raises:
        PublishConflict: the record is another load's.
    """
    own = {"serve_seq": record.serve_seq, "load_id": record.load_id}
    records = mongo.collection(OWN_COLLECTION)
    with explained(mongo.connection):
        expected = [own] if after is None else [own, {"serve_seq": after}]
        written = records.find_one_and_replace(
            {"_id": record.collection, "$or": expected}, record.document(), return_document=ReturnDocument.AFTER
        )
        if written is not None:
            return
        if after is None:
            with suppress(DuplicateKeyError):  # another load's: named below
                records.insert_one(record.document())
                return
        current = records.find_one({"_id": record.collection}) or {}
    newest = current.get("serve_seq", 0)
    planned_on = after or 0
    raise PublishConflict(
        f"another run recorded serve seq {newest} after this load was planned on serve seq {planned_on}",
        where=f"connection {mongo.connection.conn_id} collection {OWN_COLLECTION}, document {record.collection}",
        cure=f"this run published nothing; {run_again('serve', record.flow)}; the new run starts from that record",
    )


def order_snapshot(mongo: MongoTarget, collection: str, load_id: str, diff_id: str) -> None:
    """Write a healing snapshot's order into a load's record; nothing happens if the record is another load's by now."""
    with explained(mongo.connection):
        mongo.collection(OWN_COLLECTION).update_one(
            {"_id": collection, "load_id": load_id}, {"$set": {"heal": diff_id}}
        )


def rename_flow(mongo: MongoTarget, collection: str, old: str, new: str) -> bool:
    """Write another flow's name into a record of `old`; False when there is none."""
    with explained(mongo.connection):
        written = mongo.collection(OWN_COLLECTION).update_one({"_id": collection, "flow": old}, {"$set": {"flow": new}})
    return written.modified_count == 1
