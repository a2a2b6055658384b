"""What checks say of a table's columns, and of a load as a whole. What their HiveQL means: tests/integration."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchyard.flow.proof import Check
from switchyard.prove.checks import Verdict, check_findings, row_conditions, table_checks
from switchyard.types.domains import ExactNumber, domain_of
from switchyard.types.hive_type import HiveType
from switchyard.types.quoting import UnfitBound, quote_text

NOW = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
_TEXTS = {
    "id": "INT",
    "small": "SMALLINT",
    "price": "DECIMAL(10,2)",
    "ratio": "DOUBLE",
    "name": "STRING",
    "day": "DATE",
    "at": "TIMESTAMP",
    "ok": "BOOLEAN",
    "raw": "BINARY",
    "list": "ARRAY<INT>",
}
TYPES = {name: HiveType.parse(text) for name, text in _TEXTS.items()}


def check(**said: Any) -> Check:
    return Check.model_validate(said)


def unescape(literal: str) -> str:
    """Read a literal as Hive does: `\\uXXXX` is a UTF-16 unit."""
    assert re.fullmatch(r"'([A-Za-z0-9]|\\u[0-9a-f]{4})*'", literal)
    units = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), literal[1:-1])
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_literal_is_plain_letters_and_means_the_text(text: str) -> None:
    assert unescape(quote_text(text)) == text


def test_half_a_character_is_no_text() -> None:
    with pytest.raises(UnfitBound, match="surrogate"):
        quote_text("\ud800")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            {"not_null": "nmae"},
            "check `not_null nmae` names 'nmae', which is not a column of the lake table; its columns: id, small",
        ),
        ({"unique": ["id", "list"]}, "cannot compare lists: list is ARRAY<INT>"),
        ({"between": {"column": "name", "min": 1}}, 'min 1 is not text, and the column is: write "1", in quotes'),
        ({"between": {"column": "id", "min": "x"}}, "min 'x' is not a number"),
        ({"between": {"column": "id", "max": float("nan")}}, "max nan is not a number of at most 400 digits"),
        ({"between": {"column": "ratio", "max": float("inf")}}, "max inf is not a number"),
        ({"between": {"column": "small", "min": 32768}}, "min 32768 is more than smallint holds, so every value would"),
        ({"between": {"column": "small", "max": -40000}}, "max -40000 is less than smallint holds"),
        ({"between": {"column": "price", "min": "1e9999"}}, "is more than decimal(10,2) holds"),
        ({"between": {"column": "ratio", "min": 10**399}}, "is beyond the largest double"),
        ({"between": {"column": "day", "min": "2024-02-30"}}, 'is not a date: write "2024-01-31", in quotes'),
        ({"between": {"column": "at", "max": "soon"}}, "is not a timestamp: write"),
        ({"between": {"column": "ok", "max": 1}}, "boolean has no order: use accepted_values"),
        ({"between": {"column": "raw", "max": 1}}, "raw is BINARY: write a condition, `sql`"),
        ({"between": {"column": "list", "max": 1}}, "list is ARRAY<INT>: write a condition, `sql`"),
        ({"accepted_values": {"column": "id", "values": [1, 1.5]}}, "1.5 is not a value of int"),
        ({"accepted_values": {"column": "price", "values": [1, 0.001]}}, "0.001 is not a value of decimal(10,2)"),
        ({"accepted_values": {"column": "ok", "values": ["yes"]}}, "among others, and a boolean is true or false"),
        ({"regex": {"column": "id", "pattern": "1"}}, "is for text, and id is INT: write sql: cast"),
        ({"freshness": {"column": "name", "within": "2h"}}, "is for a date or a timestamp, and name is STRING"),
    ],
)
def test_what_does_not_fit_is_told_once_with_its_cure(said: dict[str, Any], told: str) -> None:
    findings = check_findings([check(**said)], TYPES)
    assert len(findings) == 1
    assert told in findings[0]


def test_every_fault_is_told() -> None:
    found = check_findings(
        [
            check(between={"column": "id", "min": "a", "max": "b"}),
            check(accepted_values={"column": "day", "values": ["2024-01-01", "never", 5]}),
            check(unique=["id", "no", "nay"]),
        ],
        TYPES,
    )
    assert [re.findall(r"'(\w+)'|: (5) is", text)[-1][0] for text in found] == ["a", "b", "never", "", "no", "nay"]


def test_checks_that_fit_have_no_findings_and_a_condition_each() -> None:
    checks = [
        check(unique="id"),
        check(unique=["ratio", "raw", "ok"]),
        check(not_null=["id", "list"], severity="quarantine"),
        check(between={"column": "price", "min": "0.005", "max": 1e6}),
        check(regex={"column": "name", "pattern": r"^L'\"\$\{x}"}),
        check(accepted_values={"column": "ok", "values": ["true"]}),
        check(sql="length(name) > 2", name="long names"),
        check(row_count={"min": 1}),
        check(freshness={"column": "at", "within": "2h"}),
    ]
    assert check_findings(checks, TYPES) == []
    rows = row_conditions(checks, TYPES)
    assert [row.label for row in rows][-1] == "long names"
    assert [row.columns for row in rows][:3] == [("id",), ("ratio", "raw", "ok"), ("id", "list")]
    assert rows[2].severity == "quarantine"
    assert all(row.broken.endswith(" is true") and "${" not in row.broken for row in rows)
    assert [table.select for table in table_checks(checks)] == ["count(*)", "cast(max(`at`) as string)"]


def test_a_bound_between_two_values_of_the_type_is_moved_inwards() -> None:
    decimal = domain_of(HiveType.parse("DECIMAL(5,2)"))
    assert decimal is not None
    assert decimal.below("c", "0.001") == "c < cast('0.01' as decimal(5,2))"
    assert decimal.above("c", 0.019) == "c > cast('0.01' as decimal(5,2))"
    assert decimal.below("c", -1e9) == "false"
    assert decimal.above("c", "99999999999999999999999999") == "false"
    wide = domain_of(HiveType.parse("DECIMAL(38,10)"))
    assert isinstance(wide, ExactNumber)
    assert (wide.low, len(wide.low.as_tuple().digits)) == (wide.high.copy_negate(), 38)
    whole = domain_of(HiveType.parse("BIGINT"))
    assert whole is not None
    assert whole.above("c", -0.5) == "c > cast('-1' as bigint)"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("2024-05-01 10:00:00", None),
        ("2024-05-01 10:00:00.000001", None),
        ("2024-05-01 09:59:59.999999999", "the newest at is 2024-05-01 09:59:59 UTC, 2:00:00 old, and 2h was promised"),
        ("2024-05-02", None),
        ("2024-05-01", "the newest at is 2024-05-01 00:00:00 UTC, 12:00:00 old, and 2h was promised"),
        (None, "at has no value, so nothing is fresh"),
        ("0001-01-01 00:00:00", "the newest at is 0001-01-01"),
        ("9999-12-31 23:59:59.999999", None),
    ],
)
def test_freshness(value: str | None, told: str | None) -> None:
    (fresh,) = table_checks([check(freshness={"column": "at", "within": "2h"})])
    said = fresh.judge(value, NOW)
    assert (said is None) if told is None else (said is not None and told in said)


@pytest.mark.parametrize(("rows", "told"), [(0, "0 rows, and at least 1"), (1, None), (9, None), ("10", "at most 9")])
def test_row_count(rows: Any, told: str | None) -> None:
    (count,) = table_checks([check(row_count={"min": 1, "max": 9}, severity="warn")])
    said = count.judge(rows, NOW)
    assert (said is None) if told is None else (said is not None and told in said)
    assert count.severity == "warn"


def test_a_verdict_is_one_line() -> None:
    assert str(Verdict("between wattage", "fail", 3, 1000, examples=("id 7", "id 9"))) == (
        "check `between wattage` (fail): 3 of 1,000 rows break it, e.g. id 7; id 9"
    )
    assert str(Verdict("row_count", "warn", 0, 5, message="5 rows")) == "check `row_count` (warn): 5 rows"
