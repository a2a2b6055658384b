"""What a collection is besides its documents: its kind, its options and its indexes.

A rename puts the staging collection in the place of the live one. So the staging gets the live one's indexes first; and
a collection that cannot be kept as it is, or would not keep our documents, is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pymongo.errors import OperationFailure

from switchyard.errors import StepFailed
from switchyard.serve.mongo.connection import short
from switchyard.serve.mongo.marker import MARKER_FIELD

Option: TypeAlias = str | int | float | bool | Mapping[str, "Option"] | list["Option"] | None
Options: TypeAlias = Mapping[str, Option]
_EXPIRES = "expireAfterSeconds"
_BY_CREATION = (
    *("validator", "validationLevel", "validationAction", "collation", "clusteredIndex", "encryptedFields"),
    "changeStreamPreAndPostImages",
)
"""Options that somebody chose for the collection. Not every server carries them along in a rename."""
_PRIVATE = ("ns",)
"""What listIndexes says of an index and createIndexes does not take."""


@dataclass(frozen=True)
class CollectionForm:
    """A collection without its documents.

    Args:
        kind: `collection`, `view` or `timeseries`, as listCollections says.
        options: that it was made with.
        indexes: as listIndexes says, but for those of `_id` and of the marker.
    """

    kind: str
    options: Options
    indexes: tuple[Options, ...]

    def faults(self) -> Iterator[str]:
        """Why it cannot hold what a load proves, each as the end of a sentence about the collection."""
        if self.kind == "view" or "viewOn" in self.options:
            yield "is a view, and only a collection can be written"
        if self.kind == "timeseries" or "timeseries" in self.options:
            yield "is a time-series collection, in which no document can be replaced"
        if self.options.get("capped"):
            yield "is capped, so that MongoDB deletes its oldest documents"
        if _EXPIRES in self.options:
            yield "has a TTL, so that MongoDB deletes documents"
        for index in self.indexes:
            if _EXPIRES in index:
                yield f"has the TTL index {index['name']}, so that MongoDB deletes documents"

    @property
    def chosen(self) -> list[str]:
        """Names of the options that somebody chose for it, and that a snapshot would not keep."""
        return [name for name in _BY_CREATION if self.options.get(name)]

    def covers(self, columns: tuple[str, ...]) -> bool:
        """Whether an index on these columns, ascending, is there: ours, or one that somebody made with options."""
        return any(_keys(index) == [(column, 1) for column in columns] for index in self.indexes)


def form_of(described: Options, indexes: list[Options]) -> CollectionForm:
    """The form of a collection, as listCollections and listIndexes describe it."""
    options = described.get("options")
    kept = tuple(
        {name: value for name, value in index.items() if name not in _PRIVATE}
        for index in indexes
        if [column for column, _ in _keys(index)] not in (["_id"], [MARKER_FIELD])
    )
    return CollectionForm(str(described["type"]), options if isinstance(options, Mapping) else {}, kept)


def require_fit(form: CollectionForm, where: str) -> None:
    """Raise StepFailed for a collection that cannot hold what a load proves."""
    if unfit := list(form.faults()):
        raise StepFailed(
            f"the collection {'; and '.join(unfit)}: it would not keep what is loaded into it",
            where=where,
            cure="nothing was written; name another collection in serve.collection, or drop this one, its TTL index or "
            "its cap",
        )


def require_replaceable(form: CollectionForm, where: str) -> None:
    """Raise StepFailed for a collection that a snapshot would not keep as it is: it puts another one in its place."""
    if chosen := form.chosen:
        raise StepFailed(
            f"the collection was made with {', '.join(chosen)}, and a snapshot (a load of the whole collection) would "
            "put one without it in its place",
            where=where,
            cure="nothing was published; empty the collection and set serve.publish: delta, which writes into it as it "
            "is; or drop it, if nobody needs these options",
        )


def index_refused(error: OperationFailure, index: Options, where: str) -> StepFailed:
    """The error of an index that the live collection has, and that the new documents do not fit."""
    name = index["name"]
    return StepFailed(
        f"the new documents do not fit the index {name} that the collection has: {short(error)}",
        where=where,
        cure=f"nothing was published; drop index {name}, which somebody made beside those of serve.indexes, or mend "
        "the rows",
    )


def _keys(index: Options) -> list[tuple[str, Option]]:
    keys = index.get("key")
    return list(keys.items()) if isinstance(keys, Mapping) else []
