"""Columns that can be a key in the lake: those whose values are equal at the source exactly if their bytes are.

The lake, a merge and a delta compare a key by the value that travelled. Where PostgreSQL takes two different texts for
one value (a citext in another case, 1.0 and 1.00), one row would become two. Pure.
"""

from __future__ import annotations

from switchyard.types.carry import SourceColumn, rule_name

BY_BYTES = frozenset(
    {
        *(
            "smallint",
            "integer",
            "bigint",
            "oid",
            "boolean",
            "numeric(p,s)",
            "numeric(p,s) beyond DECIMAL(38)",
            "money",
        ),
        *("text", "character varying", "character", '"char"', "name", "bytea", "uuid", "enum", "bit"),
        *("bit varying", "date", "timestamp without time zone", "timestamp with time zone", "time without time zone"),
        *("time with time zone", "inet", "cidr", "macaddr", "macaddr8", "pg_lsn", "ltree"),
    }
)
"""Types in which two values are equal exactly if their texts are."""

COLLATED = frozenset({"text", "character varying", "character"})
"""Types of `BY_BYTES` that leave it under a nondeterministic collation, which decides equality itself."""

_FLOAT = (
    "0 and -0 are equal, and have different texts",
    "carry it as a number of fixed scale: source.query with {c}::numeric(p,s)",
)
_ANOTHER = "name other columns in source.key"
_LIST = "array"
_MONEY = "money, as: string"
_COLLATED = "text of a nondeterministic collation"
OTHERWISE: dict[str, tuple[str, str]] = {
    _LIST: (
        "PostgreSQL takes two NULLs in an array for equal, and Hive does not",
        "carry its text, into a new lake.table if this one has rows: columns: {{{c}: {{as: string}}}}",
    ),
    _MONEY: (
        "its text depends on the server's lc_monetary: $1.00 or 1,00 €",
        'carry the amount: columns: {{{c}: {{as: "decimal(20,2)"}}}}; or ' + _ANOTHER,
    ),
    "citext": ("it ignores case: a equals A", "carry one spelling: source.query with lower({c})::text as {c}"),
    _COLLATED: (
        "its collation may take different texts for equal, e.g. a and A",
        # Without `collate` the result would have the column's own collation, and be refused.
        'if it ignores case alone: source.query with lower({c}) collate "C" as {c}; if more: ' + _ANOTHER,
    ),
    "character of no length": ("blanks at its end do not count: 'a' equals 'a '", "source.query with {c}::text as {c}"),
    "numeric": (
        "1.0 and 1.00 are equal, and have different texts",
        'give it one scale: columns: {{{c}: {{as: "decimal(38,10)"}}}}',
    ),
    "real": _FLOAT,
    "double precision": _FLOAT,
    "interval": (
        "1 day and 24:00:00 are equal, and have different texts",
        "source.query with justify_interval({c})::text as {c}",
    ),
    "jsonb": ("numbers in it are equal when their texts are not, e.g. 1 and 1.0", _ANOTHER),
    "json": ("PostgreSQL has no = for it", _ANOTHER),
    "xml": ("PostgreSQL has no = for it", _ANOTHER),
    "jsonpath": ("PostgreSQL has no = for it", _ANOTHER),
    "composite": (
        "its fields decide which values are equal, not its text",
        "key by its fields: source.query with ({c}).field as field",
    ),
    "range": (
        "bounds may be equal when their texts are not, e.g. 1 and 1.0",
        "key by its bounds: source.query with lower({c}) as low, upper({c}) as high",
    ),
    "multirange": ("bounds may be equal when their texts are not, e.g. 1 and 1.0", _ANOTHER),
}
"""Why the bytes do not tell equality, and the cure."""

_UNKNOWN = ("it is unknown whether equal values of this type always have the same text", _ANOTHER)


def key_fault(column: SourceColumn, choice: str | None = None, *, collation: str | None = None) -> str | None:
    """A sentence on why a column cannot be the key of a merge, with the cure; None when it can.

    `choice` is the flow's `as`; `collation` the name of the column's collation, if it is a nondeterministic one.
    """
    kind = column.type
    while kind.element is not None:
        kind = kind.element
    base = rule_name(kind)
    if base == "character" and kind.modifier == -1:
        base = "character of no length"
    if base == "numeric" and choice is not None and choice != "string":
        return None
    if collation is not None and base in COLLATED:
        _, cure = OTHERWISE[_COLLATED]
        why = f"its collation {collation} may take different texts for equal, e.g. a and A"
    elif base == "money" and choice == "string":
        why, cure = OTHERWISE[_MONEY]
    elif base in BY_BYTES and column.type.element is not None and choice != "string":
        why, cure = OTHERWISE[_LIST]
    elif base in BY_BYTES:
        return None
    else:
        why, cure = OTHERWISE.get(base, _UNKNOWN)
    return (
        f"key column {column.name!r} is {column.type.text}: {why}, so that one row could become two in the lake; "
        + cure.format(c=column.name)
    )
