"""What a diff found: numbers for the ledger and the log, buckets and examples for people."""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass
from typing import Any

from switchyard.compare.differences import Found
from switchyard.compare.digests import BUCKETS
from switchyard.errors import ReconcileMismatch
from switchyard.flow.spec import Flow

DIFFERENCES = "differences.parquet"
"""In the scratch directory, what `switchyard.prove.found` writes."""


@dataclass(frozen=True)
class DiffResult:
    """What a diff found. `facts` are JSON values; `buckets` those that differ."""

    equal: bool
    facts: dict[str, Any]
    buckets: list[int]
    examples: list[dict[str, Any]]


def require_equal(flow: Flow, *results: DiffResult) -> None:
    """Raise ReconcileMismatch, with the numbers, for the first of the results that is a difference."""
    for result in results:
        if not result.equal:
            raise ReconcileMismatch(
                f"{result.facts['between']} differ: {summary(result)}",
                where=f"flow {flow.flow}",
                next=f"switchyard diff {flow.flow} names the keys; --heal serves Hive's version again",
            )


def summary(result: DiffResult) -> str:
    """One line of numbers."""
    facts = result.facts
    left, right = facts["between"].split("-")
    counted = f"{facts[left + '_rows']:,} rows in {left}, {facts[right + '_rows']:,} in {right}"
    if facts["mode"] == "counts":
        return counted
    shown = f"{len(result.buckets):,} of {facts['buckets']:,} buckets differ" if result.buckets else "equal"
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in facts.get("keys", {}).items())
    return f"{shown}{f', keys: {kinds}' if kinds else ''}; {counted}"


def count_only(facts: dict[str, Any], left: int, right: int) -> DiffResult:
    """The result of comparing two counts."""
    sides = facts["between"].split("-")
    counted = {**facts, f"{sides[0]}_rows": left, f"{sides[1]}_rows": right, "equal": left == right}
    return DiffResult(left == right, counted, [], [])


def judge_digests(facts: dict[str, Any], rows: tuple[int, int], buckets: list[int]) -> DiffResult:
    """The result of comparing digests: buckets, and nothing of what is in them."""
    result = count_only(facts, *rows)
    result.facts.update(equal=not buckets, buckets=BUCKETS, buckets_differing=len(buckets))
    return DiffResult(not buckets, result.facts, buckets, [])


def judge_values(facts: dict[str, Any], rows: tuple[int, int], found: Found) -> DiffResult:
    """The result of comparing values: numbers of keys by kind and of values by column, buckets, some examples."""
    result = judge_digests(facts, rows, sorted(found.buckets))
    result.facts.update(keys=dict(found.kinds), columns=dict(found.columns))
    return DiffResult(result.equal, result.facts, result.buckets, found.examples)


def new_diff_id() -> str:
    """A name for one comparison that sorts by time."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%dt%H%M%S}_{secrets.token_hex(3)}"
