"""No SQL of ours depends on search_path: neither on a schema before pg_catalog, nor on a better match in one after it.

Functions and relations of the catalog name their schema wherever they are. Types do before the session's search_path is
pinned, and operators too: after it pg_catalog comes first, and an exact match there wins.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

import pytest

from harness.checkout import CHECKOUT
from harness.postgres_types import postgres_type
from harness.sql_names import Text, looked_up_names, texts, unqualified_names
from switchyard.extract import session, watermark
from switchyard.extract.session import session_row
from switchyard.extract.statement import Bounds, build_manifest, build_statement
from switchyard.extract.width import divide_widths
from switchyard.flow.spec import Source
from switchyard.ledger import sessions
from switchyard.types.as_string import AS_STRING
from switchyard.types.carry import CarriedColumn, SourceColumn, carry
from switchyard.types.rules import RULES
from switchyard.types.tombstone import marks_deleted
from switchyard.types.widening import misfit

PACKAGE = CHECKOUT / "include" / "switchyard"
HIVE = "HiveQL"
DUCKDB = "DuckDB"
PEOPLE = "a sentence, or SQL that a person is advised to write"
PATTERN = "a regular expression"
ELSEWHERE = {
    ("catalog/sink.py", "DirectoryEmitter"): PEOPLE,
    ("compare/join.py", "_SIDE"): DUCKDB,
    ("compare/join.py", "_WRONG"): DUCKDB,
    ("compare/join.py", "Comparison"): DUCKDB,
    ("compare/join.py", "_packed"): DUCKDB,
    ("compare/join.py", "_join"): DUCKDB,
    ("cli/docs.py", "_TYPES_LISTS"): PEOPLE,
    ("extract/session.py", "SourceSession"): PEOPLE,
    ("extract/values.py", "bytes_of"): PEOPLE,
    ("flow/naming.py", "_STAGING_TABLE"): PATTERN,
    ("flow/sql.py", "_FIRST_WORD"): PATTERN,
    ("lake/adoption.py", "obstacles"): PEOPLE,
    ("lake/hiveql/merging.py", "Merge"): HIVE,
    ("lake/hiveql/merging.py", "_equal"): HIVE,
    ("lake/hiveql/merging.py", "count_shared"): HIVE,
    ("lake/hiveql/statements.py", "quarantine_unfit"): HIVE,
    ("lake/hiveql/statements.py", "_holds"): HIVE,
    ("lake/hiveql/statements.py", "Division"): HIVE,
    ("lake/hiveql/statements.py", "_as_text"): HIVE,
    ("lake/hiveql/statements.py", "count_all"): HIVE,
    ("lake/hiveql/statements.py", "count_broken"): HIVE,
    ("legs/ingest/adopt.py", "_files"): HIVE,
    ("legs/ingest/blame.py", "blaming_the_source"): PEOPLE,
    ("legs/ingest/merge_preview.py", "key_changes"): DUCKDB,
    ("legs/ingest/merge_preview.py", "_newest"): DUCKDB,
    ("legs/ingest/merge_preview.py", "_counts"): DUCKDB,
    ("legs/ingest/prove.py", "_rows"): HIVE,
    ("legs/serve/select.py", "_land"): HIVE,
    ("legs/serve/select.py", "_run_query"): HIVE,
    ("legs/diff/who_loaded.py", "_find_part"): HIVE,
    ("prove/checks.py", "table_checks"): HIVE,
    ("prove/checks.py", "_broken"): HIVE,
    ("serve/delta.py", "_require_unique"): DUCKDB,
    ("serve/delta.py", "_column_differs"): DUCKDB,
    ("serve/delta.py", "_count"): DUCKDB,
    ("serve/delta.py", "_files"): DUCKDB,
    ("types/aggregates.py", "hive_aggregates"): HIVE,
    ("types/aggregates.py", "_hive_micros"): HIVE,
    ("types/aggregates.py", "_hive_extremes"): HIVE,
    ("types/keys.py", "OTHERWISE"): PEOPLE,
}
"""(file, function or constant) whose texts look like a call to PostgreSQL's functions, and what they are."""
HIVEQL_ARGUMENT = "cast"
"""Of a type's rule: the HiveQL that reads the text back."""

OPENED = {
    "connections/session_limits.py": "psycopg.connect",  # asks for one thing, by its schema's name
    "extract/postgres.py": "psycopg.connect",  # `begin` pins each of its transactions
    "ledger/pooler.py": "psycopg.connect",  # asks for one thing, by its schema's name
    "ledger/sessions.py": "sa.create_engine",
}
"""Where sessions begin."""

ALLOWED_FUNCTIONS = {"coalesce", "greatest"}
DDL = ("ledger/tables.py", "ledger/migrations/versions/")
"""A released migration stays as it is; it runs after the pin, and `now()` has no argument that a better match could
have."""


@cache
def suspects() -> tuple[tuple[Text, list[str]], ...]:
    """Every text of the package with what looks like a call or a relation that names no schema."""
    return tuple((text, names) for text in texts(PACKAGE) if (names := unqualified_names(text.text)))


def test_every_function_and_relation_of_postgresql_names_its_schema() -> None:
    bare = [
        f"{text.file}:{text.line} {names}: {text.text}"
        for text, names in suspects()
        if (text.file, text.place) not in ELSEWHERE and text.keyword != HIVEQL_ARGUMENT
    ]
    assert bare == []


def test_every_exception_is_needed() -> None:
    assert set(ELSEWHERE) - {(text.file, text.place) for text, _ in suspects()} == set()


@cache
def calls() -> tuple[tuple[str, str], ...]:
    """(file, what is called) of the whole package."""
    return tuple(
        (path.relative_to(PACKAGE).as_posix(), ast.unparse(node.func))
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    )


def test_functions_that_sqlalchemy_writes_name_their_schema() -> None:
    bare = [
        f"{file}: {call}"
        for file, call in calls()
        if call.startswith(("sa.func.", "func.")) and ".pg_catalog." not in call
        if call.split(".")[-1] not in ALLOWED_FUNCTIONS and not file.startswith(DDL)
    ]
    assert bare == []


def test_sessions_begin_where_they_are_pinned() -> None:
    openers = ("create_engine", "create_async_engine", "psycopg.connect", "psycopg2.connect", "connect_async")
    assert {file: call for file, call in calls() if call.endswith(openers)} == OPENED


BEFORE_THE_PIN = {
    "session_row": session_row(),
    "_DROPPED_OPTIONS": session._DROPPED_OPTIONS,
    "_SET_BY": session._SET_BY,
    "ledger": sessions.PIN,
}


@pytest.mark.parametrize("statement", BEFORE_THE_PIN.values(), ids=BEFORE_THE_PIN)
def test_nothing_is_looked_up_before_the_pin(statement: str) -> None:
    assert looked_up_names(statement) == []


def carried() -> Iterator[CarriedColumn]:
    """A column of every type of the table, as it is and as text."""
    kinds = [rule.postgres.replace("(p,s)", "(9,2)") for rule in RULES]
    kinds += ["interval", "point", "tsvector", "timestamp with time zone[]", "money", "hstore"]
    written = [(postgres_type(kind), choice) for kind in kinds for choice in (None, "string")]
    written += [(postgres_type("pair", "c"), "string"), (postgres_type("numeric"), "decimal(20,2)")]
    written += [(postgres_type("money"), "decimal(20,2)")]
    for number, (kind, choice) in enumerate(written):
        column = carry(SourceColumn(f"C {number}", kind), choice)
        if isinstance(column, CarriedColumn):
            yield column


def test_no_statement_about_any_type_leaves_a_name_to_search_path() -> None:
    source = Source.model_validate({"connection": "pg", "table": "public.t"})
    columns = list(carried())
    assert {column.carry for column in columns} > {f'"{columns[0].source}"::text'}
    assert len(columns) > len(RULES) + len(AS_STRING)
    bounds = Bounds("at", "2026-01-01", "2026-01-02", keys=({"id": "1"},))
    statement = build_statement(source, columns, "id", bounds=bounds)
    written = [statement.query, statement.boundary or "", build_manifest(source, columns, bounds, ())]
    written += [*divide_widths(columns)[1], *(column.raw for column in columns), watermark._HIGH]
    written += [marks_deleted('"d"', column.hive_type) for column in columns]
    kinds = {column.hive_type for column in columns}
    written += [misfit(kind, '"c"') for kind in kinds if kind.whole_digits is not None]
    assert [names for text in written if (names := unqualified_names(text))] == []


SEEN = [
    ("select count(*) from t", ["count"]),
    ("select pg_catalog.count (*) from t", []),
    ("select count (*) from t", ["count"]),
    ("sum(x)::text", ["sum"]),
    ("select 'count(*)' as \"max(x)\" /* sum(x) */ -- min(x)", []),
    ("select nullif(a, b), substring(c for 2), position('a' in c)", ["nullif", "substring", "position"]),
    ("select coalesce(a, b), extract(epoch from c), cast(d as numeric(3,1)) from u as v(a, b)", []),
    ("select 1 from pg_class c", ["pg_class"]),
    ("select 1 from a, pg_class", ["pg_class"]),
    ("select 1 from x join pg_catalog.pg_class c on true", []),
    ("abbrev({c})", ["abbrev"]),
    ("E'it\\'s' || lower(x)", ["lower"]),
]


@pytest.mark.parametrize(("sql", "names"), SEEN)
def test_the_walk_sees_a_name_that_is_looked_up(sql: str, names: list[str]) -> None:
    assert unqualified_names(sql) == names


SEEN_BEFORE_THE_PIN = [
    ("select a = b", ["="]),
    ("select a operator(pg_catalog.=) b and c is not null", []),
    ("select a::text, b::pg_catalog.text, c::numeric", ["text"]),
    ("select a in (1), b between 1 and 2, c is distinct from d", ["in", "between", "distinct"]),
    ("select pg_catalog.now() at time zone 'UTC', %s, %(x)s", []),
    ("select a || b", ["||"]),
]


@pytest.mark.parametrize(("sql", "names"), SEEN_BEFORE_THE_PIN)
def test_the_walk_sees_types_and_operators_too(sql: str, names: list[str]) -> None:
    assert looked_up_names(sql) == names
