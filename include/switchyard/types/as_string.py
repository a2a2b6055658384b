"""What `as: string` makes of every PostgreSQL type."""

from __future__ import annotations

from dataclasses import replace

from switchyard.types.quoting import in_bytes
from switchyard.types.rules import WHOLE_TEXT, TypeRule, bytes_rule, limited

_OWN_TEXT = TypeRule(
    "any other type",
    "STRING",
    "string",
    note="PostgreSQL's own text, as `::text` makes it: infinity, NaN and BC included",
)


_LIST = TypeRule(
    "array",
    "STRING",
    "string",
    carry="pg_catalog.array_to_json({c}::text[])::text",
    unfit=in_bytes("pg_catalog.array_dims({c})") + " ~ '[[](?!1:)'",
    unfit_means="an array with bounds of its own, which JSON does not have",
    cure="carry PostgreSQL's text of it: source.query with the column cast to text",
    note="a JSON list, of lists for several dimensions, of the elements' texts",
)


_AS_JSON = "pg_catalog.row_to_json({c})::text"
_BOUNDS = "[[]-?[0-9]+:-?[0-9]+[]]={{"


def _bounds_in(text: str) -> str:
    """SQL that counts the places of a text that look like an array's bounds, and one more."""
    return f"pg_catalog.array_length(pg_catalog.regexp_split_to_array({in_bytes(text)}, '{_BOUNDS}'), 1)"


_LOSES_BOUNDS = f"{in_bytes(WHOLE_TEXT)} ~ '{_BOUNDS}' and {_bounds_in(WHOLE_TEXT)} <> {_bounds_in(_AS_JSON)}"
"""True for a composite with an array in it, at any depth, that has bounds of its own.

JSON keeps what only looks like bounds: it is part of a text there, in the very same characters.
"""


_AS_STRING: tuple[TypeRule, ...] = (
    replace(
        _LIST,
        postgres="array of whole numbers, boolean or text",
        carry="pg_catalog.array_to_json({c})::text",
        note="a JSON list, of lists for several dimensions",
    ),
    _LIST,
    TypeRule(
        "composite",
        "STRING",
        "string",
        carry=_AS_JSON,
        unfit=_LOSES_BOUNDS,
        unfit_means="an array with bounds of its own inside, which JSON does not have",
        cure=_LIST.cure,
        note="a JSON object",
    ),
    bytes_rule("STRING", "string", "{c}", "hexadecimal digits"),
    TypeRule("character", "STRING", "string", carry="{c}", note="blank padding kept"),
    TypeRule("inet", "STRING", "string", carry="pg_catalog.abbrev({c})", note="as PostgreSQL shows it"),
    TypeRule(
        "timestamp with time zone",
        "STRING",
        "string",
        carry="case when pg_catalog.isfinite({c})"
        " then pg_catalog.replace(({c} at time zone 'UTC')::text || '+00', ' BC+00', '+00 BC')"
        " else {c}::text end",
        note="PostgreSQL's own text, in UTC",
    ),
    _OWN_TEXT,
)


AS_STRING: tuple[TypeRule, ...] = tuple(rule if rule.postgres == "bytea" else limited(rule) for rule in _AS_STRING)
"""What `as: string` makes of a type. None of them depends on a setting of the session but those that we set."""
