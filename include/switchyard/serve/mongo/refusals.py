"""What MongoDB's refusal of a write or a rename means, as our errors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from bson.raw_bson import RawBSONDocument
from pymongo.errors import BulkWriteError, OperationFailure

from switchyard.errors import AGAIN, PublishConflict, StepFailed, ValueRefused, cut_value
from switchyard.serve.mongo.connection import REFUSED_LOGIN, short

NAMESPACE_NOT_FOUND = 26
_DUPLICATE_KEY = 11000
_NOT_VALID = 121
"""DocumentValidationFailure: MongoDB's error_codes.yml."""
_IDS_INDEX = re.compile(r"index: _id_\b")
_SHOWN = 5

Refusal: TypeAlias = PublishConflict | StepFailed | ValueRefused | OperationFailure


def write_refused(error: BulkWriteError, where: str) -> Refusal:
    """The error of a bulk write: ValueRefused names repeated keys, StepFailed has the server's words."""
    details: Mapping[str, list[Mapping[str, object]]] = error.details or {}
    failures = details.get("writeErrors", [])
    if any(failure.get("code") == _NOT_VALID for failure in failures):
        return StepFailed(
            f"the collection has a validator, and {len(failures)} or more documents do not pass it, those with _id "
            + _shown_ids(failures),
            where=where,
            cure="nothing was published; correct the validator (db.runCommand({collMod: …})), or mend the rows",
        )
    repeated = [failure for failure in failures if failure.get("code") == _DUPLICATE_KEY]
    if others := [failure for failure in repeated if _IDS_INDEX.search(str(failure["errmsg"])) is None]:
        server_words = others[0]["errmsg"]
        return StepFailed(
            f"the collection has a unique index that is not one of serve.indexes, and at least {len(others)} documents "
            f"do not fit it, those with _id {_shown_ids(others)}: {server_words}",
            where=where,
            cure=f"drop that index (the server's message names it), then {AGAIN}; or correct the rows in PostgreSQL, "
            "then run the ingest and the serve leg",
        )
    if not repeated:
        reason = failures[0]["errmsg"] if failures else details.get("writeConcernErrors")
        return StepFailed(
            f"MongoDB refused the write: {reason}",
            where=where,
            cure=f"see MongoDB's log and its disk space; then {AGAIN}",
        )
    return ValueRefused(
        f"{len(repeated)} or more rows have the key of another row, e.g. _id {_shown_ids(repeated)}",
        where=where,
        cure="nothing was published; name in `serve.key` the columns that identify a row",
    )


def rename_refused(error: OperationFailure, staging: str, where: str) -> Refusal:
    """The error of the rename that publishes; a refused login stays the driver's error, for `explained`."""
    if error.code == NAMESPACE_NOT_FOUND:
        what = (
            f"the staging collection {staging} no longer exists: it was published already, or dropped by a later load"
        )
        cure = (
            "run the whole leg: switchyard run serve FLOW, or in Airflow trigger DAG serve__FLOW (clearing this task "
            "is not enough); the new run finds out which of the two happened, and goes on"
        )
        return PublishConflict(what, where=where, cure=cure)
    if error.code in REFUSED_LOGIN:
        return error
    what = f"MongoDB will not rename {staging}: {short(error)}"
    cure = "if the collection is sharded, set serve.publish: delta and see docs/operations.md; else see MongoDB's log"
    return StepFailed(what, where=where, cure=cure)


def _shown_ids(failures: Sequence[Mapping[str, object]]) -> str:
    return ", ".join(_shown_id(failure["op"]) for failure in failures[:_SHOWN])


def _shown_id(operation: object) -> str:
    assert isinstance(operation, Mapping)  # noqa: S101 - the driver puts the document that it sent here
    document = operation.get("q", operation)  # of a replacement, what it replaces
    assert isinstance(document, Mapping)  # noqa: S101 - a filter of ours
    identity = document["_id"]
    return cut_value(repr(dict(identity) if isinstance(identity, RawBSONDocument) else identity))
