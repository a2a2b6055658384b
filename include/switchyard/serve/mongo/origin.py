"""Which ingest load made the documents that a collection shows: one question, one function. For applications, too.

from switchyard.serve.mongo.origin import made_by

made_by(client.grid.telemetry)      # Origin(table='telemetry_db.telemetry', lake_seq=7, ingest_load='2026…', …)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pymongo.collection import Collection

from switchyard.flow.identifiers import OWN_COLLECTION
from switchyard.serve.mongo.marker import Marker
from switchyard.serve.mongo.record import ServedRecord


@dataclass(frozen=True)
class Origin:
    """Where a collection's documents come from.

    Args:
        table: the Hive table, `database.table`.
        lake_seq: its version.
        ingest_load: the load that made that version; empty when it is not known.
        serve_load: the load that brought it into MongoDB.
        is_mixed: some documents may be of this version and some of the one before: a publish in place is going on, or
            stopped half-way.
    """

    table: str
    lake_seq: int
    ingest_load: str
    serve_load: str
    is_mixed: bool


def made_by(collection: Collection[Any]) -> Origin | None:
    """The origin of a collection's documents, as MongoDB itself remembers it; None when Switchyard does not serve it.

    While a snapshot is being published, the marker that travels with the documents says which of the two is there.
    """
    document = collection.database[OWN_COLLECTION].find_one({"_id": collection.name})
    if document is None:
        return None
    record = ServedRecord.parse(document)
    markers = [marker for index in collection.list_indexes() if (marker := Marker.parse(str(index["name"])))]
    shown = markers[0] if markers else None
    if record.state == "writing" and record.publish == "snapshot" and shown and shown.index_name != record.marker:
        return Origin(record.table, shown.lake_seq, "", shown.load_id, is_mixed=False)
    is_mixed = record.state == "writing" and record.publish == "delta"
    return Origin(record.table, record.lake_seq, record.ingest_load, record.load_id, is_mixed)
