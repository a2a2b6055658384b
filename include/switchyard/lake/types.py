"""The type table: what every PostgreSQL type becomes on the way, or why it is refused.

A value travels as text inside one JSON line (facts: the only encoding of seven that lost nothing), and Hive casts the
text into typed Parquet. A rule says the SQL expression that makes the text, the Hive type, the HiveQL that reads the
text back, which values the target cannot hold, and what the served document holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_ISO = re.compile(r"^numeric\((\d+),(-?\d+)\)$")
_TEXT = "{c}::text"
_OUT_OF_CALENDAR = "not isfinite({c}) or {c} < '0001-01-01' or {c} >= '10000-01-01'"
_CALENDAR = "infinity, BC or a year after 9999, which Hive's calendar does not have"


@dataclass(frozen=True)
class TypeRule:
    """How one PostgreSQL type travels. Templates: `{c}` the quoted column, `{p}`/`{s}` precision and scale."""

    postgres: str
    hive: str
    mongo: str
    carry: str = _TEXT
    cast: str = "{c}"
    unfit: str = ""
    unfit_means: str = ""
    note: str = ""


@dataclass(frozen=True)
class Refusal:
    """A type that this engine does not carry, and the cure."""

    postgres: str
    why: str
    cure: str


@dataclass(frozen=True)
class SourceColumn:
    """One column as PostgreSQL describes it. `type` is format_type's text of the base type, `kind` pg_type.typtype."""

    name: str
    type: str
    kind: str = "b"
    not_null: bool = False
    generated: bool = False


@dataclass(frozen=True)
class CarriedColumn:
    """A source column with its rule applied; all expressions are ready to use."""

    source: str
    name: str
    postgres_type: str
    hive_type: str
    carry: str
    cast: str
    unfit: str = ""
    unfit_means: str = ""


_STRING_CAST = "select it as text: use source.query with {c}::text"

RULES: tuple[TypeRule, ...] = (
    TypeRule("smallint", "SMALLINT", "int32", cast="cast({c} as smallint)"),
    TypeRule("integer", "INT", "int32", cast="cast({c} as int)"),
    TypeRule("bigint", "BIGINT", "int64", cast="cast({c} as bigint)"),
    TypeRule("real", "FLOAT", "double", cast="cast({c} as float)", note="NaN, ±Infinity and -0 kept"),
    TypeRule("double precision", "DOUBLE", "double", cast="cast({c} as double)", note="NaN, ±Infinity and -0 kept"),
    TypeRule(
        "numeric(p,s)",
        "DECIMAL({p},{s})",
        "decimal128",
        cast="cast({c} as decimal({p},{s}))",
        unfit="{c}::text in ('NaN', 'Infinity', '-Infinity')",
        unfit_means="NaN or Infinity, which DECIMAL does not have",
        note="0 ≤ s ≤ p ≤ 38",
    ),
    TypeRule(
        "boolean",
        "BOOLEAN",
        "bool",
        carry="case {c} when true then 'true' when false then 'false' end",
        cast="({c} = 'true')",
    ),
    TypeRule("text", "STRING", "string"),
    TypeRule("character varying", "STRING", "string"),
    TypeRule("character", "STRING", "string", carry="{c}", note="blank padding kept"),
    TypeRule('"char"', "STRING", "string"),
    TypeRule("name", "STRING", "string"),
    TypeRule("citext", "STRING", "string"),
    TypeRule("bytea", "BINARY", "binary", carry="encode({c}, 'hex')", cast="unhex({c})"),
    TypeRule(
        "date", "DATE", "date (midnight UTC)", cast="cast({c} as date)", unfit=_OUT_OF_CALENDAR, unfit_means=_CALENDAR
    ),
    TypeRule(
        "timestamp without time zone",
        "TIMESTAMP",
        "date (milliseconds)",
        cast="cast({c} as timestamp)",
        unfit=_OUT_OF_CALENDAR,
        unfit_means=_CALENDAR,
        note="microseconds exact in Hive",
    ),
    TypeRule(
        "timestamp with time zone",
        "TIMESTAMP",
        "date (milliseconds)",
        carry="({c} at time zone 'UTC')::text",
        cast="cast({c} as timestamp)",
        unfit=_OUT_OF_CALENDAR.replace("{c} ", "({c} at time zone 'UTC') "),
        unfit_means=_CALENDAR,
        note="the instant, in UTC",
    ),
    TypeRule("time without time zone", "STRING", "string", note="HH:MM:SS.ffffff"),
    TypeRule("time with time zone", "STRING", "string", note="HH:MM:SS.ffffff+ZZ"),
    TypeRule("uuid", "STRING", "string"),
    TypeRule("json", "STRING", "string", note="the text as stored"),
    TypeRule("jsonb", "STRING", "string", note="PostgreSQL's canonical text"),
    TypeRule("inet", "STRING", "string"),
    TypeRule("cidr", "STRING", "string"),
    TypeRule("macaddr", "STRING", "string"),
    TypeRule("macaddr8", "STRING", "string"),
    TypeRule("enum", "STRING", "string"),
)

REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        "numeric",
        "numeric without precision has no DECIMAL that holds every value",
        "give it one: source.query with {c}::numeric(38,10), or {c}::text",
    ),
    Refusal(
        "numeric(p,s) beyond DECIMAL(38)", "DECIMAL holds at most 38 digits, with 0 ≤ scale ≤ precision", _STRING_CAST
    ),
    Refusal("array", "arrays are not carried yet", "use source.query with array_to_json({c})::text"),
    Refusal("composite", "composite types are not carried yet", "use source.query with row_to_json({c})::text"),
    Refusal("range", "range types are not carried yet", "use source.query with lower({c}), upper({c}) or {c}::text"),
    Refusal(
        "interval",
        "its text depends on the server's IntervalStyle",
        "use source.query with extract(epoch from {c})::numeric(38,6), or {c}::text",
    ),
    Refusal("money", "its text depends on the server's lc_monetary", "use source.query with {c}::numeric(20,2)"),
    Refusal("any other type", "there is no rule for it in the type table", _STRING_CAST),
)

_BY_NAME = {rule.postgres: rule for rule in RULES}
_REFUSED = {refusal.postgres: refusal for refusal in REFUSALS}
_KINDS = {"c": "composite", "r": "range", "m": "range", "e": "enum"}


def quote_postgres(name: str) -> str:
    """Quote an identifier for PostgreSQL."""
    return '"' + name.replace('"', '""') + '"'


def quote_hive(name: str) -> str:
    """Quote an identifier for HiveQL."""
    return "`" + name.replace("`", "``") + "`"


def rule_for(column: SourceColumn) -> TypeRule | Refusal:
    """Find the rule of a column's type, or the refusal that stands in its place."""
    base = _base_name(column)
    if base in _BY_NAME:
        return _BY_NAME[base]
    if base == "numeric(p,s)":
        return _BY_NAME[base]
    return _REFUSED.get(base, _REFUSED["any other type"])


def carry(column: SourceColumn, position: int) -> CarriedColumn | Refusal:
    """Apply the table to one column. `position` names the carrier field `c<position>`."""
    rule = rule_for(column)
    quoted = quote_postgres(column.name)
    if isinstance(rule, Refusal):
        return Refusal(column.type, rule.why, rule.cure.format(c=quoted))
    precision, scale = _precision(column.type)
    carried, unfit = rule.carry.format(c=quoted), rule.unfit.format(c=quoted)
    if unfit:  # a value that comes after the preflight: no cast takes this text, so the proof finds it
        carried = f"case when {unfit} then 'unfit' else {carried} end"
    return CarriedColumn(
        source=column.name,
        name=column.name.lower(),
        postgres_type=column.type,
        hive_type=rule.hive.format(p=precision, s=scale),
        carry=carried,
        cast=rule.cast.format(c=f"c{position}", p=precision, s=scale),
        unfit=unfit,
        unfit_means=rule.unfit_means,
    )


def unusable_names(names: Iterable[str]) -> dict[str, str]:
    r"""Names that Hive's Parquet writer or MongoDB cannot hold, each with the reason.

    Source: Parquet's MessageTypeParser refuses ` ,;{}()\n\t=`; MongoDB gives `$` and `.` a meaning in field names.
    """
    found: dict[str, str] = {}
    seen: dict[str, str] = {}
    for name in names:
        lower = name.lower()
        if lower in seen:
            found[name] = f"is the same name as {seen[lower]!r} in Hive, which ignores case"
        elif not re.fullmatch(r"[^\W]\w*", lower) or lower.startswith("_id"):
            found[name] = "is not a name that Hive, Parquet and MongoDB share: letters, digits and _ only, not _id"
        seen.setdefault(lower, name)
    return found


def _base_name(column: SourceColumn) -> str:
    if column.kind in _KINDS:
        return _KINDS[column.kind]
    if column.type.endswith("[]"):
        return "array"
    if column.type.startswith("numeric("):
        precision, scale = _precision(column.type)
        return "numeric(p,s)" if 0 <= scale <= precision <= 38 else "numeric(p,s) beyond DECIMAL(38)"
    if column.type.endswith(".citext"):  # an extension's type has its schema in front when the search path lacks it
        return "citext"
    return re.sub(r"\(\d+\)", "", column.type).strip()


def _precision(type_name: str) -> tuple[int, int]:
    match = _ISO.match(type_name)
    return (int(match[1]), int(match[2])) if match else (0, 0)
