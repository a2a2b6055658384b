"""A flow as the ledger keeps it: a load goes on with the flow it was planned with, though the file has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from switchyard.errors import LedgerStateError
from switchyard.flow.spec import Flow

OF_RUNS = frozenset({"runs", "freshness"})
"""Parts of a flow that say how it runs and how often. No load depends on them, so a load does not keep them."""
_NEWER_CHOICES = ("name", "leave_out")
"""Of a column: newer than the release whose ledger the tests keep."""


def frozen_spec(flow: Flow) -> dict[str, Any]:
    """Return what a load does in JSON values, defaults included, so that a later default does not change an old load.

    What is newer than a release is left out of a flow that does not use it: that release reads the rest.
    """
    return {key: value for key, value in whole_spec(flow).items() if key not in OF_RUNS}


def whole_spec(flow: Flow) -> dict[str, Any]:
    """Return the same with the parts that no load depends on."""
    spec = flow.model_dump(mode="json", by_alias=True)
    for choice in spec["columns"].values():
        for key in _NEWER_CHOICES:
            if not choice[key]:
                del choice[key]
    return {key: value for key, value in spec.items() if key != "ledger" or value is not None}


def spec_hash(flow: Flow) -> str:
    """SHA-256 of the frozen flow's canonical JSON, in hex: equal for flows that do the same."""
    return hash_of(frozen_spec(flow))


def hash_of(spec: Mapping[str, Any]) -> str:
    """The same of a flow that is frozen already."""
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def thaw(spec: Mapping[str, Any]) -> Flow:
    """Return the flow of its frozen form. Raises LedgerStateError when this version cannot read it."""
    try:
        return Flow.model_validate(dict(spec))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        flow = spec.get("flow", "?")
        reason = first["msg"]
        raise LedgerStateError(
            "another version of Switchyard planned the load, and this one cannot read the flow that the ledger keeps "
            f"with it: {place}: {reason}",
            where=f"flow {flow}",
            cure="run the leg with the version of Switchyard that planned the load; or give the load up: "
            f"switchyard abandon {flow} --leg ingest --why REASON, or --leg serve if that leg failed",
        ) from error
