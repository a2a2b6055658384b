"""What a person writes into a flow file, or after a command, is judged where it stands, by the engine that runs it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.outside.grounds import Ended, FlowUnderTest, Grounds

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


def test_regular_expressions_in_java_s_syntax(grounds: Grounds) -> None:
    """The docs promise it: a class of Unicode, a quoted part. One load: each refuses rows that the other lets pass."""
    patterns = {"letters": r"^\p{L}+$", "quoted": r"^\Qa.b\E$"}
    checks = [{"regex": {"column": c, "pattern": p}, "severity": "quarantine"} for c, p in patterns.items()]
    columns = "id int primary key, letters text, quoted text"
    flow = grounds.flow("regex", columns, checks=checks, contract={"quarantine_threshold": "100%"})
    refused = "(2, 'a.b', 'a.b'), (4, '12', 'a.b'), (5, 'Ärger', 'axb'), (6, 'axb', 'Ärger')"
    flow.sql(f"insert into {{t}} values (1, 'Ärger', 'a.b'), (3, 'axb', 'a.b'), {refused}")
    linted = flow.run("lint")
    assert linted.succeeded, linted.output
    flow.ingest().require_success()
    assert flow.ids() == [1, 3]


@pytest.fixture(scope="module")
def merging(grounds: Grounds) -> FlowUnderTest:
    """A flow whose past can be read again."""
    columns = "id int primary key, at timestamptz not null default now()"
    cursor = {"cursor": "at", "cursor_clock": "database"}
    return grounds.flow("merging", columns, source=cursor, lake={"mode": "merge"})


def further(*moments: str) -> list[Any]:
    """The class is judged in tests/unit/flow/test_moment.py."""
    return [pytest.param(moment, marks=pytest.mark.kin) for moment in moments]


@pytest.mark.parametrize("moment", ["2026-02-30", *further("xyz", "")])
def test_a_backfill_from_no_moment(merging: FlowUnderTest, moment: str) -> None:
    """The option is named, and what it said."""
    ended = merging.run("backfill", merging.name, "--from", moment, "--to", "2026-03-01")
    ended.require_sentence(f"--from.*{moment}", never=r"source\.where")


@pytest.mark.parametrize("moment", ["tomorrow-ish", *further("2026-13-01T00:00:00Z")])
def test_a_backfill_up_to_no_moment(merging: FlowUnderTest, moment: str) -> None:
    """The same for the range's end."""
    ended = merging.run("backfill", merging.name, "--from", "2026-01-01", "--to", moment)
    ended.require_sentence(f"--to.*{moment}", never=r"source\.where")
