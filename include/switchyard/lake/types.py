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
    """How one PostgreSQL type travels. Templates: `{c}` the quoted column, `{p}`/`{s}` precision and scale.

    `staged` is the Hive type that reads the JSON value, before the cast.
    """

    postgres: str
    hive: str
    mongo: str
    carry: str = _TEXT
    cast: str = "{c}"
    staged: str = "string"
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
    staged: str = "string"
    comment: str = ""
    raw: str = ""
    not_null: bool = False
    chosen: bool = False


_PLAIN_ELEMENTS = (
    ("smallint", "SMALLINT", "int32"),
    ("integer", "INT", "int32"),
    ("bigint", "BIGINT", "int64"),
    ("boolean", "BOOLEAN", "bool"),
    ("text", "STRING", "string"),
    ("character varying", "STRING", "string"),
    ("uuid", "STRING", "string"),
)
_NOT_A_LIST = "array_ndims({c}) > 1 or array_lower({c}, 1) <> 1"
_NOT_A_LIST_MEANS = "an array of several dimensions or with bounds of its own, which a list does not have"


def _array(element: str, hive: str, mongo: str) -> TypeRule:
    """One-dimensional arrays travel as JSON lists; PostgreSQL's type does not say how many dimensions a value has."""
    return TypeRule(
        f"{element}[]",
        f"ARRAY<{hive}>",
        f"array of {mongo}",
        carry="{c}",
        staged=f"array<{hive.lower()}>",
        unfit=_NOT_A_LIST,
        unfit_means=_NOT_A_LIST_MEANS,
    )


def _float_array(element: str) -> TypeRule:
    """JSON has no NaN, no Infinity, and Hive's reader drops the sign of -0."""
    unfit = f"{_NOT_A_LIST} or {{c}}::text[] && array['NaN', 'Infinity', '-Infinity', '-0']"
    means = f"{_NOT_A_LIST_MEANS}, or NaN, ±Infinity or -0, which JSON does not have"
    return TypeRule(
        f"{element}[]",
        "ARRAY<DOUBLE>",
        "array of double",
        carry="{c}",
        staged="array<double>",
        unfit=unfit,
        unfit_means=means,
    )


_UNFIT = {True: "'unfit'", False: "null"}
_AS_STRING = "carry its text: columns: {{{n}: {{as: string}}}}"

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
    TypeRule("bit", "STRING", "string", note="digits 0 and 1"),
    TypeRule("bit varying", "STRING", "string", note="digits 0 and 1"),
    TypeRule("xml", "STRING", "string", note="the text as stored"),
    *(_array(element, hive, mongo) for element, hive, mongo in _PLAIN_ELEMENTS),
    *(_float_array(element) for element in ("real", "double precision")),
)

REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        "numeric",
        "numeric without precision has no DECIMAL that holds every value",
        'give it one: columns: {{{n}: {{as: "decimal(38,10)"}}}}, or ' + _AS_STRING,
    ),
    Refusal(
        "numeric(p,s) beyond DECIMAL(38)", "DECIMAL holds at most 38 digits, with 0 ≤ scale ≤ precision", _AS_STRING
    ),
    Refusal("array of another type", "its elements have no rule in the type table", _AS_STRING),
    Refusal("composite", "it has no type of its own in Hive", _AS_STRING),
    Refusal("range", "it has no type of its own in Hive", _AS_STRING),
    Refusal("interval", "it has no type of its own in Parquet and MongoDB", _AS_STRING),
    Refusal("money", "its text depends on the server's lc_monetary", 'columns: {{{n}: {{as: "decimal(20,2)"}}}}'),
    Refusal("any other type", "there is no rule for it in the type table", _AS_STRING),
)

AS_STRING: tuple[tuple[str, str, str], ...] = (
    ("array", "array_to_json({c})::text", "a JSON list, of lists for several dimensions"),
    ("composite", "row_to_json({c})::text", "a JSON object"),
    ("bytea", "encode({c}, 'hex')", "hexadecimal digits"),
    ("character", "{c}", "blank padding kept"),
    ("boolean", "case {c} when true then 'true' when false then 'false' end", "true or false"),
    (
        "timestamp with time zone",
        "({c} at time zone 'UTC')::text || case when isfinite({c}) then 'Z' else '' end",
        "UTC, Z",
    ),
)
"""What `as: string` makes of a type; of every other type it is PostgreSQL's own text, infinity and NaN included."""

_BY_NAME = {rule.postgres: rule for rule in RULES}
_REFUSED = {refusal.postgres: refusal for refusal in REFUSALS}
_KINDS = {"c": "composite", "r": "range", "m": "range", "e": "enum"}


def quote_postgres(name: str) -> str:
    """Quote an identifier for PostgreSQL."""
    return '"' + name.replace('"', '""') + '"'


def quote_hive(name: str) -> str:
    """Quote an identifier for HiveQL."""
    return "`" + name.replace("`", "``") + "`"


def rule_for(column: SourceColumn, choice: str | None = None) -> TypeRule | Refusal:
    """Find the rule of a column's type, or the refusal that stands in its place.

    `choice` is the flow's `as` for the column: `string`, or `decimal(p,s)` for numeric and money.
    """
    base = _base_name(column)
    if choice == "string":
        special = {name: text for name, text, _ in AS_STRING}
        kind = "array" if column.type.endswith("[]") else base
        return TypeRule(f"{base} as string", "STRING", "string", carry=special.get(kind, _TEXT))
    if choice is not None:
        return _as_decimal(base, choice)
    if base in _BY_NAME:
        return _BY_NAME[base]
    return _REFUSED.get(base, _REFUSED["any other type"])


def carry(column: SourceColumn, position: int, choice: str | None = None, comment: str = "") -> CarriedColumn | Refusal:
    """Apply the table to one column. `position` names the carrier field `c<position>`."""
    rule = rule_for(column, choice)
    quoted = quote_postgres(column.name)
    if isinstance(rule, Refusal):
        return Refusal(column.type, rule.why, rule.cure.format(c=quoted, n=column.name))
    precision, scale = _precision(choice.replace("decimal", "numeric") if choice else column.type)
    carried = rule.carry.format(c=quoted)
    unfit = rule.unfit.format(c=quoted, p=precision, s=scale)
    if unfit:  # it may come after the preflight: text that no cast takes, or a NULL too many, so the proof finds it
        carried = f"case when {unfit} then {_UNFIT[rule.staged == 'string']} else {carried} end"
    return CarriedColumn(
        source=column.name,
        name=column.name.lower(),
        postgres_type=column.type,
        hive_type=rule.hive.format(p=precision, s=scale),
        carry=carried,
        cast=rule.cast.format(c=f"c{position}", p=precision, s=scale),
        unfit=unfit,
        unfit_means=rule.unfit_means,
        staged=rule.staged,
        comment=comment,
        not_null=column.not_null,
        chosen=choice is not None,
    )


def _as_decimal(base: str, choice: str) -> TypeRule | Refusal:
    if base not in ("numeric", "numeric(p,s)", "numeric(p,s) beyond DECIMAL(38)", "money"):
        return Refusal(base, f"as: {choice} is for numeric and money", _AS_STRING)
    value = "{c}::numeric" if base == "money" else "{c}"
    decimal = _BY_NAME["numeric(p,s)"]
    # A modifier rounds in silence, and NaN and Infinity do not fit: a value that changes is no value of this type.
    unfit = f"{value}::text in ('NaN', 'Infinity', '-Infinity') or abs({value}) >= 10::numeric ^ ({{p}} - {{s}})"
    unfit += f" or round({value}, {{s}}) <> {value}"
    return TypeRule(
        f"{base} as {choice}",
        decimal.hive,
        decimal.mongo,
        carry=f"{value}::text",
        cast=decimal.cast,
        unfit=unfit,
        unfit_means=f"a value that {choice} does not hold",
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
        element = re.sub(r"\(\d+\)", "", column.type)
        return element if element in _BY_NAME else "array of another type"
    if column.type.startswith("numeric("):
        precision, scale = _precision(column.type)
        return "numeric(p,s)" if 0 <= scale <= precision <= 38 else "numeric(p,s) beyond DECIMAL(38)"
    if column.type.endswith(".citext"):  # an extension's type has its schema in front when the search path lacks it
        return "citext"
    return re.sub(r"\(\d+\)", "", column.type).strip()


def _precision(type_name: str) -> tuple[int, int]:
    match = _ISO.match(type_name)
    return (int(match[1]), int(match[2])) if match else (0, 0)
