"""The one SQL statement an engine reads: a manifest row, then a JSON line for every row, in one snapshot.

PostgreSQL gives one snapshot to one statement, so the manifest row (`{"m": …}`) counts exactly the rows that follow
it: rows, and non-NULL values per column. What arrives is compared with it, not with a count taken at another moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from switchyard.extract.postgres import relation
from switchyard.flow.spec import Source
from switchyard.lake.types import CarriedColumn, quote_postgres

SPLIT_TOKEN = "$CONDITIONS"  # noqa: S105 - Sqoop's placeholder, replaced by each mapper's range


@dataclass(frozen=True)
class Statement:
    """`query` yields one text column `j`; `boundary` yields min and max of the split column, if there is one."""

    query: str
    boundary: str | None


def build_statement(source: Source, columns: Sequence[CarriedColumn], split_by: str | None) -> Statement:
    """Write the statement for a source and its carried columns."""
    where = f"({source.where}) and {SPLIT_TOKEN}" if source.where else SPLIT_TOKEN
    rows = f"from {relation(source)} where {where}"
    fields = ", ".join(f"{_carried(column)} as c{i}" for i, column in enumerate(columns))
    counts = ", ".join(f"count({quote_postgres(column.source)})" for column in columns)
    manifest = f"json_build_object('rows', count(*), 'values', to_json(array[{counts}]))::text"
    query = (
        f"select json_build_object('m', {manifest})::text as j {rows}"
        f" union all select row_to_json(r)::text from (select {fields} {rows}) r"
    )
    if split_by is None:
        return Statement(query, None)
    column = quote_postgres(split_by)
    bounds = f"select min({column}), max({column}) from {relation(source)} where ({source.where or 'true'})"
    return Statement(query, bounds)


def _carried(column: CarriedColumn) -> str:
    """An unfit value may come after the preflight: text that no cast takes, or a NULL too many, and the proof fails."""
    if not column.unfit:
        return column.carry
    unfit = "'unfit'" if column.staged == "string" and column.hive_type != "STRING" else "null"
    return f"case when {column.unfit} then {unfit} else {column.carry} end"
