r"""Arrow columns to BSON, a column at a time: every step is one vectorised kernel, no Python object per value.

An element of a BSON document is `tag name\0 payload` (bsonspec.org, version 1.1). A column's elements are one
Arrow binary array; joining the columns' arrays element by element gives the documents.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute

from switchyard.flow.naming import MICROSECONDS_FIELD
from switchyard.serve.documents.shown import first_that_is_not_utf8, show

Timestamps = Literal["refuse", "beside", "string"]
Array = Any  # pyarrow arrays and scalars: the stubs lag behind the library
pc: Any = pyarrow.compute

_EPOCH = dt.datetime(1970, 1, 1)
MIN_MICROS = (dt.datetime.min - _EPOCH) // dt.timedelta(microseconds=1)
MAX_MICROS = (dt.datetime.max - _EPOCH) // dt.timedelta(microseconds=1)
_MICROS_PER_DAY = 86_400_000_000
_MAX_COEFFICIENT = 10**34 - 1
_EXPONENT_BIAS = 6176  # IEEE 754-2008 decimal128, binary integer significand
_BINARY = pa.large_binary()


class RefusedAt(Exception):
    """A value that BSON cannot carry exactly, at row `row` of the batch."""

    def __init__(self, column: str, row: int, what: str, cure: str) -> None:
        super().__init__(what)
        self.column, self.row, self.what, self.cure = column, row, what, cure


@dataclass(frozen=True)
class Place:
    """Where a column stands: its path for messages, the batch's row of each value, and how to treat timestamps."""

    column: str
    rows: np.ndarray[Any, Any]
    timestamps: Timestamps
    in_list: bool = False
    in_key: bool = False

    def refuse(self, bad: np.ndarray[Any, Any], array: Array, what: str, cure: str) -> None:
        """Raise RefusedAt for the first true position of `bad`, if there is one."""
        if bad.any():
            first = int(np.argmax(bad))
            value = show(array, first)
            raise RefusedAt(self.column, int(self.rows[first]), f"{value} {what}", cure)


def elements(name: str, array: Array, place: Place) -> list[Array]:
    """The BSON elements of one column: one array, or two when the microseconds are kept beside."""
    name_z = _scalar(name.encode() + b"\0")
    parts = [_element(name_z, array, place)]
    if _keeps_micros_beside(array.type, place):
        parts.append(_element(_scalar(MICROSECONDS_FIELD.format(name).encode() + b"\0"), micros(array, place), place))
    return parts


def document(parts: list[Array], length: int) -> Array:
    """Join element arrays to whole BSON documents."""
    body = _join(*parts) if parts else _repeat(b"", length)
    return _join(_int32(pc.add(pc.binary_length(body), 5)), body, _scalar(b"\0"))


def micros(array: Array, place: Place) -> Array:
    """A timestamp column as int64 microseconds since 1970-01-01 UTC; refuses finer ones and years outside 1–9999."""
    if array.type.unit == "ns":
        nanos = _numbers(array.cast(pa.int64()))
        place.refuse(nanos % 1000 != 0, array, "is finer than a microsecond", _CAST)
        moments = pa.array(nanos // 1000, mask=_nulls(array))
    else:
        moments = _scaled_micros(array, place)
    values = _numbers(moments)
    place.refuse((values < MIN_MICROS) | (values > MAX_MICROS), array, "is outside the years 1 to 9999", _CAST)
    return moments


_CAST = "store the column as text: `columns: {COLUMN: {as: string}}` in the flow file, or a cast in `serve.select`"
_BYTES = "serve it as binary: cast(COLUMN as binary) in `serve.select`"


def _scaled_micros(array: Array, place: Place) -> Array:
    try:
        return array.cast(pa.timestamp("us", array.type.tz)).cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise RefusedAt(place.column, int(place.rows[0]), "a timestamp is out of range", _CAST) from error


def _keeps_micros_beside(kind: pa.DataType, place: Place) -> bool:
    return pa.types.is_timestamp(kind) and place.timestamps == "beside" and not place.in_list and not place.in_key


def _element(name_z: Array, array: Array, place: Place) -> Array:
    tag, payload = _value(array, place)
    element = _join(_scalar(tag), name_z, payload)
    if not array.null_count:
        return element
    return pc.if_else(array.is_valid(), element, _join(_scalar(b"\x0a"), name_z))


def _value(array: Array, place: Place) -> tuple[bytes, Array]:
    """(BSON tag, payloads) of a column; the payload of a null is arbitrary."""
    for fits, encode in _ENCODERS:
        if fits(array.type):
            encoded: tuple[bytes, Array] = encode(array, place)
            return encoded
    raise RefusedAt(place.column, 0, f"type {array.type} has no exact BSON type", _CAST)


def is_supported(kind: Any) -> bool:
    """Whether every value of the type, nested ones included, has a BSON type."""
    if _is_list(kind):
        return is_supported(kind.value_type)
    if pa.types.is_struct(kind):
        return all(is_supported(kind.field(i).type) for i in range(kind.num_fields))
    return any(fits(kind) for fits, _ in _ENCODERS)


def _encode_null(array: Array, place: Place) -> tuple[bytes, Array]:
    return b"\x0a", _repeat(b"", len(array))


def _encode_bool(array: Array, place: Place) -> tuple[bytes, Array]:
    return b"\x08", pc.if_else(pc.fill_null(array, False), _scalar(b"\x01"), _scalar(b"\x00"))


def _encode_int32(array: Array, place: Place) -> tuple[bytes, Array]:
    return b"\x10", _fixed(_numbers(array).astype("<i4"), 4)


def _encode_int64(array: Array, place: Place) -> tuple[bytes, Array]:
    return b"\x12", _fixed(_numbers(array).astype("<i8"), 8)


def _encode_double(array: Array, place: Place) -> tuple[bytes, Array]:
    return b"\x01", _fixed(_numbers(array).astype("<f8"), 8)


def _encode_string(array: Array, place: Place) -> tuple[bytes, Array]:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        row = int(place.rows[first_that_is_not_utf8(array)])
        raise RefusedAt(place.column, row, "a text is not UTF-8", _BYTES) from error
    text = pc.fill_null(array.cast(pa.large_string()).cast(_BINARY), b"")
    return b"\x02", _join(_int32(pc.add(pc.binary_length(text), 1)), text, _scalar(b"\0"))


def _encode_binary(array: Array, place: Place) -> tuple[bytes, Array]:
    data = pc.fill_null(array.cast(_BINARY), b"")
    return b"\x05", _join(_int32(pc.binary_length(data)), _scalar(b"\0"), data)


def _encode_date(array: Array, place: Place) -> tuple[bytes, Array]:
    days = _numbers(array.cast(pa.date32()).cast(pa.int32())).astype("<i8")
    bad = (days < MIN_MICROS // _MICROS_PER_DAY) | (days > MAX_MICROS // _MICROS_PER_DAY)
    place.refuse(bad, array, "is outside the years 1 to 9999", _CAST)
    return b"\x09", _fixed(days * 86_400_000, 8)


def _encode_timestamp(array: Array, place: Place) -> tuple[bytes, Array]:
    moments = micros(array, place)
    if place.timestamps == "string":
        return _encode_string(_iso_text(moments), place)
    values = _numbers(moments)
    if place.timestamps == "refuse" or place.in_list or place.in_key:
        beside = "" if place.in_list or place.in_key else "; or `beside`, which adds a field with microseconds"
        cure = f"set `serve.timestamps: string` in the flow file, which stores text{beside}"
        place.refuse(values % 1000 != 0, array, "is finer than MongoDB's millisecond", cure)
    return b"\x09", _fixed(values // 1000, 8)


def _iso_text(values: Array) -> Array:
    """`2024-03-31T01:59:59.000001`: always six digits, so that it sorts as time does."""
    return pc.strftime(values.cast(pa.timestamp("us")), format="%Y-%m-%dT%H:%M:%S")


def _encode_decimal(array: Array, place: Place) -> tuple[bytes, Array]:
    low, high, negative = _magnitudes(array)
    limit_high, limit_low = np.uint64(_MAX_COEFFICIENT >> 64), np.uint64(_MAX_COEFFICIENT & (2**64 - 1))
    place.refuse((high > limit_high) | ((high == limit_high) & (low > limit_low)), array, "has over 34 digits", _CAST)
    exponent = np.uint64((_EXPONENT_BIAS - array.type.scale) << 49)
    words = np.empty((len(array), 2), dtype="<u8")
    words[:, 0] = low
    words[:, 1] = high | exponent | (negative.astype("u8") << np.uint64(63))
    return b"\x13", _fixed(words, 16)


def _magnitudes(array: Array) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(low word, high word, is negative) of a decimal128 column's absolute unscaled values; nulls as zero."""
    wide = array.cast(pa.decimal128(array.type.precision, array.type.scale))
    words = np.frombuffer(wide.buffers()[1] or b"", dtype="<u8")[2 * wide.offset : 2 * (wide.offset + len(wide))]
    low, high = words[0::2].copy(), words[1::2].copy()
    low[_nulls(array)] = high[_nulls(array)] = 0
    negative = (high >> np.uint64(63)).astype(bool)
    low[negative] = ~low[negative] + np.uint64(1)
    high[negative] = ~high[negative] + (low[negative] == 0).astype("u8")
    return low, high, negative


def _encode_list(array: Array, place: Place) -> tuple[bytes, Array]:
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False).astype("i8")
    offsets = np.concatenate([np.zeros(1, "i8"), np.cumsum(lengths)])
    position = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    names = _join(pa.array(position).cast(pa.large_string()).cast(_BINARY), _scalar(b"\0"))
    inner = replace(place, column=f"{place.column}[]", rows=np.repeat(place.rows, lengths), in_list=True)
    items = _element(names, array.flatten(), inner)
    bodies = pc.binary_join(pa.LargeListArray.from_arrays(pa.array(offsets), items), _scalar(b""))
    return b"\x04", document([bodies], len(array))


def _encode_struct(array: Array, place: Place) -> tuple[bytes, Array]:
    parts: list[Array] = []
    for i, child in enumerate(array.flatten()):
        name = array.type.field(i).name
        parts += elements(name, child, replace(place, column=f"{place.column}.{name}", in_list=False))
    return b"\x03", document(parts, len(array))


def _encode_dictionary(array: Array, place: Place) -> tuple[bytes, Array]:
    return _value(array.dictionary_decode(), place)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)


def _is_int32(kind: pa.DataType) -> bool:
    return pa.types.is_int8(kind) or pa.types.is_int16(kind) or pa.types.is_int32(kind)


def _is_double(kind: pa.DataType) -> bool:
    return pa.types.is_float32(kind) or pa.types.is_float64(kind)


_ENCODERS: tuple[tuple[Any, Any], ...] = (
    (pa.types.is_null, _encode_null),
    (pa.types.is_boolean, _encode_bool),
    (_is_int32, _encode_int32),
    (pa.types.is_int64, _encode_int64),
    (_is_double, _encode_double),
    (_is_text, _encode_string),
    (_is_bytes, _encode_binary),
    (pa.types.is_date, _encode_date),
    (pa.types.is_timestamp, _encode_timestamp),
    (pa.types.is_decimal128, _encode_decimal),
    (_is_list, _encode_list),
    (pa.types.is_struct, _encode_struct),
    (pa.types.is_dictionary, _encode_dictionary),
)


def _numbers(array: Array) -> np.ndarray[Any, Any]:
    """A numeric column as numpy, nulls as zero (pyarrow alone would make floats of a column with nulls)."""
    filled = pc.fill_null(array, 0) if array.null_count else array
    return np.asarray(filled.to_numpy(zero_copy_only=False))


def _nulls(array: Array) -> np.ndarray[Any, Any]:
    return np.asarray(array.is_null().to_numpy(zero_copy_only=False))


def _fixed(values: np.ndarray[Any, Any], width: int) -> Array:
    data = pa.py_buffer(np.ascontiguousarray(values).data)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(values), [None, data]).cast(_BINARY)


def _int32(lengths: Array) -> Array:
    return _fixed(_numbers(lengths).astype("<i4"), 4)


def _scalar(value: bytes) -> Array:
    return pa.scalar(value, _BINARY)


def _repeat(value: bytes, length: int) -> Array:
    return pa.array([value] * length, _BINARY)


def _join(*parts: Array) -> Array:
    return pc.binary_join_element_wise(*parts, _scalar(b""))
