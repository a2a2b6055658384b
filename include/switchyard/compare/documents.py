"""A row of Hive compared with its document in MongoDB, field by field. Pure.

`switchyard.serve.documents.expected` builds the document that a row must become. It shares no code with the encoder
that wrote the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from bson.json_util import RELAXED_JSON_OPTIONS, dumps

from switchyard.compare.join import Cell, Difference, Suspect
from switchyard.compare.sameness import MISSING, exact, show
from switchyard.serve.documents.columns import Timestamps
from switchyard.serve.documents.expected import expected_document


@dataclass(frozen=True)
class DocumentForm:
    """How rows become documents: the version's columns, `serve.key` and `serve.timestamps`."""

    schema: pa.Schema | None
    key: tuple[str, ...]
    timestamps: Timestamps

    def expected(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The document of a row."""
        assert self.schema is not None  # noqa: S101 - a row comes from a file, and a file has a schema
        return expected_document(self.schema, self.key, row, self.timestamps)


def compare_document(
    suspect: Suspect, identity: Any, documents: Sequence[Mapping[str, Any]], form: DocumentForm
) -> Difference | None:
    """The difference at one key; None when MongoDB's document equals the row's, field order aside.

    Args:
        suspect: a key whose digests differ, Hive being the left side.
        identity: the key's `_id`.
        documents: what MongoDB has under it now, decoded by `sameness.CODEC`: none, one, or more.
        form: how rows become documents.
    """
    expected_fields = form.expected(suspect.left) if suspect.left is not None else None
    if suspect.left_n > 1 or len(documents) > 1:
        counts = Cell("", ("rows", str(suspect.left_n)), ("rows", str(len(documents))))
        return Difference(_key(identity), suspect.bucket, "repeated", (counts,))
    if expected_fields is None or not documents:
        return _one_sided(suspect, identity, expected_fields, documents)
    cells = compare_fields(expected_fields, documents[0])
    return Difference(_key(identity), suspect.bucket, "changed", cells) if cells else None


def compare_fields(expected: Mapping[str, Any], stored: Mapping[str, Any]) -> tuple[Cell, ...]:
    """The fields that differ: those of the row, in its order, then those that only `stored` has."""
    names = [*expected, *(name for name in stored if name not in expected)]
    pairs = ((name, expected.get(name, MISSING), stored.get(name, MISSING)) for name in names)
    return tuple(Cell(name, show(left), show(right)) for name, left, right in pairs if not same(left, right))


def same(left: Any, right: Any) -> bool:
    """True if two values are the same by `exact`, or both are missing."""
    if left is MISSING or right is MISSING:
        return left is right
    return exact(left) == exact(right)


def _one_sided(
    suspect: Suspect, identity: Any, expected_fields: Mapping[str, Any] | None, documents: Sequence[Mapping[str, Any]]
) -> Difference | None:
    if expected_fields is not None:
        cell = Cell("", show(dict(expected_fields)), show(MISSING))
        return Difference(_key(identity), suspect.bucket, "missing", (cell,))
    if documents:
        cell = Cell("", show(MISSING), show(dict(documents[0])))
        return Difference(_key(identity), suspect.bucket, "extra", (cell,))
    return None


def _key(identity: Any) -> str:
    text = dumps(identity, json_options=RELAXED_JSON_OPTIONS, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()
