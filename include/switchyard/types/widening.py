"""Values of a wider column that do not fit the Hive type which a table keeps. Pure."""

from __future__ import annotations

from switchyard.types.hive_type import FLOAT, HiveType


def misfit(narrow: HiveType, column: str) -> str:
    """A PostgreSQL condition, never NULL, that is true for values which Hive type `narrow` does not hold.

    `column` is quoted. Raises ValueError for a type that nothing is wider than.
    """
    if narrow.element:
        return f"exists (select from pg_catalog.unnest({column}) as e where {misfit(narrow.element, 'e')})"
    if narrow == FLOAT:  # a cast that overflows or underflows is an error, so it must not be tried
        return (
            f"coalesce(case when {column} in (0, 'NaN', 'Infinity', '-Infinity') then false"
            f" when pg_catalog.abs({column}) > 3.4028234663852886e38::float8"
            f" or pg_catalog.abs({column}) < 1.401298464324817e-45::float8"
            f" then true else {column}::real::float8 <> {column} end, false)"
        )
    if narrow.is_integer:
        limit = 2 ** (narrow.bits - 1)
        return _off_grid(column, 0, str(-limit), str(limit - 1))
    if narrow.is_decimal:
        digits = "9" * narrow.precision
        whole = narrow.precision - narrow.scale
        largest = f"{digits[:whole] or '0'}.{digits[whole:] or '0'}"
        return _off_grid(column, narrow.scale, f"-{largest}", largest)
    raise ValueError(f"no type is wider than {narrow}")


def _off_grid(column: str, scale: int, low: str, high: str) -> str:
    value = f"{column}::numeric"  # NaN is greater than every number here
    rounded = f"pg_catalog.round({value}, {scale})"
    return f"coalesce({value} not between {low} and {high} or {rounded} <> {value}, false)"
