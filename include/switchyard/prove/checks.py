"""The checks of a flow as HiveQL over a landing's typed columns. Pure.

A row check is one boolean expression that is true for a row that breaks it, and never NULL. `unique` is a window
function, which cannot stand in a WHERE: evaluate all of them as columns of a subselect. NULL is ended by `is true`,
since Hive 4.0.1 answers NULL for `coalesce(c > 5, false)` when c is NULL (observed on the stack).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from switchyard.flow.duration import format_duration
from switchyard.flow.proof import OF_THE_LOAD, AcceptedValues, Between, Check, Freshness, Regex, RowCount
from switchyard.types.domains import Domain, domain_of
from switchyard.types.hive_type import DATE, STRING, TIMESTAMP, HiveType
from switchyard.types.quoting import UnfitBound, quote_hive, quote_text


@dataclass(frozen=True)
class RowCheck:
    """A check of single rows. `broken`: HiveQL, true for a row that breaks it, else false; `columns`: what it reads."""

    label: str
    severity: str
    columns: tuple[str, ...]
    broken: str


@dataclass(frozen=True)
class TableCheck:
    """A check of a load as a whole. `select`: one HiveQL aggregate, whose value is given to `judge`."""

    label: str
    severity: str
    select: str
    promise: RowCount | Freshness

    def judge(self, value: Any, now: dt.datetime) -> str | None:
        """A sentence on how the aggregate's value, as HiveServer2 gives it, breaks the check; None when it does not.

        `now` has a time zone.
        """
        if isinstance(self.promise, RowCount):
            return _judge_rows(self.promise, value)
        return _judge_age(self.promise, value, now)


@dataclass(frozen=True)
class Verdict:
    """A check that did not pass: how many of how many rows broke it, or a message about the load as a whole."""

    label: str
    severity: str
    broken: int
    rows: int
    message: str = ""
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line for log, error and ledger."""
        finding = self.message or f"{self.broken:,} of {self.rows:,} rows break it"
        shown = f", e.g. {'; '.join(self.examples)}" if self.examples else ""
        return f"check `{self.label}` ({self.severity}): {finding}{shown}"


def row_conditions(checks: Sequence[Check], types: Mapping[str, HiveType]) -> list[RowCheck]:
    """Write the checks of single rows; `types`: lake column → Hive type. Raises UnfitBound for a bad bound."""
    return [
        RowCheck(check.label, check.severity, check.columns, f"({_broken(check, types)}) is true")
        for check in checks
        if check.kind not in OF_THE_LOAD
    ]


def table_checks(checks: Sequence[Check]) -> list[TableCheck]:
    """Write the checks of the load as a whole."""
    selected = []
    for check in checks:
        if check.row_count is not None:
            selected.append(TableCheck(check.label, check.severity, "count(*)", check.row_count))
        elif check.freshness is not None:
            newest = f"cast(max({quote_hive(check.freshness.column)}) as string)"
            selected.append(TableCheck(check.label, check.severity, newest, check.freshness))
    return selected


def check_findings(
    checks: Sequence[Check], types: Mapping[str, HiveType], elsewhere: Mapping[str, str] | None = None
) -> list[str]:
    """One sentence, with its cure, for everything wrong with the checks for a table of these columns.

    `elsewhere`: the rest of a sentence about a name that the table does not have, where more is known of it.
    """
    findings = []
    reasons = elsewhere or {}
    for check in checks:
        unknown = [column for column in check.columns if column not in types]
        findings += [
            f"{_named(check)} names {c!r}, which is not a column of the lake table"
            f"{f': {reasons[c]}' if c in reasons else f'; its columns: {_some(types)}'}"
            for c in unknown
        ]
        if not unknown:
            findings += _type_findings(check, types)
    return findings


def _broken(check: Check, types: Mapping[str, HiveType]) -> str:
    rule = getattr(check, check.kind)
    columns = [quote_hive(column) for column in check.columns]
    match rule:
        case Between():
            return _outside(columns[0], _domain(rule.column, types), rule)
        case AcceptedValues():
            return f"not ({_domain(rule.column, types).among(columns[0], rule.values)})"
        case Regex():
            return f"not ({_matches(columns[0], rule.pattern)})"
    if check.kind == "not_null":
        return " or ".join(f"{column} is null" for column in columns)
    if check.kind == "unique":
        complete = " and ".join(f"{column} is not null" for column in columns)
        keys = (_grouped(quote_hive(column), types[column]) for column in check.columns)
        return f"{complete} and count(*) over (partition by {', '.join(keys)}) > 1"
    return f"not ({rule})"


def pattern_probe(patterns: Sequence[str]) -> str:
    """HiveQL that fails, when it is compiled, if Hive cannot read one of these patterns of `regex` checks."""
    return "select " + ", ".join(_matches(quote_text("x"), pattern) for pattern in patterns)


def _matches(text: str, pattern: str) -> str:
    return f"{text} rlike {quote_text(pattern)}"


def _outside(column: str, domain: Domain, limits: Between) -> str:
    low = domain.below(column, limits.min) if limits.min is not None else "false"
    high = domain.above(column, limits.max) if limits.max is not None else "false"
    return f"{low} or {high}"


def _grouped(column: str, kind: HiveType) -> str:
    """A float by its value: -0 is 0, as PostgreSQL's unique has it."""
    if not kind.is_float:
        return column
    zero = domain_of(kind)
    return f"case when {zero.among(column, [0])} then 0.0D else cast({column} as double) end" if zero else column


def _domain(column: str, types: Mapping[str, HiveType]) -> Domain:
    domain = domain_of(types[column])
    if domain is None:
        raise UnfitBound(
            f"is for a type with an order, and {column} is {types[column].shown}: write a condition, `sql`"
        )
    return domain


def _type_findings(check: Check, types: Mapping[str, HiveType]) -> list[str]:
    findings = []
    rule = getattr(check, check.kind)
    if isinstance(rule, Freshness) and (kind := types[rule.column]) not in (DATE, TIMESTAMP):
        cure = "name a column of such a type"
        findings.append(f"{_named(check)} is for a date or a timestamp, and {rule.column} is {kind.shown}: {cure}")
    if isinstance(rule, Regex) and (kind := types[rule.column]) != STRING:
        cure = f"write sql: cast({rule.column} as string) rlike 'PATTERN'"
        findings.append(f"{_named(check)} is for text, and {rule.column} is {kind.shown}: {cure}")
    if check.kind == "unique" and (lists := [c for c in check.columns if types[c].is_list]):
        array = lists[0]
        findings.append(
            f"{_named(check)} cannot compare lists: {array} is {types[array].shown}; leave that column out of the check"
        )
    if not findings:
        findings += [f"{_named(check)}: {fault}" for fault in _bound_faults(check, types)]
    return findings


def _bound_faults(check: Check, types: Mapping[str, HiveType]) -> list[str]:
    """Try every bound by itself, so that each one that does not fit is named."""
    parts: list[tuple[str, Check]] = [("", check)]
    if check.between is not None:
        limits = {"min": check.between.min, "max": check.between.max}
        parts = [
            (
                f"{name} {value!r} ",
                _like(check, between=Between.model_validate({"column": check.columns[0], name: value})),
            )
            for name, value in limits.items()
            if value is not None
        ]
    if check.accepted_values is not None:
        parts = [
            (f"{value!r} ", _like(check, accepted_values=check.accepted_values.model_copy(update={"values": [value]})))
            for value in check.accepted_values.values
        ]
    faults = []
    for name, part in parts:
        try:
            if part.kind not in OF_THE_LOAD:
                _broken(part, types)
        except UnfitBound as error:
            faults.append(f"{name}{error}")
    return faults


def _like(check: Check, **changes: Any) -> Check:
    return check.model_copy(update=changes)


def _judge_rows(promise: RowCount, value: Any) -> str | None:
    rows = int(value)
    if rows < promise.min:
        return f"{rows:,} rows, and at least {promise.min:,} were promised"
    if promise.max is not None and rows > promise.max:
        return f"{rows:,} rows, and at most {promise.max:,} were promised"
    return None


def _judge_age(promise: Freshness, value: Any, now: dt.datetime) -> str | None:
    if value is None:
        return f"{promise.column} has no value, so nothing is fresh"
    newest = _instant(str(value))
    if now - newest <= promise.within:
        return None
    age = dt.timedelta(seconds=int((now - newest).total_seconds()))
    within = format_duration(promise.within)
    shown = newest.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
    return f"the newest {promise.column} is {shown} UTC, {age} old, and {within} was promised"


def _instant(text: str) -> dt.datetime:
    """Read what Hive prints: a date counts from its midnight; digits beyond the microsecond are cut."""
    head, _, fraction = text.partition(".")
    read = dt.datetime.fromisoformat(head).replace(tzinfo=dt.UTC)
    return read + dt.timedelta(microseconds=int(fraction[:6].ljust(6, "0"))) if fraction else read


def _named(check: Check) -> str:
    return f"check `{check.label}`"


def _some(names: Mapping[str, HiveType]) -> str:
    shown = list(names)[:20]
    return ", ".join(shown) + (", …" if len(names) > len(shown) else "")
