"""The one SQL statement an engine reads: a manifest row, then a JSON line for every row, in one snapshot.

PostgreSQL gives one snapshot to one statement, so the manifest row (`{"m": …}`) describes exactly the rows that follow
it: how many, how many of them fit the lake's types, and the aggregates of every column over those that do. What
arrives is compared with it, not with a count taken at another moment. It also says in which session it was made.

A row with a value that does not fit carries `q`: which columns do not fit, with their raw text, and the whole row as
text, by the lake's names; it will be quarantined. Columns travel in fields that are numbered, so that no name of the
source's is in HDFS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from switchyard.extract.postgres import relation
from switchyard.extract.session import session_row
from switchyard.flow.spec import Source
from switchyard.types.aggregates import source_aggregates
from switchyard.types.carry import CarriedColumn, carrier_field
from switchyard.types.hive_type import TEXT_BY_TEXT, HiveType
from switchyard.types.quoting import free_name, quote_literal, quote_postgres

SPLIT_TOKEN = "$CONDITIONS"  # noqa: S105 - Sqoop's placeholder, replaced by each mapper's range
REFUSED_FIELD = HiveType("struct", parts=(TEXT_BY_TEXT, TEXT_BY_TEXT), fields=("bad", "row"))
"""Hive type of `q`."""


@dataclass(frozen=True)
class Statement:
    """`query` yields one text column `j`; `boundary` yields min and max of the split column, if there is one."""

    query: str
    boundary: str | None


@dataclass(frozen=True)
class Bounds:
    """Watermarks of the cursor as PostgreSQL's text: `low` included, `high` not; None: no bound.

    `keys`: only the rows with these keys, as text by column; none: all.
    """

    column: str
    low: str | None
    high: str | None
    keys: tuple[Mapping[str, str], ...] = ()

    def condition(self) -> str:
        """SQL for the rows within."""
        quoted = quote_postgres(self.column)
        low = [] if self.low is None else [f"{quoted} >= {quote_literal(self.low)}"]
        high = [] if self.high is None else [f"{quoted} < {quote_literal(self.high)}"]
        return " and ".join(low + high + self._among_keys()) or "true"

    def _among_keys(self) -> list[str]:
        if not self.keys:
            return []
        names = list(self.keys[0])
        rows = ", ".join(f"({', '.join(quote_literal(key[name]) for name in names)})" for key in self.keys)
        # A literal without a type takes the column's, so values are compared and an index is used: Hive's text of a
        # timestamp or a number is not PostgreSQL's.
        return [f"({', '.join(map(quote_postgres, names))}) in ({rows})"]


def build_statement(
    source: Source,
    columns: Sequence[CarriedColumn],
    split_by: str | None,
    *,
    bounds: Bounds | None = None,
    left_out: Sequence[CarriedColumn] = (),
) -> Statement:
    """Write the statement for a source, its carried columns, and those that only may refuse a row (`left_out`)."""
    judged = [column for column in (*columns, *left_out) if column.unfit]
    rows, unfit = _rows(source, columns, bounds, left_out)
    fields = ", ".join(f"{_fitting(column)} as {carrier_field(i)}" for i, column in enumerate(columns))
    refused = f", {_refused(columns, judged, unfit)} as q" if judged else ""
    query = (
        f"select pg_catalog.json_build_object('m', {_manifest(columns, unfit, bounds)}::text)::text as j {rows}"
        f" union all select pg_catalog.row_to_json(r)::text from (select {fields}{refused} {rows}) r"
    )
    if split_by is None:
        return Statement(query, None)
    column = quote_postgres(split_by)
    condition = row_condition(source, bounds)
    extremes = f"pg_catalog.min({column}), pg_catalog.max({column})"
    return Statement(query, f"select {extremes} from {relation(source)} where {condition}")


def build_manifest(
    source: Source, columns: Sequence[CarriedColumn], bounds: Bounds | None, left_out: Sequence[CarriedColumn]
) -> str:
    """Write a statement that yields the manifest row alone, as JSON."""
    rows, unfit = _rows(source, columns, bounds, left_out)
    return f"select {_manifest(columns, unfit, bounds)} {rows.replace(SPLIT_TOKEN, 'true')}"


def _rows(
    source: Source, columns: Sequence[CarriedColumn], bounds: Bounds | None, left_out: Sequence[CarriedColumn]
) -> tuple[str, str]:
    """FROM and WHERE of the rows; and the condition, of one word, that some column refuses a row."""
    rows = f"from {relation(source)} where {row_condition(source, bounds)} and {SPLIT_TOKEN}"
    judged = [column for column in (*columns, *left_out) if column.unfit]
    if not judged:
        return rows, "false"
    used = {column.source for column in (*columns, *left_out) if column.source} | ({bounds.column} if bounds else set())
    names = ", ".join(map(quote_postgres, sorted(used)))
    unfit = quote_postgres(free_name("switchyard_refused", used))
    # Evaluated once a row: `offset 0` keeps PostgreSQL from writing the condition in many places.
    flagged = f"select {names}, {unfit_condition(judged)} as {unfit} {rows} offset 0"
    return f"from ({flagged}) as switchyard_rows", unfit


def row_condition(source: Source, bounds: Bounds | None) -> str:
    """SQL for the rows that a load reads."""
    where = f"({source.where})" if source.where else "true"
    return f"{where} and {bounds.condition()}" if bounds else where


def unfit_condition(columns: Sequence[CarriedColumn]) -> str:
    """SQL that is true for a row that some column refuses, and never NULL."""
    return " or ".join(f"({column.unfit}) is true" for column in columns if column.unfit) or "false"


def _fitting(column: CarriedColumn) -> str:
    return f"case when ({column.unfit}) is not true then {column.carry} end" if column.unfit else column.carry


def _manifest(columns: Sequence[CarriedColumn], unfit: str, bounds: Bounds | None) -> str:
    fit = f"filter (where not ({unfit}))" if unfit != "false" else ""
    counted = (", ".join(_aggregates(column, fit)) for column in columns)
    aggregates = ", ".join(f"pg_catalog.json_build_object({pairs})" for pairs in counted)
    highest = f"pg_catalog.max({quote_postgres(bounds.column)})::text" if bounds else "null"
    return (
        "pg_catalog.json_build_object('rows', pg_catalog.count(*), "
        f"'refused', pg_catalog.count(*) filter (where {unfit}), 'high', {highest}, "
        f"'columns', pg_catalog.array_to_json(array[{aggregates}]::json[]), 'session', {session_row()})"
    )


def _aggregates(column: CarriedColumn, fit: str) -> Iterator[str]:
    for name, sql in source_aggregates(column).items():
        yield f"'{name}', {_filtered(sql, fit)}"


def _filtered(sql: str, fit: str) -> str:
    """An aggregate, and perhaps a cast after it, over the rows that fit."""
    if not fit:
        return sql
    return f"({sql.removesuffix('::text')} {fit})::text" if sql.endswith("::text") else f"{sql} {fit}"


def _refused(columns: Sequence[CarriedColumn], judged: Sequence[CarriedColumn], unfit: str) -> str:
    """The JSON of a row that is refused; NULL, and no work, for any other."""
    bad = ", ".join(f"({quote_literal(c.name)}, {c.raw}, ({c.unfit}) is true)" for c in judged)
    listed = dict.fromkeys((*columns, *judged))
    whole = ", ".join(f"({quote_literal(c.name)}, {c.raw})" for c in listed if c.source)
    return (
        f"case when {unfit} then pg_catalog.json_build_object("
        f"'bad', (select pg_catalog.json_object_agg(k, v) from (values {bad}) as bad(k, v, is_bad) where is_bad), "
        f"'row', (select pg_catalog.json_object_agg(k, v) from (values {whole}) as whole(k, v))) end"
    )
