"""What MongoDB's refusal of a write or a rename means, as our errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from bson.raw_bson import RawBSONDocument
from pymongo.errors import BulkWriteError, OperationFailure

from switchyard.errors import AGAIN, PublishConflict, StepFailed, ValueRefused
from switchyard.serve.mongo.connection import REFUSED_LOGIN, short

NAMESPACE_NOT_FOUND = 26
_DUPLICATE_KEY = 11000

Refusal: TypeAlias = PublishConflict | StepFailed | ValueRefused | OperationFailure


def write_refused(error: BulkWriteError, where: str) -> Refusal:
    """The error of a bulk write: ValueRefused names repeated keys, StepFailed has the server's words."""
    details: Mapping[str, list[Mapping[str, object]]] = error.details or {}
    failures = details.get("writeErrors", [])
    repeated = [failure for failure in failures if failure.get("code") == _DUPLICATE_KEY]
    if not repeated:
        reason = failures[0]["errmsg"] if failures else details.get("writeConcernErrors")
        return StepFailed(
            f"MongoDB refused the write: {reason}",
            where=where,
            cure=f"see MongoDB's log and its disk space; then {AGAIN}",
        )
    shown = ", ".join(_shown_id(failure["op"]) for failure in repeated[:5])
    return ValueRefused(
        f"{len(repeated)} or more rows have the key of another row; _id {shown}",
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
            "run the whole leg: switchyard run serve FLOW, or trigger the DAG of its serve leg; clearing this task is "
            "not enough. It finds out which of the two happened, and goes on"
        )
        return PublishConflict(what, where=where, cure=cure)
    if error.code in REFUSED_LOGIN:
        return error
    what = f"MongoDB will not rename {staging}: {short(error)}"
    cure = "if the collection is sharded, set serve.publish: delta and see docs/operations.md; else see MongoDB's log"
    return StepFailed(what, where=where, cure=cure)


def _shown_id(operation: object) -> str:
    assert isinstance(operation, Mapping)  # noqa: S101 - the driver puts the document that it sent here
    identity = operation["_id"]
    return repr(dict(identity) if isinstance(identity, RawBSONDocument) else identity)
