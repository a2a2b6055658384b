"""The order in which a run's files begin."""

from __future__ import annotations

from pathlib import Path

from harness import durations
from harness.checkout import CHECKOUT

REPORT = """<testsuites><testsuite>
<testcase classname="tests.unit.test_a" name="x" time="1.4"/>
<testcase classname="tests.unit.test_a" name="y" time="1.4"/>
<testcase classname="tests.unit.flow.test_b.TestClass" name="x" time="0.4"/>
</testsuite></testsuites>"""


def test_the_tests_of_a_file_are_summed(tmp_path: Path) -> None:
    (tmp_path / "unit.xml").write_text(REPORT)
    assert durations.read_reports([tmp_path / "unit.xml"]) == {
        "tests/unit/flow/test_b.py": 0,
        "tests/unit/test_a.py": 3,
    }


def test_most_files_have_been_measured() -> None:
    """A file that was renamed or is new is taken for a long one; when many are, measure again: CONTRIBUTING, Tests."""
    files = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "tests").rglob("test_*.py")}
    assert len(files & set(durations.expected())) > 0.7 * len(files)
