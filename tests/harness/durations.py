"""How long the files of a suite take: xdist's workers begin with the longest, so that none of them ends late and alone.

`python tests/harness/durations.py .switchyard/tests/*.xml`, after a `make test` on a quiet machine, writes them anew.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

SECONDS = Path(__file__).resolve().parents[1] / "durations.json"
UNKNOWN = 30
"""Seconds that a file is taken for that has not been measured."""


def read_reports(reports: Iterable[Path]) -> dict[str, int]:
    """Seconds of each file, from pytest's JUnit reports."""
    seconds: Counter[str] = Counter()
    for report in reports:
        for case in ElementTree.parse(report).iter("testcase"):
            seconds[_file(case.attrib["classname"])] += float(case.attrib["time"])
    return {file: round(seconds[file]) for file in sorted(seconds)}


def _file(classname: str) -> str:
    """Undo JUnit's dots; a class of tests is no part of the path."""
    parts = classname.split(".")
    while len(parts) > 1 and not parts[-1].startswith("test_"):
        parts.pop()
    return "/".join(parts) + ".py"


def expected() -> dict[str, int]:
    """Seconds of each file, as they were measured last."""
    seconds: dict[str, int] = json.loads(SECONDS.read_text(encoding="utf-8"))
    return seconds


if __name__ == "__main__":
    SECONDS.write_text(json.dumps(read_reports(map(Path, sys.argv[1:])), indent=1) + "\n", encoding="utf-8")
