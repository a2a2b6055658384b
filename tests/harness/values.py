"""What a value of PostgreSQL must be elsewhere, written without Switchyard's own encoders, and equality by type."""

from __future__ import annotations

import datetime as dt
import json
import math
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any


def same(value: Any) -> Any:
    return value


def text(value: Any) -> Any:
    return None if value is None else str(value)


def single(value: float | None) -> float | None:
    """The double that a 4-byte float is."""
    return value if value is None or not math.isfinite(value) else struct.unpack("f", struct.pack("f", value))[0]


def in_utc(value: dt.datetime | None) -> dt.datetime | None:
    return value if value is None else value.astimezone(dt.UTC).replace(tzinfo=None)


def milliseconds(value: dt.datetime | None) -> dt.datetime | None:
    value = value if value is None or value.tzinfo is None else in_utc(value)
    return value and value.replace(microsecond=value.microsecond // 1000 * 1000)


def midnight(value: dt.date | None) -> dt.datetime | None:
    return value and dt.datetime(value.year, value.month, value.day)


def each(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda values: None if values is None else [convert(value) for value in values]


def key(value: Any) -> Any:
    """Equality by value and by type, in which NaN equals NaN and -0.0 is not 0.0."""
    if isinstance(value, list):
        return [key(item) for item in value]
    return (
        (type(value).__name__, struct.pack("d", value)) if isinstance(value, float) else (type(value).__name__, value)
    )


def read_hive(rule: str, value: Any) -> Any:
    """HiveServer2 gives a list as JSON text; its elements as their type has them."""
    if value is None or not rule.endswith("[]"):
        return value
    if rule == "numeric(p,s)[]":
        return json.loads(value, parse_float=Decimal, parse_int=Decimal)
    read = dt.date.fromisoformat if rule == "date[]" else same
    return each(lambda v: v if v is None else read(v))(json.loads(value))
