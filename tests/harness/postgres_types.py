"""PostgreSQL types for unit tests, from the text that people write; the product has them from pg_type."""

from __future__ import annotations

import re

from switchyard.types.postgres_type import _SQL_NAMES, PostgresType

_CATALOG = {sql: catalog for catalog, sql in _SQL_NAMES.items()}


def postgres_type(text: str, kind: str = "b") -> PostgresType:
    """A type of pg_catalog or of an extension, or `schema.name` of somebody's own; with `[]` an array."""
    if text.endswith("[]"):
        return PostgresType(text, f"_{text}", element=postgres_type(text.removesuffix("[]"), kind))
    bare = re.sub(r"\([\d,\s-]+\)|(?<=interval) .*", "", text).strip()
    catalog = "" if "." in bare or kind != "b" else _CATALOG.get(bare, bare)
    numeric = re.fullmatch(r"numeric\((\d+),(-?\d+)\)", text)
    modifier = (int(numeric[1]) << 16 | int(numeric[2]) & 0x7FF) + 4 if numeric else -1
    return PostgresType(text, catalog, kind, modifier)
