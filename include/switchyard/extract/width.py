"""How many rows the reader may hold at once, so that its memory does not grow with the width of the rows.

pgjdbc keeps whole what it fetches at once. The widest row is measured where the rows are: text and bytes by the
length that PostgreSQL keeps beside them, other types by their text when they are large; nothing is read for types
whose text is short.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from switchyard.connections import Connection
from switchyard.extract.postgres import relation
from switchyard.flow.spec import Source
from switchyard.types.carry import CarriedColumn
from switchyard.types.quoting import quote_postgres

if TYPE_CHECKING:
    from switchyard.extract.session import Session

MOST_ROWS = 1_000
_FETCH_BYTES = 16 << 20
_SHORT_BYTES = 64
_SHORT = re.compile(
    r'(smallint|integer|bigint|oid|real|double precision|boolean|date|uuid|money|inet|cidr|macaddr8?|name|"char"|pg_lsn'
    r"|(interval|timestamp|time)[^\[]*|numeric\(\d{1,2},-?\d+\))"
)
_LIMITED = re.compile(r"(?:character|character varying|bit|bit varying)\((\d+)\)")
_SUMMED_AT_ONCE = 50


class MeasuredSource(NamedTuple):
    """Where an engine reads: of several hosts the one that answered; how many rows it may hold at once."""

    server: Connection
    rows_at_once: int


def measure_source(
    session: Session, connection: Connection, source: Source, columns: Sequence[CarriedColumn], condition: str
) -> MeasuredSource:
    """Look at the rows that a load reads, by a session of that connection."""
    server = replace(connection, host=session.info.host, port=session.info.port)
    return MeasuredSource(server, rows_at_once(widest_row(session, source, columns, condition)))


def rows_at_once(widest: int) -> int:
    """Rows of that many bytes that fit what is fetched at once: at least one, at most 1,000."""
    return max(1, min(MOST_ROWS, _FETCH_BYTES // max(1, widest)))


def widest_row(session: Session, source: Source, columns: Sequence[CarriedColumn], condition: str) -> int:
    """Bytes of the widest row that a load reads, as text."""
    fixed, measured = divide_widths([column for column in columns if column.source])
    if not measured:
        return fixed
    widest = f"select pg_catalog.max({add(measured)}) from {relation(source)} where {condition}"
    row = session.execute(widest.encode()).fetchone()
    return fixed + (int(str(row[0])) if row and row[0] is not None else 0)


def divide_widths(columns: Sequence[CarriedColumn]) -> tuple[int, list[str]]:
    """Bytes of all columns whose text is short, and SQL for the bytes of each other one."""
    fixed, measured = 0, []
    for column in columns:
        if _SHORT.fullmatch(column.postgres_type):
            fixed += _SHORT_BYTES
        elif limited := _LIMITED.fullmatch(column.postgres_type):
            fixed += 4 * int(limited[1])
        else:
            measured.append(_measured(column))
    return fixed, measured


def _measured(column: CarriedColumn) -> str:
    name = quote_postgres(column.source)
    if column.postgres_type in ("text", "character varying"):
        return f"coalesce(pg_catalog.octet_length({name})::bigint, 0)"
    if column.postgres_type == "bytea":
        return f"coalesce(2 * pg_catalog.octet_length({name})::bigint, 0)"
    text = f"pg_catalog.octet_length({name}::text)::bigint"
    return f"case when {name} is null then 0 when pg_catalog.pg_column_size({name}) > 256 then {text} else 1024 end"


def add(terms: Sequence[str]) -> str:
    """The sum of many terms, in brackets that keep PostgreSQL's parser from going as deep as there are terms."""
    if len(terms) <= _SUMMED_AT_ONCE:
        return " + ".join(terms)
    parts = [terms[i : i + _SUMMED_AT_ONCE] for i in range(0, len(terms), _SUMMED_AT_ONCE)]
    return add([f"({add(part)})" for part in parts])
