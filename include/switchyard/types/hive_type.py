"""Hive's types as values: the one place that takes the text of a type apart and puts it together.

Hive's names are those of its TypeInfo classes: `serdeConstants` and `TypeInfoUtils.TypeInfoParser`, Hive 4.0.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from switchyard.errors import UnknownHiveType
from switchyard.types.type_tokens import TypeTokens

_ALIASES = {"integer": "int", "double precision": "double", "numeric": "decimal", "dec": "decimal"}
_ZONED = "timestamp with local time zone"
_PLAIN = frozenset(
    {
        *("tinyint", "smallint", "int", "bigint", "float", "double", "boolean", "string", "binary", "date"),
        *("timestamp", _ZONED, "interval_year_month", "interval_day_time", "void"),
    }
)
_BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
_DIGITS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}
_MOST_DIGITS = 38


@dataclass(frozen=True)
class HiveType:
    """One Hive type. Equal types are equal values, and `str` writes what the metastore keeps.

    Args:
        name: Hive's own name, lower case: `decimal`, `array`, …
        precision: digits of a DECIMAL.
        scale: those of them after the point.
        length: of CHAR and VARCHAR.
        parts: a list's element, a map's key and value, a struct's fields, a union's alternatives.
        fields: names of a struct's fields.
        zone: of a TIMESTAMP WITH LOCAL TIME ZONE that names one.
    """

    name: str
    precision: int = 0
    scale: int = 0
    length: int = 0
    parts: tuple[HiveType, ...] = ()
    fields: tuple[str, ...] = ()
    zone: str = ""

    @classmethod
    def parse(cls, text: str) -> HiveType:
        """Read a type from its text, in capitals or not; raises UnknownHiveType."""
        return _parse(text)

    @classmethod
    def decimal(cls, precision: int, scale: int) -> HiveType:
        """A DECIMAL; raises UnknownHiveType for a precision or scale that Hive does not have."""
        return _parse(f"decimal({precision},{scale})")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[HiveType], handler: GetCoreSchemaHandler) -> CoreSchema:
        """In a record, a type is its text."""
        text = core_schema.str_schema()
        return core_schema.no_info_after_validator_function(
            _parse_value, text, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    def __str__(self) -> str:
        match self.name:
            case "decimal":
                return f"decimal({self.precision},{self.scale})"
            case "char" | "varchar":
                return f"{self.name}({self.length})"
            case "struct":
                pairs = zip(self.fields, self.parts, strict=True)
                return f"struct<{','.join(f'{name}:{part}' for name, part in pairs)}>"
            case "array" | "map" | "uniontype":
                return f"{self.name}<{','.join(map(str, self.parts))}>"
        return f"{self.name}('{self.zone}')" if self.zone else self.name

    @property
    def shown(self) -> str:
        """As messages, docs and the ledger's facts write it: in capitals."""
        return str(self).upper()

    @property
    def element(self) -> HiveType | None:
        """The type of a list's elements; None for any other type."""
        return self.parts[0] if self.is_list else None

    @property
    def bits(self) -> int:
        """The size of an integer; 0 for any other type."""
        return _BITS.get(self.name, 0)

    @property
    def is_list(self) -> bool:
        """True for ARRAY."""
        return self.name == "array"

    @property
    def is_nested(self) -> bool:
        """True for lists, maps, structs and unions, which Hive neither compares nor casts to text."""
        return bool(self.parts)

    @property
    def is_decimal(self) -> bool:
        """True for DECIMAL."""
        return self.name == "decimal"

    @property
    def is_integer(self) -> bool:
        """True for TINYINT, SMALLINT, INT and BIGINT."""
        return self.name in _BITS

    @property
    def is_float(self) -> bool:
        """True for FLOAT and DOUBLE."""
        return self.name in ("float", "double")

    @property
    def whole_digits(self) -> int | None:
        """The most digits that a number has before the point; None for what is not an exact number."""
        return self.precision - self.scale if self.is_decimal else _DIGITS.get(self.name)

    def holds(self, other: HiveType) -> bool:
        """True if every value of `other` is a value of this type, exactly and as the same kind of thing.

        A partial order:

            tinyint < smallint < int < bigint < decimal(p,s) with p - s ≥ 19
            decimal(p,s) < decimal(P,S) when S ≥ s and P - S ≥ p - s
            float < double
            array<a> < array<b> when a < b

        Not in it, though values might survive: integer to float (another kind of number), date to timestamp (midnight
        would be invented), anything to string (a flow asks for that with `as: string`).
        """
        if self == other:
            return True
        if self.is_list and other.is_list:
            return self.parts[0].holds(other.parts[0])
        if self.is_integer and other.is_integer:
            return other.bits <= self.bits
        if self.is_decimal and other.whole_digits is not None:
            return self.scale >= other.scale and self.precision - self.scale >= other.whole_digits
        return self.name == "double" and other.name == "float"


STRING = HiveType("string")
BOOLEAN = HiveType("boolean")
BINARY = HiveType("binary")
TINYINT = HiveType("tinyint")
SMALLINT = HiveType("smallint")
INT = HiveType("int")
BIGINT = HiveType("bigint")
FLOAT = HiveType("float")
DOUBLE = HiveType("double")
DATE = HiveType("date")
TIMESTAMP = HiveType("timestamp")
TEXT_BY_TEXT = HiveType("map", parts=(STRING, STRING))
"""Name → text, for a row whose values did not fit."""


def _parse_value(text: str) -> HiveType:
    try:
        return _parse(text)
    except UnknownHiveType as error:
        raise ValueError(error.what) from error


@lru_cache(maxsize=4096)
def _parse(text: str) -> HiveType:
    return _Reader(text).read_whole()


class _Reader:
    """Reads a type from its tokens."""

    def __init__(self, text: str) -> None:
        self._tokens = TypeTokens(text)

    def read_whole(self) -> HiveType:
        """The type, when the text is one and nothing follows."""
        kind = self._read()
        self._tokens.take_end()
        return kind

    def _read(self) -> HiveType:
        word = " ".join(self._tokens.take_word().lower().split())
        name = _ALIASES.get(word, word)
        if name in _PLAIN:
            zone = self._read_zone() if name == _ZONED else ""
            return HiveType(name, zone=zone)
        match name:
            case "decimal":
                return self._read_decimal()
            case "char" | "varchar":
                (length,) = self._tokens.take_numbers(1)
                return HiveType(name, length=length)
            case "array":
                return HiveType(name, parts=self._read_parts(1))
            case "map":
                return HiveType(name, parts=self._read_parts(2))
            case "uniontype":
                return HiveType(name, parts=self._read_parts(None))
            case "struct":
                return self._read_struct()
        raise self._tokens.refusal()

    def _read_decimal(self) -> HiveType:
        """Hive's own defaults are precision 10 and scale 0."""
        precision = 10
        scale = 0
        if self._tokens.peek() == "(":
            numbers = self._tokens.take_numbers(None)
            if len(numbers) > 2:
                raise self._tokens.refusal()
            precision, scale = (*numbers, 0)[:2]
        if not (1 <= precision <= _MOST_DIGITS and scale <= precision):
            raise self._tokens.refusal()
        return HiveType("decimal", precision, scale)

    def _read_parts(self, count: int | None) -> tuple[HiveType, ...]:
        """Types in angle brackets; `count` of them, or any."""
        self._tokens.take_mark("<")
        parts = [self._read()]
        while self._tokens.peek() == ",":
            self._tokens.take_mark(",")
            parts.append(self._read())
        self._tokens.take_mark(">")
        if count is not None and len(parts) != count:
            raise self._tokens.refusal()
        return tuple(parts)

    def _read_struct(self) -> HiveType:
        """A struct's field names are kept in lower case, as Hive keeps them."""
        names: list[str] = []
        parts: list[HiveType] = []
        mark = "<"
        while mark != ">":
            self._tokens.take_mark(mark)
            names.append(self._tokens.take_word().lower())
            self._tokens.take_mark(":")
            parts.append(self._read())
            mark = "," if self._tokens.peek() == "," else ">"
        self._tokens.take_mark(">")
        return HiveType("struct", parts=tuple(parts), fields=tuple(names))

    def _read_zone(self) -> str:
        if self._tokens.peek() != "(":
            return ""
        self._tokens.take_mark("(")
        zone = self._tokens.take_word()
        self._tokens.take_mark(")")
        if not zone.startswith("'"):
            raise self._tokens.refusal()
        return zone.strip("'")
