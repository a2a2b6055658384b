"""A value that no branch of a union takes is one problem, in the words of the flow file."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchyard.errors import FlowFileError
from switchyard.flow.files.loader import load_flow

FLOW = """
source: {connection: source_postgres, table: public.t}
lake: {hdfs: lake_hdfs, hive: lake_hive, metastore: lake_metastore, database: d, table: t}
owner: somebody
checks:
  - CHECK
"""


@pytest.mark.parametrize(
    ("check", "what", "cure"),
    [
        (
            "accepted_values: {column: b, values: [[1]]}",
            "values[0]` must be true or false, a number or a text, not a list",
            "",
        ),
        ("between: {column: b, min: false}", "between.min` must be a number or a text, not false", '"false"'),
        ("between: {column: b, min: [1]}", "between.min` must be a number or a text, not a list", ""),
        ("{unique: 5}", "unique` must be a text or a list, not 5", 'put it into quotes: "5"'),
        ("{unique: {a: 1}}", "unique` must be a text or a list, not a mapping", ""),
        ("{unique: [a, 2]}", "unique[1]` must be a text, not 2", 'put it into quotes: "2"'),
        ("{not_null: [a, null]}", "not_null[1]` must be a text, not empty", ""),
        ("{not_null: [a, b c]}", "'b c' cannot name a lake column", ""),
        ("{not_null: b c}", "'b c' cannot name a lake column", ""),
    ],
)
def test_one_problem_and_its_cure(tmp_path: Path, check: str, what: str, cure: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(FLOW.replace("CHECK", check if check.startswith("{") else f"{{{check}}}"))
    with pytest.raises(FlowFileError) as refused:
        load_flow(path)
    assert len(refused.value.problems) == 1
    problem = refused.value.problems[0]
    assert what in problem.what
    assert cure in problem.cure


def test_the_cure_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(FLOW.replace("CHECK", '{accepted_values: {column: b, values: [true, "false"]}}'))
    values = load_flow(path).checks[0].accepted_values
    assert values is not None
    assert values.values == [True, "false"]
