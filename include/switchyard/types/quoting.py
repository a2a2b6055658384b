"""How names and texts are written in SQL and HiveQL."""

from __future__ import annotations

import itertools
import string
import struct
from collections.abc import Iterable

_PLAIN = frozenset(string.ascii_letters + string.digits)


class UnfitBound(ValueError):
    """A bound that is not a value of the column's type; the text completes a sentence whose subject is the bound."""


def free_name(name: str, others: Iterable[str]) -> str:
    """A name for a column or alias that we add to other columns: `name`, with a number if one of `others` has it.

    Capitals are ignored, as Hive and DuckDB ignore them.
    """
    folded = {other.lower() for other in others}
    numbered = (f"{name}_{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], numbered) if each.lower() not in folded)


def quote_postgres(name: str) -> str:
    """Quote an identifier for PostgreSQL, so that Sqoop sees no `$`.

    Hadoop's configuration would put a property's value in the place of `${…}`, and Sqoop a range in `$CONDITIONS`'s.
    """
    quoted = name.replace('"', '""')
    if "$" not in name:
        return f'"{quoted}"'
    return 'U&"' + quoted.replace("\\", "\\\\").replace("$", "\\0024") + '"'


def quote_plainly(name: str) -> str:
    """Quote an identifier for a function that reads names, such as to_regclass: it knows no escapes."""
    return '"' + name.replace('"', '""') + '"'


def in_bytes(text: str) -> str:
    """A PostgreSQL expression that is compared by its bytes.

    A comparison or a regular expression of ours would otherwise inherit the collation of the column that the text
    comes from, and one that is not deterministic finds other texts equal, or cannot be searched at all.
    """
    return f'({text}) collate pg_catalog."C"'


def quote_literal(text: str) -> str:
    """A PostgreSQL literal that does not depend on standard_conforming_strings, and in which Sqoop sees no `$`."""
    quoted = text.replace("'", "''")
    if "\\" not in text and "$" not in text:
        return f"'{quoted}'"
    return "E'" + quoted.replace("\\", "\\\\").replace("$", "\\x24") + "'"


def quote_hive(name: str) -> str:
    """Quote an identifier for HiveQL."""
    return "`" + name.replace("`", "``") + "`"


def quote_text(text: str) -> str:
    r"""Write a string literal in plain letters: all else as \uXXXX, in UTF-16.

    So no quote, backslash, newline or `${…}` (which HiveServer2 replaces, in literals too) is ever in a statement.
    Source: BaseSemanticAnalyzer.unescapeSQLString, Hive 4.0.1.
    """
    try:
        units = [unit for (unit,) in struct.iter_unpack("<H", text.encode("utf-16-le"))]
    except UnicodeEncodeError as error:
        raise UnfitBound("is not text: it holds half of a surrogate pair") from error
    return "'" + "".join(chr(unit) if chr(unit) in _PLAIN else f"\\u{unit:04x}" for unit in units) + "'"
