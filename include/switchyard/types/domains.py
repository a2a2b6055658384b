"""Values of a flow file as HiveQL literals that mean exactly one value of a column's type. Pure.

A bound is first moved onto the values that the type has (`at_least: 0.5` on INT is 1), so that both sides of every
comparison have one type and Hive converts nothing.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import struct
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Protocol

from switchyard.types.hive_type import BOOLEAN, DATE, FLOAT, STRING, TIMESTAMP, HiveType
from switchyard.types.quoting import UnfitBound, quote_text

Bound = bool | int | float | str
"""What a check may compare with. A boolean occurs in `accepted_values` only: booleans have no order."""

_NUMBER = re.compile(r"[+-]?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,4})?", re.ASCII)
_WIDE = Context(prec=1000)
_LARGEST_FLOAT = 3.4028234663852886e38


class Domain(Protocol):
    """The values of one Hive type. Each method returns a HiveQL condition, or raises UnfitBound."""

    def below(self, column: str, bound: Bound) -> str:
        """A condition that is true for values less than the bound."""
        ...

    def above(self, column: str, bound: Bound) -> str:
        """A condition that is true for values greater than the bound."""
        ...

    def among(self, column: str, values: list[Bound]) -> str:
        """A condition that is true for the values of a list."""
        ...


def domain_of(kind: HiveType) -> Domain | None:
    """The domain of a type; None for lists and bytes, whose values cannot be compared with a bound."""
    if kind.is_integer:
        limit = Decimal(2 ** (kind.bits - 1))
        return ExactNumber(kind, 0, -limit, limit - 1)
    if kind.is_decimal:
        largest = Decimal((0, (9,) * kind.precision, -kind.scale))
        return ExactNumber(kind, kind.scale, largest.copy_negate(), largest)  # `-` would round to 28 digits
    if kind.is_float:
        return Floating(kind)
    return _OTHERS.get(kind)


@dataclass(frozen=True)
class ExactNumber:
    """Integers and decimals: multiples of 10^-scale from `low` to `high`."""

    type: HiveType
    scale: int
    low: Decimal
    high: Decimal

    def below(self, column: str, bound: Bound) -> str:
        """See Domain."""
        value = _number(bound)
        if value > self.high:
            raise UnfitBound(f"is more than {self.type} holds, so every value would break it")
        return "false" if value <= self.low else f"{column} < {self._literal(value, ROUND_CEILING)}"

    def above(self, column: str, bound: Bound) -> str:
        """See Domain."""
        value = _number(bound)
        if value < self.low:
            raise UnfitBound(f"is less than {self.type} holds, so every value would break it")
        return "false" if value >= self.high else f"{column} > {self._literal(value, ROUND_FLOOR)}"

    def among(self, column: str, values: list[Bound]) -> str:
        """See Domain."""
        return f"{column} in ({', '.join(self._literal(self._exactly(value)) for value in values)})"

    def _exactly(self, bound: Bound) -> Decimal:
        value = _number(bound)
        if not self.low <= value <= self.high or value != self._round(value, ROUND_FLOOR):
            raise UnfitBound(f"is not a value of {self.type}")
        return value

    def _literal(self, value: Decimal, rounding: str = ROUND_FLOOR) -> str:
        return f"cast('{self._round(value, rounding):f}' as {self.type})"

    def _round(self, value: Decimal, rounding: str) -> Decimal:
        return value.quantize(Decimal((0, (1,), -self.scale)), rounding, _WIDE)


@dataclass(frozen=True)
class Floating:
    """FLOAT and DOUBLE. A bound is the nearest value of the type; NaN is outside of every range; -0 is 0.

    Hive's row and vector modes disagree about -0 < 0, so nothing is compared with 0, but with its neighbours.
    """

    type: HiveType

    def below(self, column: str, bound: Bound) -> str:
        """See Domain."""
        value = self._nearest(bound)
        low = f"{column} < {self._literal(value)}" if value else f"{column} <= {self._literal(-self._tiny)}"
        return f"{low} or {_is_nan(column)}"

    def above(self, column: str, bound: Bound) -> str:
        """See Domain."""
        value = self._nearest(bound)
        high = f"{column} > {self._literal(value)}" if value else f"{column} >= {self._literal(self._tiny)}"
        return f"{high} or {_is_nan(column)}"

    def among(self, column: str, values: list[Bound]) -> str:
        """See Domain."""
        read = [self._nearest(value) for value in values]
        some = [value for value in read if value]
        parts = [f"{column} in ({', '.join(map(self._literal, some))})"] if some else []
        if 0 in read:
            parts.append(f"({column} > {self._literal(-self._tiny)} and {column} < {self._literal(self._tiny)})")
        return f"({' or '.join(parts)}) and not {_is_nan(column)}"

    @property
    def _tiny(self) -> float:
        return 2.0**-149 if self.type == FLOAT else 2.0**-1074

    def _nearest(self, bound: Bound) -> float:
        value = float(_number(bound))
        if math.isinf(value) or (self.type == FLOAT and abs(value) > _LARGEST_FLOAT):
            raise UnfitBound(f"is beyond the largest {self.type}")
        return float(struct.unpack("f", struct.pack("f", value))[0]) if self.type == FLOAT else value

    def _literal(self, value: float) -> str:
        return f"cast('{value!r}' as {self.type})"


@dataclass(frozen=True)
class Text:
    """STRING: ordered by code point."""

    def below(self, column: str, bound: Bound) -> str:
        """See Domain."""
        return f"{column} < {_text(bound)}"

    def above(self, column: str, bound: Bound) -> str:
        """See Domain."""
        return f"{column} > {_text(bound)}"

    def among(self, column: str, values: list[Bound]) -> str:
        """See Domain."""
        return f"{column} in ({', '.join(_text(value) for value in values)})"


@dataclass(frozen=True)
class Calendar:
    """DATE and TIMESTAMP. A bound with an offset is the instant, in UTC."""

    type: HiveType

    def below(self, column: str, bound: Bound) -> str:
        """See Domain."""
        return f"{column} < {self._literal(bound)}"

    def above(self, column: str, bound: Bound) -> str:
        """See Domain."""
        return f"{column} > {self._literal(bound)}"

    def among(self, column: str, values: list[Bound]) -> str:
        """See Domain."""
        return f"{column} in ({', '.join(self._literal(value) for value in values)})"

    def _literal(self, bound: Bound) -> str:
        return f"cast('{self._read(bound)}' as {self.type})"

    def _read(self, bound: Bound) -> str:
        shown = '"2024-01-31"' if self.type == DATE else '"2024-01-31 12:00:00" or "2024-01-31T12:00:00+02:00"'
        try:
            if self.type == DATE:
                return dt.date.fromisoformat(str(bound)).isoformat()
            read = dt.datetime.fromisoformat(str(bound))
            plain = read.astimezone(dt.UTC).replace(tzinfo=None) if read.tzinfo else read
        except (ValueError, OverflowError) as error:
            raise UnfitBound(f"is not a {self.type}: write {shown}, in quotes") from error
        return plain.isoformat(sep=" ", timespec="microseconds")


@dataclass(frozen=True)
class Truth:
    """BOOLEAN, which has no order."""

    def below(self, column: str, bound: Bound) -> str:
        """See Domain."""
        raise UnfitBound("is a bound, and boolean has no order: use accepted_values")

    def above(self, column: str, bound: Bound) -> str:
        """See Domain."""
        return self.below(column, bound)

    def among(self, column: str, values: list[Bound]) -> str:
        """See Domain."""
        words = [_word(value) for value in values]
        if wrong := [word for word in words if word not in ("true", "false")]:
            raise UnfitBound(f"is {wrong[0]!r} among others, and a boolean is true or false")
        return " or ".join(f"{column} = {word}" for word in words)


_OTHERS: dict[HiveType, Domain] = {
    STRING: Text(),
    DATE: Calendar(DATE),
    TIMESTAMP: Calendar(TIMESTAMP),
    BOOLEAN: Truth(),
}


def _is_nan(column: str) -> str:
    return f"cast({column} as string) = 'NaN'"


def _word(bound: Bound) -> str:
    """A value as a flow file writes it."""
    return str(bound).lower() if isinstance(bound, bool) else str(bound)


def _text(bound: Bound) -> str:
    if not isinstance(bound, str):
        raise UnfitBound(f'is not text, and the column is: write "{_word(bound)}", in quotes')
    return quote_text(bound)


def _number(bound: Bound) -> Decimal:
    """The number as it is written in the flow file: 0.1 is a tenth, not the double nearest to it."""
    try:
        text = bound if isinstance(bound, str) else repr(bound)
    except ValueError:  # an int of thousands of digits
        text = ""
    if not _NUMBER.fullmatch(text):
        raise UnfitBound("is not a number of at most 400 digits")
    return Decimal(text)
