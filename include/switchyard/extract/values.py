"""The part of the preflight that reads data: one query for all columns, and the source's policies and encoding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from switchyard.extract.postgres import relation
from switchyard.flow.spec import Flow
from switchyard.types.carry import CarriedColumn
from switchyard.types.hive_type import TIMESTAMP
from switchyard.types.lake_names import yaml_key
from switchyard.types.quoting import quote_postgres
from switchyard.types.rules import AS_STRING_CURE

if TYPE_CHECKING:
    import psycopg

    Session: TypeAlias = psycopg.Connection[tuple[object, ...]]

_MONGO_DIGITS = 34
_SPLIT_NULL = (
    "are NULL, and the column divides the rows among the mappers: Sqoop would drop them; choose another"
    " engine.split_by, or set engine.mappers to 1"
)
_KEEP_OUT = "mend them at the source, or raise contract.quarantine_threshold to put such rows into quarantine"
_MICROSECONDS = (
    "have microseconds, which MongoDB's dates do not hold, and the serve leg will refuse them; set serve.timestamps to"
    " beside or string"
)
_SERVED_NULL = (
    "are NULL, and serve.key names the column, so that the serve leg will refuse them; name another column there, or"
    " leave these rows out by source.where"
)


class _Probe(NamedTuple):
    """A condition on a row, and the sentence about the rows that meet it."""

    column: str
    condition: str
    says: str


class Survey(NamedTuple):
    """Rows counted: `bad` of `rows` do not fit, and `unfit` describes them; `findings` stop any load."""

    rows: int
    bad: int
    findings: list[str]
    unfit: list[str]
    notes: list[str]


def survey_values(session: Session, flow: Flow, columns: Sequence[CarriedColumn], split_by: str | None) -> Survey:
    """Count, in one query, the values that no hop or only Hive can hold, and NULLs in the split column."""
    unfit = [_Probe(c.source, c.unfit, f"hold {c.unfit_means}; {c.cure or _KEEP_OUT}") for c in columns if c.unfit]
    split = [] if split_by is None else [_Probe(split_by, f"{quote_postgres(split_by)} is null", _SPLIT_NULL)]
    groups = (split, unfit, _unserved(flow, columns))
    conditions = ["true", " or ".join(probe.condition for probe in unfit) or "false"]
    conditions += [probe.condition for group in groups for probe in group]
    counts = ", ".join(f"pg_catalog.count(*) filter (where {condition})" for condition in conditions)
    # One array, because a select list has 1,664 places and a wide table has more probes.
    statement = f"select array[{counts}]::text[] from {relation(flow.source)} where {flow.source.where or 'true'}"
    row = session.execute(statement.encode()).fetchone()
    assert row is not None and isinstance(row[0], list)  # noqa: S101 - an aggregate gives a row
    results = iter([int(str(count)) for count in row[0]])
    rows = next(results)
    bad = next(results)
    return Survey(rows, bad, *(_describe(group, results) for group in groups))


def _describe(probes: Sequence[_Probe], counts: Iterator[int]) -> list[str]:
    return [f"column {p.column!r}: {count} rows {p.says}" for p, count in zip(probes, counts, strict=False) if count]


def _unserved(flow: Flow, columns: Iterable[CarriedColumn]) -> list[_Probe]:
    """Values that Hive holds and that MongoDB, as the flow serves them, does not."""
    if flow.serve is None or flow.serve.select is not None:
        return []
    probes = []
    for column in columns:
        quoted = quote_postgres(column.source)
        if column.name in flow.serve.key:
            probes.append(_Probe(column.source, f"{quoted} is null", _SERVED_NULL))
        if column.hive_type == TIMESTAMP and flow.serve.timestamps == "refuse":
            condition = f"{quoted} <> pg_catalog.date_trunc('milliseconds', {quoted})"
            probes.append(_Probe(column.source, condition, _MICROSECONDS))
        if column.hive_type.precision > _MONGO_DIGITS:
            limit = f"('1e' || ({_MONGO_DIGITS} - {column.hive_type.scale}))::numeric"
            condition = f"not ({column.unfit}) and pg_catalog.abs(({column.carry})::numeric) >= {limit}"
            cure = AS_STRING_CURE.format(c=yaml_key(column.source))
            says = f"have over {_MONGO_DIGITS} digits, MongoDB's limit, and the serve leg will refuse them; {cure}"
            probes.append(_Probe(column.source, condition, says))
    return probes


def hidden_rows(session: Session, flow: Flow) -> bool:
    """True if a row-level security policy hides rows from this login: with `row_security = off` that is an error."""
    import psycopg

    try:
        with session.transaction():
            session.execute("set local row_security = off")
            session.execute(f"select 1 from {relation(flow.source)} limit 0".encode())
            raise psycopg.Rollback  # ends the setting as well
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


def untranslatable_text(session: Session, flow: Flow, columns: Iterable[CarriedColumn]) -> list[str]:
    """Findings: text that has no UTF-8, in a database of another encoding; a query per column, because each stops."""
    import psycopg

    encoding = session.info.parameter_status("server_encoding")
    if encoding == "UTF8":
        return []
    findings = []
    for column in columns:
        text = f"pg_catalog.convert_to({column.raw}, 'UTF8')"
        rows = f"{relation(flow.source)} where {flow.source.where or 'true'}"
        statement = f"select pg_catalog.count({text}) from {rows}"
        try:
            with session.transaction():
                session.execute(statement.encode())
        except psycopg.errors.DataError as error:
            words = str(error).strip().splitlines()[0]
            findings.append(
                f"column {column.source!r} has text that cannot be written in UTF-8, in a database of encoding "
                f"{encoding} ({words}); correct it, or load the bytes of its text by source.query: "
                f"{bytes_of(column.source, str(encoding))}"
            )
    return findings


def bytes_of(column: str, encoding: str) -> str:
    """SQL that a source.query may have in the place of a column, of any type: its text as bytes of this encoding.

    The cast is needed: of all types only text and its kin are taken by convert_to as they are.
    """
    name = quote_postgres(column)
    return f"convert_to({name}::text, '{encoding}') as {name}"
