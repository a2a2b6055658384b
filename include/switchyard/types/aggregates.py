"""Aggregates of every column, computed twice and compared: by PostgreSQL in the source statement, by Hive after it.

Non-NULL values always; then what catches other rows under equal counts: sum, smallest and largest of numbers and
times, a digest (the sum of the first 52 bits of each MD5) of text and bytes. A floating-point sum depends on the order
of the rows, so floats have smallest, largest and the number of finite values. Arrays are counted; `diff` compares them
by value.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from functools import reduce
from typing import Any, Literal

from switchyard.types.carry import CarriedColumn
from switchyard.types.hive_type import BINARY, BOOLEAN, DATE, FLOAT, STRING, TIMESTAMP, HiveType
from switchyard.types.quoting import in_bytes, quote_hive, quote_postgres

Kind = Literal["number", "float", "boolean", "date", "timestamp", "text", "bytes", "other"]
Aggregates = Mapping[str, Any]
"""`values`, and by kind `min`, `max`, `sum`, `digest`, `finite`, `true`: numbers, or the servers' text of them."""

_KINDS: dict[HiveType, Kind] = {
    BOOLEAN: "boolean",
    DATE: "date",
    TIMESTAMP: "timestamp",
    STRING: "text",
    BINARY: "bytes",
}
_DIGITS_THAT_ADD_UP = 28
"""Hive gives the sum of a DECIMAL(p) ten digits more, and has 38: beyond that it would be NULL."""
_SUMMING = Context(prec=100)
"""Adds sums without rounding; Python's default context keeps 28 digits."""
_NOT_FINITE = "('NaN', 'Infinity', '-Infinity')"


def kind_of(column: CarriedColumn) -> Kind:
    """The kind of a column, by its Hive type: it decides which aggregates are computed."""
    kind = column.hive_type
    if kind.is_float:
        return "float"
    return "number" if kind.whole_digits is not None else _KINDS.get(kind, "other")


def source_aggregates(column: CarriedColumn) -> dict[str, str]:
    """Name → SQL aggregate, without FILTER. A column that the source lost has no values."""
    if not column.source:
        return {"values": "pg_catalog.sum(0)"}
    name = quote_postgres(column.source)
    aggregates = {"values": f"pg_catalog.count({name})"}
    match kind_of(column):
        case "number":
            value = name if re.match(r"smallint|integer|bigint|numeric\(", column.postgres_type) else column.carry
            value = value if value == name else f"({value})::numeric"
            return aggregates | _extremes(value, "::text") | _sum(column, f"pg_catalog.sum({value})::text")
        case "float":
            finite = f"case when {in_bytes(f'{name}::text')} not in {_NOT_FINITE} then {name} end"
            return aggregates | {"finite": f"pg_catalog.count({finite})"} | _extremes(finite, "::text")
        case "boolean":
            return aggregates | {"true": f"pg_catalog.count(case when {name} then 1 end)"}
        case "date":
            days = f"pg_catalog.sum({name} - date '1970-01-01')::text"
            return aggregates | _extremes(name, "::text") | {"sum": days}
        case "timestamp":
            value = f"({name} at time zone 'UTC')" if "with time zone" in column.postgres_type else name
            micros = f"pg_catalog.sum(extract(epoch from {value})::numeric * 1000000)::text"
            return aggregates | _extremes(value, "::text") | {"sum": micros}
        case "text":
            return aggregates | {"digest": _source_digest(f"pg_catalog.convert_to({_exact_text(column)}, 'UTF8')")}
        case "bytes":
            return aggregates | {"digest": _source_digest(name)}
    return aggregates


def hive_aggregates(column: CarriedColumn) -> dict[str, str]:
    """Name → HiveQL aggregate over the lake's column."""
    name = quote_hive(column.name)
    aggregates = {"values": f"count({name})"}
    if not column.source:
        return aggregates
    match kind_of(column):
        case "number":
            return (
                aggregates
                | _hive_extremes(name)
                | _sum(column, f"cast(sum(cast({name} as {_summed(column)})) as string)")
            )
        case "float":
            finite = f"case when cast({name} as string) not in {_NOT_FINITE} then {name} end"
            return aggregates | {"finite": f"count({finite})"} | _hive_extremes(finite)
        case "boolean":
            return aggregates | {"true": f"count(case when {name} then 1 end)"}
        case "date":
            days = f"datediff({name}, cast('1970-01-01' as date))"
            return aggregates | _hive_extremes(name) | {"sum": f"cast(sum(cast({days} as bigint)) as string)"}
        case "timestamp":
            return aggregates | _hive_extremes(name) | {"sum": f"cast(sum({_hive_micros(name)}) as string)"}
        case "text" | "bytes":
            digest = f"sum(cast(conv(substr(md5({name}), 1, 13), 16, 10) as decimal(28,0)))"
            return aggregates | {"digest": f"cast({digest} as string)"}
    return aggregates


def add_up(column: CarriedColumn, parts: Sequence[Aggregates]) -> dict[str, Any]:
    """Combine one column's aggregates over several statements (each mapper runs one)."""
    total: dict[str, Any] = {}
    for name in parts[0]:
        values = [comparable(column, name, part[name]) for part in parts]
        present = [value for value in values if value is not None]
        if name in ("min", "max"):
            total[name] = str((min if name == "min" else max)(present)) if present else None
        else:
            total[name] = str(reduce(_SUMMING.add, present)) if present else None
    return total


def differences(
    columns: Sequence[CarriedColumn], read: Sequence[Aggregates], stored: Sequence[Aggregates]
) -> list[str]:
    """One sentence for every column whose aggregates differ."""
    sentences = []
    for column, source, hive in zip(columns, read, stored, strict=True):
        wrong = [
            name for name in source if comparable(column, name, source[name]) != comparable(column, name, hive[name])
        ]
        if "values" in wrong:
            sentences.append(f"{column.name}: {source['values'] or 0} values became {hive['values'] or 0}")
        elif wrong:
            changes = ", ".join(f"{name} {source[name]} became {hive[name]}" for name in wrong)
            sentences.append(f"{column.name}: {changes}")
    return sentences


def comparable(column: CarriedColumn, name: str, value: Any) -> Any:
    """One aggregate in a form that is equal on both sides when the data is equal."""
    if name in ("values", "finite", "true"):
        return int(value or 0)
    if value is None or name in ("sum", "digest"):
        return None if value is None else Decimal(value)
    match kind_of(column):
        case "number":
            return Decimal(value)
        case "float":
            return _rounded(float(value)) if column.hive_type == FLOAT else float(value)
        case "timestamp":
            return str(value).rstrip("0").rstrip(".") if "." in str(value) else str(value)
    return str(value)


def _hive_micros(name: str) -> str:
    """Microseconds since 1970. Hive's own cast to DECIMAL goes through a double, which loses some (observed)."""
    days = f"cast(datediff(cast({name} as date), cast('1970-01-01' as date)) as decimal(28,0))"
    seconds = f"cast(rpad(replace(substr(cast({name} as string), 18), '.', ''), 8, '0') as bigint)"
    return f"{days} * 86400000000L + hour({name}) * 3600000000L + minute({name}) * 60000000L + {seconds}"


def _extremes(value: str, suffix: str) -> dict[str, str]:
    return {"min": f"pg_catalog.min({value}){suffix}", "max": f"pg_catalog.max({value}){suffix}"}


def _hive_extremes(value: str) -> dict[str, str]:
    return {"min": f"cast(min({value}) as string)", "max": f"cast(max({value}) as string)"}


def _sum(column: CarriedColumn, aggregate: str) -> dict[str, str]:
    return {"sum": aggregate} if column.hive_type.precision <= _DIGITS_THAT_ADD_UP else {}


def _summed(column: CarriedColumn) -> HiveType:
    return column.hive_type if column.hive_type.is_decimal else HiveType.decimal(_DIGITS_THAT_ADD_UP, 0)


def _exact_text(column: CarriedColumn) -> str:
    """The text that travels. A cast takes the padding off char(n); its JSON has it."""
    padded = column.carry == quote_postgres(column.source)
    return f"(pg_catalog.to_json({column.carry}) #>> '{{}}')" if padded else column.carry


def _source_digest(value: str) -> str:
    digits = f"pg_catalog.substr(pg_catalog.md5({value}), 1, 13)"
    return f"pg_catalog.sum(('x' || {digits})::bit(52)::bigint)::text"


def _rounded(value: float) -> float:
    """As single precision holds it."""
    single: float = struct.unpack("f", struct.pack("f", value))[0]
    return single
