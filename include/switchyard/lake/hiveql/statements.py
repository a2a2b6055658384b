"""The HiveQL of a load: text into types, refused rows into quarantine, a batch into a version. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from switchyard.types.aggregates import hive_aggregates
from switchyard.types.carry import CarriedColumn, carrier_field
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import BIGINT, BINARY, STRING, TEXT_BY_TEXT, TIMESTAMP
from switchyard.types.quoting import free_name, quote_hive, quote_text

QUARANTINE_COLUMNS = (
    HiveColumn("reason", STRING, "why the row was refused, for every reason"),
    HiveColumn("column_name", STRING, "the columns that the reasons name, comma-separated; empty for a whole row"),
    HiveColumn("raw_value", STRING, "the source's text of the first of them"),
    HiveColumn("raw_row", TEXT_BY_TEXT, "the whole row, column by column, as text"),
    HiveColumn("refused_at", TIMESTAMP, "UTC"),
)
QUARANTINE_PARTITION = HiveColumn("load_id", STRING, "the load that refused it")
_BYTES_PREFIX = "\\x"
"""How PostgreSQL writes bytes as text, so that a quarantined key is found at the source again."""
_AGGREGATES_AT_ONCE = 400


def seq_partition(columns: Iterable[str]) -> HiveColumn:
    """The partition column of an append table that is made with these columns; see `find_partition_clash`."""
    return HiveColumn(free_name("load_seq", columns), BIGINT, "the load that added the row")


def find_partition_clash(before: Iterable[str], now: Iterable[str]) -> str | None:
    """A new column that is called like the partitions of an append table; None when none is.

    Such a column is never accepted, and no column ever leaves such a table, so that the columns `before` lead to the
    name that the partitions have had from the beginning.
    """
    partition = seq_partition(before).name
    return partition if partition in now else None


class RowTest(Protocol):
    """A promise about single rows. `broken`: HiveQL that is true, and never NULL, for a row that breaks it."""

    @property
    def label(self) -> str:
        """What messages call it."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns at fault."""
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
        f"case when {_holds('q.bad', column)} then {quote_text(f'{column.name}: {column.unfit_means}')} end"
        for column in columns
    )
    keys = "sort_array(map_keys(q.bad))"
    return (
        f"insert into table {quote_table(target)} select concat_ws('; ', {reasons}), concat_ws(', ', {keys}), "
        f"q.bad[{keys}[0]], q.`row`, cast({quote_text(now)} as timestamp) from {quote_table(text)} "
        "where q.bad is not null"
    )


def raw_value(row: str, column: CarriedColumn) -> str:
    """A column's text in a map of a refused row: by its name, or by the source's, as earlier releases wrote it."""
    listed = [f"{row}[{quote_text(name)}]" for name in _raw_names(column)]
    return listed[0] if len(listed) == 1 else f"coalesce({', '.join(listed)})"


def _holds(texts: str, column: CarriedColumn) -> str:
    listed = (f"array_contains(map_keys({texts}), {quote_text(name)})" for name in _raw_names(column))
    return f"({' or '.join(listed)})"


def _raw_names(column: CarriedColumn) -> list[str]:
    """A name with capitals is never a lake column's: so the second name cannot be another column's."""
    if column.source != column.name and column.source.lower() == column.name:
        return [column.name, column.source]
    return [column.name]


@dataclass(frozen=True)
class Division:
    """A batch divided by tests: the rows that break none are kept, the others go into quarantine.

    Every name of ours is chosen beside the batch's columns, which may be called anything.
    """

    typed: str
    tests: Sequence[RowTest]
    columns: Sequence[HiveColumn]

    def keep(self, target: str) -> str:
        """Write the rows that break no test."""
        listed = names(self.columns)
        return (
            f"insert overwrite table {quote_table(target)} select {listed} "
            f"from ({self._judged}) {self._own('d')} where {self._reasons} is null"
        )

    def quarantine(self, target: str, now: str) -> str:
        """Write the rows that break a test, as text, with the reasons."""
        pairs = ", ".join(f"{quote_text(column.name)}, {_as_text(column)}" for column in self.columns)
        reasons, faulty, raw = self._reasons, self._faulty, self._own("raw")
        first = f"{raw}[split({faulty}, ', ')[0]]"
        return (
            f"insert into table {quote_table(target)} "
            f"select {reasons}, {faulty}, {first}, {raw}, cast({quote_text(now)} as timestamp) "
            f"from (select {reasons}, {faulty}, map({pairs}) as {raw} "
            f"from ({self._judged}) {self._own('d')} where {reasons} is not null) {self._own('r')}"
        )

    @property
    def _judged(self) -> str:
        """The batch with the reasons and the columns that they name: NULL for a row that breaks no test."""
        listed = names(self.columns)
        aliases = _test_aliases(self.tests, self.columns)
        broken = ", ".join(f"({test.broken}) as {alias}" for alias, test in aliases.items())
        labels = ((alias, test.label) for alias, test in aliases.items())
        culprits = ((alias, ", ".join(test.columns)) for alias, test in aliases.items())
        return (
            f"select {listed}, case when {' or '.join(aliases)} then concat_ws('; ', {_texts(labels)}) end "
            f"as {self._reasons}, concat_ws(', ', {_texts(culprits)}) as {self._faulty} "
            f"from (select {listed}, {broken} from {quote_table(self.typed)}) {self._own('tested')}"
        )

    @property
    def _reasons(self) -> str:
        return self._own("reasons")

    @property
    def _faulty(self) -> str:
        return self._own("reason_columns")

    def _own(self, name: str) -> str:
        return _beside(name, self.columns)


def _test_aliases(tests: Sequence[RowTest], columns: Sequence[HiveColumn]) -> dict[str, RowTest]:
    """A column's name for the outcome of each test."""
    return {_beside(f"t{number}", columns): test for number, test in enumerate(tests)}


def _texts(cases: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"case when {alias} then {quote_text(text)} end" for alias, text in cases)


def _beside(name: str, columns: Iterable[HiveColumn]) -> str:
    """A name of ours, quoted, that no column has."""
    return quote_hive(free_name(name, (column.name for column in columns)))


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


def column_groups(columns: Sequence[CarriedColumn]) -> list[list[CarriedColumn]]:
    """The columns, divided so that no query of `count_all` has more aggregates than HiveServer2 compiles in 1 GiB."""
    groups: list[list[CarriedColumn]] = [[]]
    size = 0
    for column in columns:
        more = len(hive_aggregates(column))
        if groups[-1] and size + more > _AGGREGATES_AT_ONCE:
            groups.append([])
            size = 0
        groups[-1].append(column)
        size += more
    return groups


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
    aliases = _test_aliases(tests, columns)
    broken = "".join(f", ({test.broken}) as {alias}" for alias, test in aliases.items())
    counted = "".join(f", count(case when {alias} then 1 end)" for alias in aliases)
    aggregates = "".join(f", {total}" for total in totals)
    inner = f"select {names(columns)}{broken} from {quote_table(table)}"
    return f"select count(*){counted}{aggregates} from ({inner}) {_beside('t', columns)}"
