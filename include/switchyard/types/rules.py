"""The type table itself: what every PostgreSQL type becomes on the way, or why it is refused.

A value travels as text inside one JSON line (facts: the only encoding of seven that lost nothing), and Hive casts the
text into typed Parquet. A rule says the SQL expression that makes the text, the Hive type, the HiveQL that reads the
text back, which values the target cannot hold, and what the served document holds.

Templates: `{c}` the quoted column (in `cure` its name), `{p}` and `{s}` precision and scale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from switchyard.types.quoting import in_bytes

WHOLE_TEXT = "{c}::text"
AS_STRING_CURE = "carry its text: columns: {{{c}: {{as: string}}}}"
_LEAVE_OUT = "leave such rows out with source.where, or the column with source.columns"


@dataclass(frozen=True)
class TypeRule:
    """How one PostgreSQL type travels.

    `staged` is the Hive type that reads the JSON value, before the cast; `unfit` a condition that is true for values
    that the target cannot hold, `cure` what to do about them, `raw` a text of any value.
    """

    postgres: str
    hive: str
    mongo: str
    carry: str = WHOLE_TEXT
    cast: str = "{c}"
    raw: str = WHOLE_TEXT
    staged: str = "string"
    unfit: str = ""
    unfit_means: str = ""
    cure: str = AS_STRING_CURE
    note: str = ""


@dataclass(frozen=True)
class Refusal:
    """Types that are not carried as they are (names joined by commas), and the cure."""

    postgres: str
    why: str
    cure: str = AS_STRING_CURE


_OUT_OF_CALENDAR = "not pg_catalog.isfinite({c}) or {c} < '0001-01-01' or {c} >= '10000-01-01'"
_OUT_OF_CALENDAR_UTC = _OUT_OF_CALENDAR.replace("{c} ", "({c} at time zone 'UTC') ")
_CALENDAR = "infinity, BC or a year after 9999, which Hive's calendar does not have"
_NO_NUMBER = f"{in_bytes(WHOLE_TEXT)} in ('NaN', 'Infinity', '-Infinity')"
_NO_NUMBER_MEANS = "NaN or Infinity, which DECIMAL does not have"
_LONGEST = 20_000_000
"""`StreamReadConstraints.DEFAULT_MAX_STRING_LEN` of jackson-core 2.15 and later, which Hive reads JSON with."""
_LARGE = "pg_catalog.pg_column_size({c}) > 1000"
"""Only large values need to be rendered: PostgreSQL makes nothing more than 255 times smaller, and a value's text is at
most some 40 times longer than the value (a NULL in an array is one bit, and its text five characters)."""
_TOO_LONG = f"text of more than {_LONGEST:,} bytes, which Hive's JSON reader does not take"
_MOST_BYTES = _LONGEST // 2 - 1
_TOO_MANY_BYTES = f"pg_catalog.octet_length({{c}}) > {_MOST_BYTES}"
_SHOWN = 1_000
"""Characters that the quarantine keeps of a value that is too long."""
BOOLEAN_TEXT = "case {c} when true then 'true' when false then 'false' end"


def _text(postgres: str, note: str = "") -> TypeRule:
    """A type whose text travels."""
    return TypeRule(postgres, "STRING", "string", note=note)


def bytes_rule(hive: str, mongo: str, cast: str, note: str = "") -> TypeRule:
    """Bytes travel as two digits each; of too many not even the text can be made."""
    return TypeRule(
        "bytea",
        hive,
        mongo,
        carry="pg_catalog.encode({c}, 'hex')",
        cast=cast,
        raw=f"case when {_TOO_MANY_BYTES} then pg_catalog.substr({{c}}, 1, {_SHOWN // 2})::text else {WHOLE_TEXT} end",
        unfit=_TOO_MANY_BYTES,
        unfit_means=f"more than {_MOST_BYTES:,} bytes, whose digits Hive's JSON reader does not take",
        cure=_LEAVE_OUT,
        note=note,
    )


_SCALARS: tuple[TypeRule, ...] = (
    TypeRule("smallint", "SMALLINT", "int32", cast="cast({c} as smallint)"),
    TypeRule("integer", "INT", "int32", cast="cast({c} as int)"),
    TypeRule("bigint", "BIGINT", "int64", cast="cast({c} as bigint)"),
    TypeRule("oid", "BIGINT", "int64", cast="cast({c} as bigint)", note="the number; a large object is not read"),
    TypeRule("real", "FLOAT", "double", cast="cast({c} as float)", note="NaN, ±Infinity and -0 kept"),
    TypeRule("double precision", "DOUBLE", "double", cast="cast({c} as double)", note="NaN, ±Infinity and -0 kept"),
    TypeRule(
        "numeric(p,s)",
        "DECIMAL({p},{s})",
        "decimal128",
        cast="cast({c} as decimal({p},{s}))",
        unfit=_NO_NUMBER,
        unfit_means=_NO_NUMBER_MEANS,
        note="0 ≤ s ≤ p ≤ 38; MongoDB holds 34 digits",
    ),
    TypeRule("boolean", "BOOLEAN", "bool", carry=BOOLEAN_TEXT, cast="({c} = 'true')"),
    _text("text"),
    _text("character varying"),
    TypeRule("character", "STRING", "string", carry="{c}", note="blank padding kept"),
    TypeRule(
        '"char"',
        "STRING",
        "string",
        unfit="{c}::integer < 0",
        unfit_means="a byte over 127, which is no text",
        cure="carry the number: source.query with the column cast to integer",
    ),
    TypeRule("name", "STRING", "string"),
    _text("citext"),
    bytes_rule("BINARY", "binary", cast="unhex({c})"),
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
        unfit=_OUT_OF_CALENDAR_UTC,
        unfit_means=_CALENDAR,
        note="the instant, in UTC",
    ),
    TypeRule("time without time zone", "STRING", "string", note="HH:MM:SS.ffffff, 24:00:00 included"),
    TypeRule("time with time zone", "STRING", "string", note="HH:MM:SS.ffffff+ZZ"),
    TypeRule("uuid", "STRING", "string"),
    _text("json", "the text as stored"),
    _text("jsonb", "PostgreSQL's canonical text"),
    TypeRule("jsonpath", "STRING", "string"),
    TypeRule("inet", "STRING", "string", carry="pg_catalog.abbrev({c})", note="as PostgreSQL shows it"),
    TypeRule("cidr", "STRING", "string"),
    TypeRule("macaddr", "STRING", "string"),
    TypeRule("macaddr8", "STRING", "string"),
    TypeRule("enum", "STRING", "string", note="the label"),
    TypeRule("bit", "STRING", "string", note="digits 0 and 1"),
    TypeRule("bit varying", "STRING", "string", note="digits 0 and 1"),
    _text("xml", "the text as stored"),
    TypeRule("pg_lsn", "STRING", "string"),
    TypeRule("ltree", "STRING", "string"),
)


def _has_element(condition: str) -> str:
    """SQL that is true for a list with an element `u.v` of this condition."""
    return f"exists (select 1 from pg_catalog.unnest({{c}}) as u(v) where {condition})"


_NOT_A_LIST = "pg_catalog.array_ndims({c}) > 1 or pg_catalog.array_lower({c}, 1) <> 1"
_NOT_A_LIST_MEANS = "an array of several dimensions or with bounds of its own, which a list does not have"


def _array(
    element: str, hive: str, mongo: str, carry: str = "{c}", unfit: str = "", means: str = "", note: str = ""
) -> TypeRule:
    """A list of what the element's type becomes; `unfit` is a condition on an element `u.v`.

    PostgreSQL's type does not say how many dimensions a value has. Hive reads an element's text by the element's
    type: a number need not be a JSON number, so that nothing between rounds it.
    """
    return TypeRule(
        f"{element}[]",
        f"ARRAY<{hive}>",
        f"array of {mongo}",
        carry=carry,
        staged=f"array<{hive.lower()}>",
        unfit=f"{_NOT_A_LIST} or {_has_element(unfit)}" if unfit else _NOT_A_LIST,
        unfit_means=f"{_NOT_A_LIST_MEANS}, or {means}" if means else _NOT_A_LIST_MEANS,
        note=note,
    )


TEXT_ELEMENTS = (
    *("text", "character varying", "character", "name", "citext", "uuid", "inet", "cidr", "macaddr", "macaddr8"),
    *("enum", "bit", "bit varying", "time without time zone", "time with time zone"),
)
"""Types that PostgreSQL writes into a JSON list as their text."""

_ARRAYS: tuple[TypeRule, ...] = (
    _array("smallint", "SMALLINT", "int32"),
    _array("integer", "INT", "int32"),
    _array("bigint", "BIGINT", "int64"),
    _array("boolean", "BOOLEAN", "bool"),
    _array("real", "DOUBLE", "double", "{c}::double precision[]::text[]", note="each as the double that it is"),
    _array("double precision", "DOUBLE", "double", "{c}::text[]"),
    _array(
        "numeric(p,s)",
        "DECIMAL({p},{s})",
        "decimal128",
        "{c}::text[]",
        _NO_NUMBER.replace("{c}", "u.v"),
        _NO_NUMBER_MEANS,
    ),
    _array("date", "DATE", "date", "{c}::text[]", _OUT_OF_CALENDAR.replace("{c}", "u.v"), _CALENDAR),
    *(_array(element, "STRING", "string") for element in TEXT_ELEMENTS),
    *(_array(element, "STRING", "string", "{c}::text[]") for element in ("json", "jsonb")),
)

_SHORT = (
    *('"char"', "name", "enum", "inet", "cidr", "macaddr", "macaddr8", "uuid", "pg_lsn", "ltree"),
    *("time without time zone", "time with time zone", "timestamp with time zone"),
)
"""Types of text whose longest value is far below what Hive reads."""


def limited(rule: TypeRule) -> TypeRule:
    """The rule with a value that is too long refused, and cut where the quarantine keeps its text.

    Every JSON string has that limit: a text, an element of a list, and the text of a value that is refused for any
    other reason. So it is put on here, for all types but those that cannot be so long.
    """
    element = rule.postgres.removesuffix("[]")
    if "STRING" not in rule.hive or element in _SHORT:
        return rule
    if rule.hive == "STRING":
        length = f"pg_catalog.octet_length({rule.carry}) > {_LONGEST}"
    else:
        length = _has_element(f"pg_catalog.octet_length(u.v::text) > {_LONGEST}")
    too_long = f"{_LARGE} and {length}"
    return replace(
        rule,
        raw=f"case when {_LARGE} and pg_catalog.octet_length({rule.raw}) > {_LONGEST}"
        f" then pg_catalog.left({rule.raw}, {_SHOWN}) else {rule.raw} end",
        unfit=f"({rule.unfit}) or ({too_long})" if rule.unfit else too_long,
        unfit_means=f"{rule.unfit_means}, or {_TOO_LONG}" if rule.unfit else _TOO_LONG,
        cure=f"{rule.cure}; or {_LEAVE_OUT}" if rule.unfit else _LEAVE_OUT,
    )


RULES: tuple[TypeRule, ...] = tuple(map(limited, (*_SCALARS, *_ARRAYS)))

REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        "numeric",
        "numeric without precision has no DECIMAL that holds every value",
        'give it one: columns: {{{c}: {{as: "decimal(38,10)"}}}}; or ' + AS_STRING_CURE,
    ),
    Refusal(
        "numeric(p,s) beyond DECIMAL(38)",
        "DECIMAL holds at most 38 digits, with 0 ≤ scale ≤ precision",
        AS_STRING_CURE + '; or, when the values fit, columns: {{{c}: {{as: "decimal(38,10)"}}}}',
    ),
    Refusal(
        "timestamp without time zone[], timestamp with time zone[]",
        "Hive cannot read lists of timestamps from Parquet files",
    ),
    Refusal("array of another type", "docs/types.md has no rule for the type of its elements"),
    Refusal("composite", "it has no type of its own in Hive"),
    Refusal("range, multirange", "it has no type of its own in Hive"),
    Refusal("interval", "months, days and seconds have no common type in Parquet and MongoDB"),
    Refusal(
        "money",
        "its text depends on the server's lc_monetary: $1.00 or 1,00 €",
        'carry the amount: columns: {{{c}: {{as: "decimal(20,2)"}}}}; or ' + AS_STRING_CURE,
    ),
    Refusal("tsvector, tsquery", "a search index has no type of its own in Hive"),
    Refusal("point, line, lseg, box, path, polygon, circle", "a geometry has no type of its own in Hive"),
    Refusal("hstore", "its keys may hold NULL, and differ from row to row"),
    Refusal("any other type", "docs/types.md has no rule for this type"),
)
