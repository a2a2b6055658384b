"""A PostgreSQL type as its catalogue knows it: by its row of pg_type, never by the text that a session makes of it."""

from __future__ import annotations

from dataclasses import dataclass

_SQL_NAMES = {
    "bool": "boolean",
    "bpchar": "character",
    "char": '"char"',
    "float4": "real",
    "float8": "double precision",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "time": "time without time zone",
    "timetz": "time with time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "varbit": "bit varying",
    "varchar": "character varying",
}
"""pg_type.typname of a built-in type → its name in SQL, where the two differ."""
_KINDS = {"c": "composite", "r": "range", "m": "multirange", "e": "enum"}
_NUMERIC_HEADER = 4
"""VARHDRSZ, which every type modifier of numeric carries. Source: numeric.c, `make_numeric_typmod`, PostgreSQL 15."""

_CLOCK_DIGITS = 6


@dataclass(frozen=True)
class PostgresType:
    """One type.

    Args:
        text: for people, as format_type writes it.
        catalog: pg_type.typname of a type of pg_catalog, or of the extension that has the type's own name; empty for
            any other, so that a user's own type named `uuid` is not taken for PostgreSQL's.
        kind: pg_type.typtype.
        modifier: pg_attribute.atttypmod; -1: none.
        element: the type of an array's elements, domains resolved.
        labels: what a value's text is made of besides the type: the labels of an enum, in its order; the fields of a
            composite, in one text; of money the locale.
    """

    text: str
    catalog: str = ""
    kind: str = "b"
    modifier: int = -1
    element: PostgresType | None = None
    labels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The type's name in SQL, without length or precision; of an array its element's with `[]`; else empty."""
        if self.element is not None:
            return f"{self.element.name}[]"
        return _KINDS.get(self.kind) or _SQL_NAMES.get(self.catalog, self.catalog)

    @property
    def precision(self) -> int:
        """Of numeric with a modifier; else 0."""
        return (self.modifier - _NUMERIC_HEADER) >> 16 & 0xFFFF if self._is_numeric else 0

    @property
    def scale(self) -> int:
        """Of numeric with a modifier, negative ones included; else 0."""
        return ((self.modifier - _NUMERIC_HEADER & 0x7FF) ^ 1024) - 1024 if self._is_numeric else 0

    @property
    def is_timestamp(self) -> bool:
        """True for timestamp with and without time zone."""
        return self.kind == "b" and self.catalog in ("timestamp", "timestamptz")

    @property
    def second_digits(self) -> int:
        """Digits of a second that a timestamp has."""
        return self.modifier if self.is_timestamp and self.modifier >= 0 else _CLOCK_DIGITS

    @property
    def _is_numeric(self) -> bool:
        return self.kind == "b" and self.catalog == "numeric" and self.modifier >= _NUMERIC_HEADER
