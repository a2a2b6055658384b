"""Which Hive type holds every value of another, exactly and as the same kind of thing. Pure.

    smallint < int < bigint < decimal(p,s) with p - s ≥ 19      decimal(p,s) < decimal(P,S), S ≥ s and P - S ≥ p - s
    float < double                                              array<a> < array<b> when a < b

Not here, though values might survive: integer to float (another kind of number), date to timestamp (midnight would be
invented), anything to string (a flow asks for that with `as: string`).
"""

from __future__ import annotations

import re

_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_LIST = re.compile(r"array<(.+)>")
_BITS = {"smallint": 16, "int": 32, "bigint": 64}
_DIGITS = {"smallint": 5, "int": 10, "bigint": 19}
_FLOATS = ("float", "double")


def holds(wide: str, narrow: str) -> bool:
    """Whether every value of Hive type `narrow` is a value of `wide`: a partial order."""
    wide, narrow = wide.lower(), narrow.lower()
    if wide == narrow:
        return True
    if (outer := _LIST.fullmatch(wide)) and (inner := _LIST.fullmatch(narrow)):
        return holds(outer[1], inner[1])
    if narrow in _FLOATS:
        return (narrow, wide) == _FLOATS
    if narrow in _BITS and wide in _BITS:
        return _BITS[narrow] < _BITS[wide]
    shape, into = _digits(narrow), _DECIMAL.fullmatch(wide)
    if shape is None or into is None:
        return False
    whole, scale = shape
    return int(into[2]) >= scale and int(into[1]) - int(into[2]) >= whole


def misfit(narrow: str, column: str) -> str:
    """PostgreSQL's condition, never NULL, that a value of a wider column is no value of Hive type `narrow`.

    `column` is quoted. Raises ValueError for a type that nothing is wider than.
    """
    narrow = narrow.lower()
    if found := _LIST.fullmatch(narrow):
        return f"exists (select from unnest({column}) as e where {misfit(found[1], 'e')})"
    if narrow == "float":  # a cast that overflows or underflows is an error, so it must not be tried
        return (
            f"coalesce(case when {column} in (0, 'NaN', 'Infinity', '-Infinity') then false"
            f" when abs({column}) > 3.4028234663852886e38::float8 or abs({column}) < 1.401298464324817e-45::float8"
            f" then true else {column}::real::float8 <> {column} end, false)"
        )
    if narrow in _BITS:
        limit = 2 ** (_BITS[narrow] - 1)
        return _off_grid(column, 0, str(-limit), str(limit - 1))
    if decimal := _DECIMAL.fullmatch(narrow):
        scale = int(decimal[2])
        digits = "9" * int(decimal[1])
        largest = f"{digits[: len(digits) - scale] or '0'}.{digits[len(digits) - scale :] or '0'}"
        return _off_grid(column, scale, f"-{largest}", largest)
    raise ValueError(f"no type is wider than {narrow}")


def _digits(hive_type: str) -> tuple[int, int] | None:
    """Digits before the point and after it."""
    if hive_type in _DIGITS:
        return _DIGITS[hive_type], 0
    found = _DECIMAL.fullmatch(hive_type)
    return (int(found[1]) - int(found[2]), int(found[2])) if found else None


def _off_grid(column: str, scale: int, low: str, high: str) -> str:
    value = f"{column}::numeric"  # NaN is greater than every number here
    return f"coalesce({value} not between {low} and {high} or round({value}, {scale}) <> {value}, false)"
