"""The document a row must become, one Python value at a time: slow, plain, and independent of the columnar encoder.

Tests and `diff` compare with it by value; a stored value is mapped back to the row's by `row_of`.
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from bson import Binary, Decimal128, Int64

from switchyard.flow.naming import MICROSECONDS_FIELD
from switchyard.serve.documents.columns import Timestamps

_EPOCH = dt.datetime(1970, 1, 1)
_EXACT = decimal.Context(prec=60)


def expected_document(
    schema: pa.Schema, key: Sequence[str], row: Mapping[str, Any], timestamps: Timestamps = "refuse"
) -> dict[str, Any]:
    """The document of one row (`RecordBatch.to_pylist`'s form), as pymongo encodes it."""
    return {
        "_id": expected_id(schema, key, [row[name] for name in key], timestamps),
        **_fields(list(schema), {name: value for name, value in row.items() if name != "_id"}, timestamps),
    }


def expected_id(schema: pa.Schema, key: Sequence[str], values: Sequence[Any], timestamps: Timestamps = "refuse") -> Any:
    """`_id` of a key's values, given in key order."""
    stored = [_value(schema.field(name).type, value, timestamps) for name, value in zip(key, values, strict=True)]
    return stored[0] if len(key) == 1 else dict(zip(key, stored, strict=True))


def row_of(schema: pa.Schema, stored: Mapping[str, Any], timestamps: Timestamps = "refuse") -> dict[str, Any]:
    """The row a stored document came from: the reverse of `expected_document`, exact (as timestamp[us], naive)."""
    return {field.name: _back(field, stored, timestamps) for field in schema}


def _fields(fields: list[Any], row: Mapping[str, Any], timestamps: Timestamps) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for field in fields:
        if field.name not in row:
            continue
        value = row[field.name]
        document[field.name] = _value(field.type, value, timestamps)
        if pa.types.is_timestamp(field.type) and timestamps == "beside":
            document[MICROSECONDS_FIELD.format(field.name)] = None if value is None else Int64(_micros(value))
    return document


def _value(kind: Any, value: Any, timestamps: Timestamps) -> Any:
    if value is None:
        return None
    if pa.types.is_int64(kind):
        return Int64(value)
    if pa.types.is_decimal(kind):
        return Decimal128(_EXACT.create_decimal(value))
    if pa.types.is_timestamp(kind):
        return _naive(value).isoformat(timespec="microseconds") if timestamps == "string" else _milliseconds(value)
    if pa.types.is_date(kind):
        return dt.datetime(value.year, value.month, value.day)
    if pa.types.is_struct(kind):
        return _fields([kind.field(i) for i in range(kind.num_fields)], value, timestamps)
    if isinstance(value, list):
        return [_value(kind.value_type, item, timestamps) for item in value]
    return Binary(value) if isinstance(value, bytes) else value


def _back(field: Any, stored: Mapping[str, Any], timestamps: Timestamps) -> Any:
    value, beside = stored[field.name], MICROSECONDS_FIELD.format(field.name)
    if value is not None and pa.types.is_timestamp(field.type) and timestamps == "beside":
        return _EPOCH + dt.timedelta(microseconds=stored[beside])
    return _stored_value(field.type, value, timestamps)


def _stored_value(kind: Any, value: Any, timestamps: Timestamps) -> Any:
    if value is None:
        return None
    if pa.types.is_integer(kind):
        return int(value)
    if pa.types.is_decimal(kind):
        return value.to_decimal()
    if pa.types.is_timestamp(kind):
        return dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    if pa.types.is_date(kind):
        return value.date()
    if pa.types.is_struct(kind):
        return {kind.field(i).name: _back(kind.field(i), value, timestamps) for i in range(kind.num_fields)}
    if isinstance(value, list):
        return [_stored_value(kind.value_type, item, timestamps) for item in value]
    return value


def _naive(value: dt.datetime) -> dt.datetime:
    return value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value


def _micros(value: dt.datetime) -> int:
    return (_naive(value) - _EPOCH) // dt.timedelta(microseconds=1)


def _milliseconds(value: dt.datetime) -> dt.datetime:
    """Rounded down, as the encoder rounds, before 1970 as well."""
    return _naive(value).replace(microsecond=_naive(value).microsecond // 1000 * 1000)
