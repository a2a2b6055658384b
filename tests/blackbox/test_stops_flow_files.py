"""What a person writes into a flow file, or after a command, is judged where it stands, by the engine that runs it."""

from __future__ import annotations

from typing import Any

import pytest
from outside import Ended, FlowUnderTest, Grounds

INNER_NAMES = r"\b(bool|int|float|str|union|lax|strict|constrained|validator|pydantic|function)\b|values\[\d\]\.\w"
"""What a validator calls its own branches."""


def require_one_problem(ended: Ended, cause: str) -> None:
    """One fault of one value: two lines and the count of problems, without a validator's inner names."""
    ended.require_sentence(cause, never=INNER_NAMES, longest=3)


def test_booleans_as_accepted_values(grounds: Grounds) -> None:
    """They are judged as what they are, or refused in one sentence."""
    checks = [{"accepted_values": {"column": "b", "values": [True, False]}}]
    flow = grounds.flow("booleans", "id int primary key, b boolean", checks=checks)
    linted = flow.run("lint")
    if not linted.succeeded:
        require_one_problem(linted, "accepted_values.*true")
        return
    flow.sql("insert into {t} values (1, true), (2, false), (3, null)")
    flow.ingest().require_success()
    assert flow.hive("order by id") == [(1, True), (2, False), (3, None)]


@pytest.mark.parametrize(
    "check",
    [
        pytest.param({"between": {"column": "b", "min": [1]}}, id="a list as bound"),
        pytest.param({"not_null": {"column": "b"}}, id="a mapping as column"),
    ],
)
def test_a_value_of_a_wrong_kind(grounds: Grounds, check: dict[str, Any]) -> None:
    """One sentence for one value, however many kinds of value could stand there."""
    require_one_problem(grounds.flow("kinds", checks=[check]).run("lint"), "checks.*(min|not_null)")


def judged_by_java(grounds: Grounds, pattern: str) -> list[Any]:
    """Ids of the rows that a regular expression lets pass."""
    check = {"regex": {"column": "v", "pattern": pattern}, "severity": "quarantine"}
    flow = grounds.flow(
        "regex", "id int primary key, v text", checks=[check], contract={"quarantine_threshold": "100%"}
    )
    flow.sql("insert into {t} values (1, 'Ärger'), (2, 'a.b'), (3, 'axb'), (4, '12')")
    linted = flow.run("lint")
    assert linted.succeeded, linted.output
    flow.ingest().require_success()
    return flow.ids()


@pytest.mark.parametrize(
    ("pattern", "pass_it"),
    [
        pytest.param(r"^\p{L}+$", [1, 3], id="a class of Unicode"),
        pytest.param(r"^\Qa.b\E$", [2], id="a quoted part"),
    ],
)
def test_a_regular_expression_in_java_s_syntax(grounds: Grounds, pattern: str, pass_it: list[int]) -> None:
    """The docs promise it."""
    assert judged_by_java(grounds, pattern) == pass_it


@pytest.fixture(scope="module")
def merging(grounds: Grounds) -> FlowUnderTest:
    """A flow whose past can be read again."""
    columns = "id int primary key, at timestamptz not null default now()"
    cursor = {"cursor": "at", "cursor_clock": "database"}
    return grounds.flow("merging", columns, source=cursor, lake={"mode": "merge"})


@pytest.mark.parametrize("moment", ["xyz", "2026-02-30", ""])
def test_a_backfill_from_no_moment(merging: FlowUnderTest, moment: str) -> None:
    """The option is named, and what it said."""
    ended = merging.run("backfill", merging.name, "--from", moment, "--to", "2026-03-01")
    ended.require_sentence(f"--from.*{moment}", never=r"source\.where")


@pytest.mark.parametrize("moment", ["tomorrow-ish", "2026-13-01T00:00:00Z"])
def test_a_backfill_up_to_no_moment(merging: FlowUnderTest, moment: str) -> None:
    """The same for the range's end."""
    ended = merging.run("backfill", merging.name, "--from", "2026-01-01", "--to", moment)
    ended.require_sentence(f"--to.*{moment}", never=r"source\.where")
