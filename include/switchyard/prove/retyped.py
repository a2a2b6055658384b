"""Columns of another type than before, under which rows that nobody wrote have other values. Pure.

`ALTER TABLE … TYPE` rewrites every row and moves no cursor: a char(5) is padded to eight, a timestamp is rounded, a
USING computes something else. The flow's own `as: string` does the same: PostgreSQL's text of a value is not Hive's.
"""

from __future__ import annotations

import re

from switchyard.prove.known_columns import KnownColumn
from switchyard.types.carry import CarriedColumn
from switchyard.types.hive_type import STRING

_LIMITED = frozenset({"text", "character varying", "bit varying"})
"""Types whose length is only a limit: another one leaves the values as they are."""
_SAME_AS_TEXT = frozenset({"uuid", "name", "bit varying", "text", "character varying"})
"""Types that become text without another letter."""
_FINEST = 6


def is_retyped(before: KnownColumn, now: CarriedColumn) -> bool:
    """True if rows read before may have other values now: the column's type or the flow's `as` is another one.

    `now` is what the contract makes of the column.
    """
    if not before.postgres_type or not now.source or before.dropped:
        return False
    return _bare(before.postgres_type) != _bare(now.postgres_type) or before.hive_type != now.hive_type


def keeps_keys(before: KnownColumn, now: CarriedColumn) -> bool:
    """True if a key column may have its new type: a row is still found by the value that it was loaded with."""
    if not is_retyped(before, now):
        return True
    old, new = before.hive_type, now.hive_type
    if old.whole_digits is not None and new.whole_digits is not None:
        return True  # Hive compares them as numbers
    if new == STRING and now.chosen:
        return old.is_integer
    if before.labels and now.labels:
        return True  # renamed labels are judged by themselves
    return _keeps_text(_bare(before.postgres_type), _bare(now.postgres_type), bool(before.labels))


def _keeps_text(old: str, new: str, was_enum: bool) -> bool:
    base = _family(old)
    becomes = _family(new)
    if becomes in ("text", "character varying"):
        return was_enum or base in _SAME_AS_TEXT
    if base != becomes:
        return False
    return base in _LIMITED or (base.startswith("time") and _digits(new) >= _digits(old))


def _bare(kind: str) -> str:
    """A type without its schema, which a login's search_path shows or leaves out."""
    return kind.rpartition(".")[2]


def _family(kind: str) -> str:
    return re.sub(r"\([\d,\s-]*\)", "", kind)


def _digits(kind: str) -> int:
    """Digits of a second's fraction."""
    digits = re.search(r"\((\d+)\)", kind)
    return int(digits[1]) if digits else _FINEST
