"""PostgreSQL's texts and Hive's typed values in one form that can be compared, column by column. Pure.

PostgreSQL gives the text that a load carries, by the type table's expressions. It is parsed here into the type of the
Hive column: by Arrow for digests, by Python's own types for single rows. Neither is the cast by which Hive read it. A
text that the type cannot hold stands for itself, so it differs from every value.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from switchyard.compare.sameness import exact

pc: Any = pyarrow.compute
_BINARY = pa.large_binary()
_NULL, _VALUE, _UNFIT = (pa.scalar(mark, _BINARY) for mark in (b"\0", b"\1", b"\2"))
_NOTHING = pa.scalar(b"", _BINARY)


def join_elements(columns: list[Any]) -> list[bytes]:
    """One byte string per row, out of its columns' elements: equal for equal rows, different for different ones."""
    joined: list[bytes] = pc.binary_join_element_wise(*columns, _NOTHING).to_pylist()
    return joined


def typed_elements(array: Any) -> Any:
    """One byte string per value of a Hive column, NULL included."""
    elements = pc.binary_join_element_wise(_VALUE, _payload(array), _NOTHING)
    return pc.if_else(array.is_valid(), elements, _NULL) if array.null_count else elements


def text_elements(texts: Any, kind: Any) -> Any:
    """The same for PostgreSQL's texts, read as values of the Hive column's type."""
    try:
        return typed_elements(_read(texts, kind))
    except (pa.ArrowInvalid, ValueError, ArithmeticError):
        return pa.array([_one_element(text, kind) for text in texts.to_pylist()], _BINARY)


def source_value(text: str | None, kind: Any) -> Any:
    """One text as a Python value of the column's type; the text itself when the type cannot hold it."""
    if text is None:
        return None
    try:
        return _python(text, kind)
    except (ValueError, KeyError, ArithmeticError):
        return text


def _one_element(text: str | None, kind: Any) -> bytes:
    try:
        return bytes(typed_elements(_read(pa.array([text], pa.string()), kind))[0].as_py())
    except (pa.ArrowInvalid, ValueError, ArithmeticError):
        return b"\2" + _sized(pa.array([text], pa.string()))[0].as_py()  # type: ignore[no-any-return]


def _read(texts: Any, kind: Any) -> Any:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return texts
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array([None if text is None else _python(text, kind) for text in texts.to_pylist()], kind)
    return texts.cast(kind)


def _payload(array: Any) -> Any:
    kind = array.type
    for fits, encode in _PAYLOADS:
        if fits(kind):
            return encode(array)
    values = [repr(exact(value)).encode() for value in array.to_pylist()]
    return _sized(pa.array(values, _BINARY))


def _integer(array: Any) -> Any:
    return _fixed(_numbers(array).astype("<i8"), 8)


def _float(array: Any) -> Any:
    values = _numbers(array).astype("<f8")
    values[np.isnan(values)] = np.nan
    return _fixed(values, 8)


def _decimal(array: Any) -> Any:
    wide = array.cast(pa.decimal128(38, array.type.scale))
    data = [None, wide.buffers()[1]]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(wide), data, offset=wide.offset).cast(_BINARY)


def _moment(array: Any) -> Any:
    return _integer(array.cast(pa.timestamp("us", array.type.tz)).cast(pa.int64()))


def _day(array: Any) -> Any:
    return _integer(array.cast(pa.date32()).cast(pa.int32()))


def _truth(array: Any) -> Any:
    return _integer(array.cast(pa.int8()))


def _sized(array: Any) -> Any:
    data = pc.fill_null(array.cast(_BINARY), b"")
    return pc.binary_join_element_wise(_fixed(_numbers(pc.binary_length(data)).astype("<i8"), 8), data, _NOTHING)


_PAYLOADS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Any]], ...] = (
    (pa.types.is_boolean, _truth),
    (pa.types.is_integer, _integer),
    (pa.types.is_floating, _float),
    (pa.types.is_decimal, _decimal),
    (pa.types.is_timestamp, _moment),
    (pa.types.is_date, _day),
    (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind), _sized),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind), _sized),
)


def _numbers(array: Any) -> np.ndarray[Any, Any]:
    filled = pc.fill_null(array, 0) if array.null_count else array
    return np.array(filled.to_numpy(zero_copy_only=False))


def _fixed(values: np.ndarray[Any, Any], width: int) -> Any:
    data = pa.py_buffer(np.ascontiguousarray(values).data)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(values), [None, data]).cast(_BINARY)


def _python(text: str, kind: Any) -> Any:
    for fits, read in _READERS:
        if fits(kind):
            return read(text)
    if pa.types.is_floating(kind):
        return float(np.float32(text)) if pa.types.is_float32(kind) else float(text)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _from_json(json.loads(text, parse_int=str, parse_float=str), kind)
    return text


def _from_json(value: Any, kind: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return [_from_json(item, kind.value_type) for item in value]
    return _python(str(value).lower() if isinstance(value, bool) else value, kind)


_READERS: tuple[tuple[Callable[[Any], bool], Callable[[str], Any]], ...] = (
    (pa.types.is_boolean, {"true": True, "false": False}.__getitem__),
    (pa.types.is_integer, int),
    (pa.types.is_decimal, decimal.Decimal),
    (pa.types.is_timestamp, dt.datetime.fromisoformat),
    (pa.types.is_date, dt.date.fromisoformat),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind), bytes.fromhex),
)
