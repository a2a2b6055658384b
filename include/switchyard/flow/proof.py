"""Proofs that a load needs before it is published: counts, checks, the contract with the source. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from switchyard.flow.duration import Duration
from switchyard.flow.fields import Closed, Label, LakeColumn, Unique, check_condition
from switchyard.flow.refusal import refuse
from switchyard.flow.threshold import Amount

Severity = Literal["warn", "fail", "quarantine"]
Reaction = Literal["evolve", "freeze", "quarantine"]
Bound = int | float | str
KINDS = ("unique", "not_null", "between", "regex", "accepted_values", "row_count", "freshness", "sql")
OF_THE_LOAD = ("row_count", "freshness")
"""Checks that judge a load as a whole: no single row can be quarantined for them."""


class Between(Closed):
    """Smallest and largest value allowed, both included; NULL passes."""

    column: LakeColumn
    min: Bound | None = None
    max: Bound | None = None

    @model_validator(mode="after")
    def _a_bound(self) -> Between:
        if self.min is None and self.max is None:
            raise refuse("`between` needs `min`, `max` or both", cure="write e.g. {column: wattage, min: 0}")
        return self


class Regex(Closed):
    """A regular expression that the text must contain (anchor it with ^ and $); NULL passes.

    Its syntax is Java's, as Hive's RLIKE reads it; the preflight lets Hive judge it.
    """

    column: LakeColumn
    pattern: Annotated[str, Field(min_length=1, max_length=2_000)]


class AcceptedValues(Closed):
    """The only values allowed; NULL passes."""

    column: LakeColumn
    values: Annotated[list[bool | Bound], Field(min_length=1, max_length=10_000), Unique]


class RowCount(Closed):
    """Bounds on the rows of a load."""

    min: int = Field(0, ge=0)
    max: int | None = Field(None, ge=0)


class Freshness(Closed):
    """The newest value of a date or timestamp column, in UTC, must not be older than this."""

    column: LakeColumn
    within: Duration


class Check(Closed):
    """One promise about the data. Exactly one kind, and what happens when it is broken."""

    unique: LakeColumn | Annotated[list[LakeColumn], Field(min_length=1), Unique] | None = Field(
        None, description="columns that no two rows share"
    )
    not_null: LakeColumn | Annotated[list[LakeColumn], Field(min_length=1), Unique] | None = Field(
        None, description="columns that always have a value"
    )
    between: Between | None = Field(None, description="smallest and largest value of a column")
    regex: Regex | None = Field(None, description="what a column's text must contain")
    accepted_values: AcceptedValues | None = Field(None, description="the only values of a column")
    row_count: RowCount | None = Field(None, description="how many rows a load has")
    freshness: Freshness | None = Field(None, description="how old the newest row may be")
    sql: Annotated[str, AfterValidator(check_condition)] | None = Field(
        None, description="a HiveQL condition that is true for a good row"
    )
    severity: Severity = Field(
        "fail", description="warn: log it; fail: publish nothing; quarantine: keep the rows out, and keep them"
    )
    name: Label | None = Field(None, description="how messages call it; default: its kind and columns")

    @model_validator(mode="after")
    def _one_kind(self) -> Check:
        kinds = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            what = f"a check is one of {', '.join(KINDS)}; this item of the list has {' and '.join(kinds) or 'none'}"
            raise refuse(what, cure="write exactly one of them in each item of the list")
        if self.severity == "quarantine" and kinds[0] in OF_THE_LOAD:
            what = f"`{kinds[0]}` judges the whole load, so that no single row can be quarantined"
            raise refuse(what, cure="set severity to warn or fail")
        return self

    @property
    def kind(self) -> str:
        """The one of KINDS that is set."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it names; none for `row_count` and `sql`."""
        judged = getattr(self, self.kind)
        if self.kind in ("unique", "not_null"):
            return (judged,) if isinstance(judged, str) else tuple(judged)
        return (judged.column,) if hasattr(judged, "column") else ()

    @property
    def label(self) -> str:
        """`between wattage`, or the name it was given."""
        return self.name or " ".join((self.kind, *self.columns))


class Contract(Closed):
    """Consequences of a change of the source's schema."""

    columns: Reaction = Field(
        "evolve",
        description="columns added or dropped. evolve: an added one appears, a dropped one stays, NULL; freeze: the "
        "load is refused; quarantine: an added one is left out, and rows with a value in it are quarantined",
    )
    types: Reaction = Field(
        "evolve",
        description="types that became wider. evolve: the column becomes wider; freeze: the load is refused; "
        "quarantine: the old type stays, and rows that do not fit it are quarantined",
    )
    nullability: Reaction = Field(
        "evolve",
        description="columns that were NOT NULL and are not any more. evolve: take it; freeze: refuse the load; "
        "quarantine: rows with NULL in it are quarantined",
    )
    quarantine_threshold: Amount = Field(
        "0",
        description="more quarantined rows than this, 100 or 0.1% of the rows that the load reads (in append and merge "
        "by cursor: the new ones), fail the load; the rows are kept either way, so with 0 the first one fails it",
    )


class Reconcile(Closed):
    """Tolerances of the counts that a load is judged by."""

    allow_empty: bool = Field(False, description="publish even when the source has no rows")
    policy: Literal["exact", "tolerance"] = Field(
        "exact", description="exact: every row read must arrive; tolerance: a difference up to `tolerance` is published"
    )
    tolerance: Amount = Field("0", description="rows that may differ between hops, 100 or 0.1%, under `tolerance`")
    max_shrink: Amount | None = Field(
        None, description="refuse a load with this much fewer rows than the version before, 1000 or 20%"
    )

    @model_validator(mode="after")
    def _tolerance_is_asked_for(self) -> Reconcile:
        if self.policy == "exact" and self.tolerance != "0":
            raise refuse(
                "`tolerance` has no effect with policy exact", cure="set policy: tolerance, or leave `tolerance` out"
            )
        return self


DiffMode = Literal["counts", "digest", "values"]


class LedgerPolicy(Closed):
    """How much of a flow's history the ledger keeps."""

    keep: int = Field(
        ge=10,
        le=1_000_000,
        description="how many of the newest loads of each leg the ledger keeps at least; tidy prunes older ones whose "
        "directories are gone and which nothing names; without this key it keeps all",
    )


class Diff(Closed):
    """How the nightly `diff` compares this flow's stores, by value."""

    mode: DiffMode = Field(
        "values", description="counts; digest: which buckets of keys differ; values: which keys and columns"
    )
    source: bool = Field(False, description="also compare PostgreSQL with Hive")
    heal: bool = Field(False, description="order a snapshot when MongoDB differs from Hive")
