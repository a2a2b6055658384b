"""Equality of two values (NaN, -0 and decimal scales included), and how a value is shown when it differs. Pure.

Two values are equal if both MongoDB and Hive would call them the same value of the same type:

| values | same? |
|---|---|
| int32 1, int64 1, double 1.0, Decimal128 1 | no: four types |
| Decimal128 1.0 and 1.00 | yes: one number, whatever its exponent |
| NaN and NaN, of whatever bits | yes |
| 0.0 and -0.0, as double or Decimal128 | no |
| null and a missing field | no |
| a document's fields in another order | yes at the top level, which no query can see; no inside a subdocument |
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import struct
from collections.abc import Hashable, Mapping
from typing import Any

from bson import Binary, CodecOptions, DatetimeMS, Decimal128, Int64, encode
from bson.codec_options import DatetimeConversion
from bson.errors import InvalidDocument
from bson.json_util import CANONICAL_JSON_OPTIONS, dumps

CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS, unicode_decode_error_handler="surrogateescape"
)
"""Decodes every document that MongoDB can hold: also years beyond Python's dates, and text that is not UTF-8."""

MISSING = object()
"""Stands for a missing field."""

_EPOCH = dt.datetime(1970, 1, 1)


def exact(value: Any) -> Hashable:
    """A form in which `==` is the sameness of this module's table. Takes decoded BSON and Python's own values."""
    match value:
        case None | bool():
            return ("bool" if isinstance(value, bool) else "null", value)
        case Int64():
            return ("long", int(value))
        case int():
            return ("int", value)
        case float():
            return ("double", "nan" if math.isnan(value) else struct.pack("<d", value))
        case Decimal128():
            return ("decimal", _number(value.to_decimal()))
        case decimal.Decimal():
            return ("decimal", _number(value))
        case str():
            return ("string", value)
        case bytes():
            return ("binData", getattr(value, "subtype", 0), bytes(value))
        case DatetimeMS() | dt.datetime():
            return ("date", _micros(value))
        case dt.date():
            return ("day", value.isoformat())
        case list():
            return ("array", tuple(map(exact, value)))
        case Mapping():
            return ("object", tuple((name, exact(item)) for name, item in value.items()))
    return (_name(value), _encoded(value))


def show(value: Any) -> tuple[str, str | None]:
    """(type, text) for people, types by MongoDB's names: `int` 7, `long` 7; `missing` for a missing field."""
    if value is MISSING:
        return "missing", None
    kind = str(exact(value)[0])  # type: ignore[index]
    match value:
        case None:
            return kind, None
        case bool():
            return kind, str(value).lower()
        case bytes():
            subtype = getattr(value, "subtype", 0)
            return f"{kind}({subtype})" if subtype else kind, bytes(value).hex()
        case DatetimeMS() | dt.datetime() | dt.date():
            return kind, show_moment(value)
        case float() | int() | decimal.Decimal() | Decimal128():
            return kind, str(value)
        case str():
            return kind, value.encode("utf-8", "backslashreplace").decode()
    return kind, _json(value)


def show_moment(value: Any) -> str:
    """ISO 8601 without zone; milliseconds since 1970 for a year beyond Python's dates."""
    if isinstance(value, DatetimeMS):
        try:
            value = _EPOCH + dt.timedelta(milliseconds=int(value))
        except OverflowError:
            return f"{int(value)} ms since 1970"
    return str(value.isoformat(" ") if isinstance(value, dt.datetime) else value.isoformat())


def _number(value: decimal.Decimal) -> Hashable:
    """One form for 1, 1.0 and 1E0; zero has no exponent, its sign stays."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return "nan" if value.is_nan() else (sign, "infinity")
    text = "".join(map(str, digits)).lstrip("0")
    significant = text.rstrip("0")
    return (sign, significant, exponent + len(text) - len(significant)) if significant else (sign, "", 0)


def _micros(value: Any) -> int:
    if isinstance(value, DatetimeMS):
        return int(value) * 1000
    naive = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
    return int((naive - _EPOCH) // dt.timedelta(microseconds=1))


def _name(value: Any) -> str:
    return "objectId" if type(value).__name__ == "ObjectId" else type(value).__name__.lower()


def _encoded(value: Any) -> bytes:
    return encode({"": value})


def _json(value: Any) -> str:
    try:
        text = dumps(_portable(value), json_options=CANONICAL_JSON_OPTIONS, ensure_ascii=False)
    except (TypeError, ValueError, InvalidDocument):
        text = repr(value)
    return text.encode("utf-8", "backslashreplace").decode()


def _portable(value: Any) -> Any:
    """A value as extended JSON takes it: Decimal as Decimal128, dates as MongoDB's."""
    match value:
        case Mapping():
            return {str(name): _portable(item) for name, item in value.items()}
        case list():
            return [_portable(item) for item in value]
        case decimal.Decimal():
            return str(value)
        case dt.date() if not isinstance(value, dt.datetime):
            return value.isoformat()
        case bytes() if not isinstance(value, Binary):
            return Binary(value)
    return value
