"""The result of a diff: numbers for the ledger and the log, buckets and examples for people."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from switchyard.compare.differences import DifferenceWriter
from switchyard.compare.digests import BUCKETS
from switchyard.errors import ReconcileMismatch
from switchyard.flow.spec import Flow
from switchyard.ledger.results import Compared

DIFFERENCES = "differences.parquet"
"""The file in the scratch directory that `switchyard.compare.differences` writes."""


Example = Mapping[str, str | int | None]
"""A row of the table of differences, by column."""


@dataclass(frozen=True)
class DiffResult:
    """The numbers, the buckets that differ, and some of the differences."""

    compared: Compared
    buckets: tuple[int, ...] = ()
    examples: tuple[Example, ...] = ()

    @property
    def equal(self) -> bool:
        """True if the stores hold the same."""
        return self.compared.equal


def require_equal(flow: Flow, *results: DiffResult) -> None:
    """Raise ReconcileMismatch, with the numbers, for the first of the results that is a difference."""
    for result in results:
        if not result.equal:
            raise ReconcileMismatch(
                f"{result.compared.between} differ: {summary(result)}",
                where=f"flow {flow.flow}",
                cure=f"see which keys: switchyard diff {flow.flow} --mode values; to serve Hive's version anew: "
                f"switchyard diff {flow.flow} --heal",
            )


def summary(result: DiffResult) -> str:
    """One line of numbers."""
    compared = result.compared
    left, right = compared.stores
    left_rows = compared.rows_of(left)
    right_rows = compared.rows_of(right)
    counted = f"{left_rows:,} rows in {left}, {right_rows:,} in {right}"
    if compared.buckets is None:
        return counted
    buckets = f"{len(result.buckets):,} of {compared.buckets:,} buckets of keys differ" if result.buckets else "equal"
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in (compared.keys or {}).items())
    keys = f", keys: {kinds}" if kinds else ""
    return f"{buckets}{keys}; {counted}"


def judge_digests(compared: Compared, buckets: Sequence[int]) -> DiffResult:
    """The result of comparing digests: which buckets differ, not which keys."""
    judged = replace(compared, equal=not buckets, buckets=BUCKETS, buckets_differing=len(buckets))
    return DiffResult(judged, tuple(buckets))


def judge_values(compared: Compared, differences: DifferenceWriter) -> DiffResult:
    """The result of comparing values: numbers of keys by kind and of values by column, buckets, some examples."""
    judged = judge_digests(compared, sorted(differences.buckets))
    numbers = replace(judged.compared, keys=dict(differences.kinds), columns=dict(differences.columns))
    return DiffResult(numbers, judged.buckets, tuple(differences.examples))


def new_diff_id() -> str:
    """A name for one comparison that sorts by time."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%dt%H%M%S}_{secrets.token_hex(3)}"
