"""One form for each key, so that a row and its document meet even when somebody changed the key's type."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal
from typing import Any

import pyarrow as pa
from bson import Decimal128, Int64, decode, encode
from bson.errors import BSONError

from switchyard.compare.sameness import CODEC

_PREFIX = b"_id\0"
_SCALING = Context(prec=60)
"""Wide enough to bring any DECIMAL(38) or Decimal128 to another scale without rounding."""
_FIXED = {0x01: 8, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x12: 8, 0x13: 16}
_BESIDE_LENGTH = {0x02: 4, 0x03: 0, 0x05: 5}
"""Bytes of a payload by its BSON type (bsonspec.org): fixed, or so many more than the int32 that it begins with."""


class IdForm:
    """The `_id` that a row's document has, as BSON bytes, also for a document in which somebody changed its type.

    MongoDB finds `_id: 1` by 1 of every numeric type, so an int64 in the place of an int32 is the same key with
    another value, not one key missing and another one extra.

    Args:
        schema: the Hive version's columns; None when it has no files.
        key: the columns that make the `_id`.
    """

    def __init__(self, schema: pa.Schema | None, key: Sequence[str]) -> None:
        self._kinds = [schema.field(name).type for name in key] if schema is not None else []
        self._key = tuple(key)
        self._tag = _plain_tag(self._kinds[0]) if len(self._kinds) == 1 else None

    def of(self, document: bytes) -> bytes:
        """The `_id` element of a raw document, in the one form."""
        tag = document[4]
        if document[5:9] != _PREFIX or not (tag in _FIXED or tag in _BESIDE_LENGTH):
            return self._in_form(decode(document, CODEC).get("_id"), document[4:-1])
        size = _FIXED[tag] if tag in _FIXED else _BESIDE_LENGTH[tag] + struct.unpack_from("<i", document, 9)[0]
        element = document[4 : 9 + size]
        return element if tag == self._tag else self._in_form(self.value(element), element)

    def value(self, element: bytes) -> Any:
        """The `_id` that such an element holds, as a value for a query."""
        return decode(struct.pack("<i", len(element) + 5) + element + b"\0", CODEC)["_id"]

    def _in_form(self, identity: Any, otherwise: bytes) -> bytes:
        if len(self._kinds) == 1:
            identity = _as_kind(self._kinds[0], identity)
        elif isinstance(identity, Mapping) and tuple(identity) == self._key and self._kinds:
            kinds = zip(self._key, self._kinds, strict=True)
            identity = {name: _as_kind(kind, identity[name]) for name, kind in kinds}
        try:
            return encode({"_id": identity}, codec_options=CODEC)[4:-1]
        except (BSONError, UnicodeError):  # a text that is not UTF-8 stands for itself
            return otherwise


def _plain_tag(kind: Any) -> int | None:
    """The BSON type of a key column whose bytes have one form only; None for decimals, which have many."""
    tests: tuple[tuple[Callable[[Any], bool], int], ...] = (
        (pa.types.is_boolean, 0x08),
        (pa.types.is_int64, 0x12),
        (pa.types.is_integer, 0x10),
        (pa.types.is_date, 0x09),
        (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind), 0x02),
        (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind), 0x05),
    )
    return next((tag for fits, tag in tests if fits(kind)), None)


def _as_kind(kind: Any, value: Any) -> Any:
    """A number in the form of its column's type, if it is equal to one of that type; anything else as it is."""
    number = _as_number(value)
    if number is None or not number.is_finite():
        return value
    if pa.types.is_integer(kind) and number == number.to_integral_value():
        whole = int(number)
        if pa.types.is_int64(kind):
            return Int64(whole) if -(2**63) <= whole < 2**63 else value
        return whole if -(2**31) <= whole < 2**31 else value
    if pa.types.is_decimal(kind) and number.adjusted() < 34:
        scaled = number.quantize(Decimal(1).scaleb(-kind.scale), context=_SCALING)
        if scaled == number and len(scaled.as_tuple().digits) <= 34:
            return Decimal128(abs(scaled) if scaled == 0 else scaled)
    return value


def _as_number(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, Decimal128):
        return value.to_decimal()
    return Decimal(value) if isinstance(value, int | float) else None
