"""Our SQL at the source: no literal that a setting changes, memory that does not grow, few aggregates at once."""

import re
from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.postgres_types import postgres_type
from switchyard.connections import Connection
from switchyard.connections.sqlstates import SQLSTATES, SqlState
from switchyard.errors import ConnectionUnusable, ServerUnavailable, SourceRefused, StepFailed
from switchyard.extract.engine import ExtractRequest
from switchyard.extract.sqoop import _failure
from switchyard.extract.statement import Bounds, Statement, build_manifest, build_statement
from switchyard.extract.width import add, divide_widths, rows_at_once
from switchyard.flow.spec import Source
from switchyard.lake.hiveql.statements import column_groups
from switchyard.types.aggregates import hive_aggregates
from switchyard.types.as_string import AS_STRING
from switchyard.types.carry import CarriedColumn, SourceColumn, carry
from switchyard.types.quoting import quote_literal
from switchyard.types.rules import RULES, TypeRule

_PLAIN = re.compile(r"(?P<escaped>[eE]'(?:[^'\\]|''|\\.)*')|\"(?:[^\"]|\"\")*\"|(?P<plain>'(?:[^']|'')*')")


def plain_literals(sql: str) -> list[str]:
    return [match["plain"] for match in _PLAIN.finditer(sql) if match["plain"]]


def depends_on_a_setting(sql: str) -> list[str]:
    """Plain literals with a backslash: standard_conforming_strings = off reads them otherwise."""
    return [literal for literal in plain_literals(sql) if "\\" in literal]


def carried(name: str, kind: str, choice: str | None = None) -> CarriedColumn:
    column = carry(SourceColumn(name, postgres_type(kind)), choice)
    assert isinstance(column, CarriedColumn)
    return column


SOURCE = Source.model_validate({"connection": "pg", "table": "public.t"})


@pytest.mark.parametrize("rule", [*RULES, *AS_STRING], ids=lambda rule: rule.postgres)
def test_no_rule_has_a_literal_that_a_setting_changes(rule: TypeRule) -> None:
    assert depends_on_a_setting(" ".join((rule.carry, rule.raw, rule.unfit))) == []


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_a_literal_means_the_same_under_any_setting(text: str) -> None:
    literal = quote_literal(text)
    assert depends_on_a_setting(literal) == []
    assert "$" not in literal


@given(name=st.sampled_from(["id", "a\\b", "it's", "$CONDITIONS", 'q"q']), low=st.sampled_from(["2026-01-01", "a\\'b"]))
def test_no_statement_has_a_literal_that_a_setting_changes(name: str, low: str) -> None:
    columns = [
        replace(carried("id", "integer"), source=name),
        carried("v", "text"),
        carried("a", "integer[]", "string"),
    ]
    bounds = Bounds("at", low, None, keys=({"id": "\\"},))
    statement = build_statement(SOURCE, columns, None, bounds=bounds).query
    assert depends_on_a_setting(statement) == []
    assert depends_on_a_setting(build_manifest(SOURCE, columns, bounds, ())) == []


@pytest.mark.parametrize(
    ("widest", "rows"), [(0, 1000), (100, 1000), (16 << 10, 1000), (4_000_000, 4), (16_000_000, 1), (1 << 40, 1)]
)
def test_rows_at_once_fit_the_memory_that_there_is(widest: int, rows: int) -> None:
    assert rows_at_once(widest) == rows
    assert rows == 1 or rows * widest <= 16 << 20


def test_only_what_may_be_wide_is_measured() -> None:
    kinds = {"i": "integer", "t": "timestamp with time zone", "n": "numeric(9,2)", "u": "uuid"}
    short = [carried(name, kind) for name, kind in kinds.items()]
    assert divide_widths(short) == (64 * len(short), [])
    wide = [carried("v", "text"), carried("j", "jsonb"), carried("a", "timestamp with time zone[]", "string")]
    assert len(divide_widths([*short, *wide])[1]) == 3
    assert divide_widths([carried("x", "numeric", "string")])[1] != []


@settings(deadline=None)
@given(st.integers(1, 4000))
def test_a_sum_of_many_terms_is_not_deep(terms: int) -> None:
    summed = add([str(term) for term in range(terms)])
    assert eval(summed) == sum(range(terms))
    depths = accumulate({"(": 1, ")": -1}.get(character, 0) for character in summed)
    assert max(depths, default=0) <= 3


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 1600))
def test_no_query_of_hive_has_many_aggregates(width: int) -> None:
    columns = [carried(f"c{i}", ("text", "numeric(9,2)", "timestamp with time zone")[i % 3]) for i in range(width)]
    groups = column_groups(columns)
    assert [column for group in groups for column in group] == columns
    assert all(sum(len(hive_aggregates(column)) for column in group) <= 400 for group in groups)
    assert len(groups) <= width * 4 // 397 + 1


def request(**over: object) -> ExtractRequest:
    server = Connection("pg", "postgres", host="db", port=5432, login="u", password="secret", schema="d")
    hdfs = Connection("hdfs", "hdfs", host="nn", port=8020)
    arguments = {
        **{"name": "switchyard x", "source": server, "statement": Statement("select 1 ? 2 and $CONDITIONS", None)},
        **{"target": "hdfs://nn/x", "mappers": 1, "split_by": None, "scratch": None, "hdfs": hdfs, **over},
    }
    return ExtractRequest(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        (
            "org.postgresql.util.PSQLException: Connection to db:5432 refused. Check that",
            ServerUnavailable,
            "does not answer",
        ),
        ("PSQLException: FATAL: password authentication failed for user", SourceRefused, "refused the password"),
        (
            "Caused by: org.postgresql.util.PSQLException: ERROR: canceling statement due to statement timeout",
            SourceRefused,
            "57014|cancelled the",
        ),
        ("PSQLException: ERROR: division by zero", SourceRefused, "divided by zero"),
        ("PSQLException: FATAL: unsupported startup parameter: options", SourceRefused, "pooler"),
        ("PSQLException: FATAL: sorry, too many clients already", ServerUnavailable, "no connection left"),
        ("java.lang.OutOfMemoryError: Java heap space", StepFailed, "heap was too small"),
        (
            "Caused by: org.postgresql.util.PSQLException: Ran out of memory retrieving query results.",
            StepFailed,
            "heap",
        ),
        (
            "Call From a to nn failed on connection exception: java.net.ConnectException: Connection refused",
            ServerUnavailable,
            "HDFS",
        ),
        (
            "Import failed: org.apache.hadoop.security.AccessControlException: Permission denied: user=sqoop, "
            'access=WRITE, inode="/lake/_staging":hdfs:supergroup:drwxr-xr-x',
            ConnectionUnusable,
            "does not let the user of this process write the load's files",
        ),
        (
            "hdfs.protocol.DSQuotaExceededException: The DiskSpace quota of /lake is exceeded: quota =",
            StepFailed,
            "no room",
        ),
        (
            "Exception: The NameSpace quota (directories and files) of directory /lake is exceeded: quota=1",
            StepFailed,
            "no room",
        ),
        ("SafeModeException: Cannot create directory /lake/x. Name node is in safe mode.", ServerUnavailable, "HDFS"),
        ("PSQLException: ERROR: permission denied for table t", SourceRefused, "right"),
        ("ERROR tool.ImportTool: something else", StepFailed, "exit code 1"),
    ],
)
def test_why_sqoop_failed(line: str, kind: type[Exception], words: str) -> None:
    error = _failure(request(), 1, [line])
    assert type(error) is kind
    assert re.search(words, str(error))
    assert "\n  → " in str(error)


@pytest.mark.parametrize("row", [row for row in SQLSTATES if row.code], ids=lambda row: row.code)
def test_an_sqlstate_in_sqoops_output_explains_words_of_any_language(row: SqlState) -> None:
    code = row.code.ljust(5, "Z")
    output = [
        "26/11/27 22:00:00 ERROR manager.SqlManager: Error executing statement: "
        "org.postgresql.util.PSQLException: FEHLER: Worte, die keine Tabelle kennt",
        f"  Server SQLState: {code}",
    ]
    error = _failure(request(), 1, output)
    assert isinstance(error, ServerUnavailable if row.passes else SourceRefused)
    assert error.cure == row.cure
    assert f"{row.cause} (SQLSTATE {code}): FEHLER" in error.what


def test_words_without_an_sqlstate_are_pgjdbcs_own() -> None:
    output = ["Caused by: org.postgresql.util.PSQLException: Connection to db:5432 refused. Check that the hostname"]
    error = _failure(request(), 1, output)
    assert isinstance(error, ServerUnavailable)
    assert "does not answer: Connection to" in error.what
