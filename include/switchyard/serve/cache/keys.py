"""One text per key for the cache, the same for every Python value that MongoDB takes for the same `_id`.

MongoDB finds `_id: 1` by 1, 1.0 and Decimal128("1.00"). Were each a cache key of its own, a publish would invalidate
one and leave the others: so numbers, dates and binaries have one form here, and what has none is refused.
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Mapping, Sequence
from typing import Any

from bson import Decimal128

from switchyard.errors import ValueRefused
from switchyard.flow.naming import cache_value, encode_key

_PLACE = "a key given to the cache"
_EXACT = decimal.Context(prec=60)


def cache_key(flow: str, values: Sequence[Any]) -> str:
    """Redis key of one cached value; `values` in key order, as stored in MongoDB or as Arrow gives them."""
    return cache_value(flow, encode_key([canonical(value) for value in values]))


def id_values(identity: Any) -> list[Any]:
    """The key's values of a stored `_id`: of a subdocument its values, in order."""
    return list(identity.values()) if isinstance(identity, Mapping) else [identity]


def canonical(value: Any) -> Any:
    """The one form of a key's value. Raises ValueRefused for what cannot be a key (floats, None, lists, …)."""
    match value:
        case bool() | str():
            return value
        case int():
            return int(value)
        case Decimal128():
            return _number(value.to_decimal())
        case decimal.Decimal():
            return _number(value)
        case dt.datetime():
            return _instant(value)
        case dt.date():
            return dt.datetime(value.year, value.month, value.day)
        case bytes():
            return bytes(value)
    raise ValueRefused(
        f"a {type(value).__name__} cannot be a key's value", where=_PLACE, cure="pass a value of the key column's type"
    )


def _number(value: decimal.Decimal) -> int | decimal.Decimal:
    if not value.is_finite():
        raise ValueRefused(f"{value} cannot be a key's value", where=_PLACE, cure="pass a finite number")
    if value == value.to_integral_value():
        return int(value)
    return value.normalize(_EXACT)


def _instant(value: dt.datetime) -> dt.datetime:
    moment = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
    if moment.microsecond % 1000:
        raise ValueRefused(
            f"{moment.isoformat()} has microseconds, and MongoDB keeps milliseconds",
            where=_PLACE,
            cure="pass a time of whole milliseconds, as MongoDB stores it",
        )
    return moment
