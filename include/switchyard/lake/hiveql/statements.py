"""The HiveQL of a load: text into types, refused rows into quarantine, a batch into a version. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from switchyard.types.aggregates import hive_aggregates
from switchyard.types.carry import CarriedColumn, carrier_field
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import BIGINT, BINARY, STRING, TEXT_BY_TEXT, TIMESTAMP
from switchyard.types.quoting import quote_hive, quote_text

QUARANTINE_COLUMNS = (
    HiveColumn("reason", STRING, "why the row was refused, for every reason"),
    HiveColumn("column_name", STRING, "the columns that the reasons name, comma-separated; empty for a whole row"),
    HiveColumn("raw_value", STRING, "the source's text of the first of them"),
    HiveColumn("raw_row", TEXT_BY_TEXT, "the whole row, column by column, as text"),
    HiveColumn("refused_at", TIMESTAMP, "UTC"),
)
QUARANTINE_PARTITION = HiveColumn("load_id", STRING, "the load that refused it")
SEQ_PARTITION = HiveColumn("load_seq", BIGINT, "the load that added the row")
_BYTES_PREFIX = "\\x"
"""How PostgreSQL writes bytes as text, so that a quarantined key is found at the source again."""


class RowTest(Protocol):
    """A promise about single rows. `broken`: HiveQL that is true, and never NULL, for a row that breaks it."""

    @property
    def label(self) -> str:
        """What messages call it."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """Whose fault it is."""
        ...

    @property
    def broken(self) -> str:
        """The condition."""
        ...


def quote_table(table: str) -> str:
    """Quote `database.table`."""
    return ".".join(quote_hive(part) for part in table.split("."))


def convert(text: str, typed: str, columns: Sequence[CarriedColumn]) -> str:
    """Make typed rows of the staged text, without manifest rows and refused ones."""
    casts = ", ".join(
        f"{column.cast_of(carrier_field(number))} as {quote_hive(column.name)}" for number, column in enumerate(columns)
    )
    rows = f"{quote_table(text)} where m is null and q.bad is null"
    return f"insert overwrite table {quote_table(typed)} select {casts} from {rows}"


def quarantine_unfit(text: str, target: str, columns: Sequence[CarriedColumn], now: str) -> str:
    """Keep the rows that the source statement refused, with the reason of every column."""
    reasons = ", ".join(
        f"case when array_contains(map_keys(q.bad), {quote_text(column.source)}) "
        f"then {quote_text(f'{column.source}: {column.unfit_means}')} end"
        for column in columns
    )
    keys = "sort_array(map_keys(q.bad))"
    return (
        f"insert into table {quote_table(target)} select concat_ws('; ', {reasons}), concat_ws(', ', {keys}), "
        f"q.bad[{keys}[0]], q.`row`, cast({quote_text(now)} as timestamp) from {quote_table(text)} "
        "where q.bad is not null"
    )


def divide(typed: str, tests: Sequence[RowTest], columns: Sequence[HiveColumn]) -> str:
    """A subselect of a batch with `reasons` and `reason_columns`: NULL for a row that breaks no test."""
    listed = names(columns)
    broken = ", ".join(f"({test.broken}) as t{i}" for i, test in enumerate(tests))
    reasons = ", ".join(f"case when t{i} then {quote_text(test.label)} end" for i, test in enumerate(tests))
    named = ", ".join(f"case when t{i} then {quote_text(', '.join(test.columns))} end" for i, test in enumerate(tests))
    any_broken = " or ".join(f"t{i}" for i in range(len(tests)))
    return (
        f"select {listed}, case when {any_broken} then concat_ws('; ', {reasons}) end as reasons, "
        f"concat_ws(', ', {named}) as reason_columns from (select {listed}, {broken} from {quote_table(typed)}) tested"
    )


def keep(divided: str, target: str, columns: Sequence[HiveColumn]) -> str:
    """The rows of a divided batch that break no test."""
    return (
        f"insert overwrite table {quote_table(target)} select {names(columns)} from ({divided}) d where reasons is null"
    )


def quarantine_broken(divided: str, target: str, columns: Sequence[HiveColumn], now: str) -> str:
    """Keep the rows of a divided batch that break a test."""
    pairs = ", ".join(f"{quote_text(column.name)}, {_as_text(column)}" for column in columns)
    first, at = "raw[split(reason_columns, ', ')[0]]", f"cast({quote_text(now)} as timestamp)"
    return (
        f"insert into table {quote_table(target)} select reasons, reason_columns, {first}, raw, {at} "
        f"from (select reasons, reason_columns, map({pairs}) as raw from ({divided}) d where reasons is not null) r"
    )


def names(columns: Sequence[HiveColumn], prefix: str = "") -> str:
    """The columns' names, quoted, as a list."""
    return ", ".join(prefix + quote_hive(column.name) for column in columns)


def _as_text(column: HiveColumn) -> str:
    if column.type.is_nested:
        return "'(a nested value)'"
    name = quote_hive(column.name)
    if column.type == BINARY:
        return f"concat({quote_text(_BYTES_PREFIX)}, lower(hex({name})))"
    return f"cast({name} as string)"


def count_all(table: str, columns: Sequence[CarriedColumn]) -> str:
    """One row: the number of rows, then every aggregate of every column (`read_counts` gives them their names)."""
    counted = "".join(f", {sql}" for column in columns for sql in hive_aggregates(column).values())
    return f"select count(*){counted} from {quote_table(table)}"


def read_counts(row: Sequence[Any], columns: Sequence[CarriedColumn]) -> tuple[int, list[dict[str, Any]]]:
    """The row of `count_all`: rows, and the aggregates of each column by name."""
    values = iter(row)
    rows = int(next(values))
    return rows, [{name: next(values) for name in hive_aggregates(column)} for column in columns]


def count_broken(table: str, tests: Sequence[RowTest], totals: Sequence[str], columns: Sequence[HiveColumn]) -> str:
    """One row: the number of rows, of rows that break each test, then the aggregates `totals`."""
    broken = "".join(f", ({test.broken}) as t{i}" for i, test in enumerate(tests))
    counted = "".join(f", count(case when t{i} then 1 end)" for i in range(len(tests)))
    asked = "".join(f", {total}" for total in totals)
    return f"select count(*){counted}{asked} from (select {names(columns)}{broken} from {quote_table(table)}) t"
