"""For all tests: the package, the local stack's and the bench's, as installed or from this checkout."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from harness import durations

CHECKOUT = Path(__file__).parents[1]

for package, home in (
    ("switchyard", "include"),
    ("switchyard_stack", "stack"),
    ("switchyard_cluster", "cluster"),
):
    if importlib.util.find_spec(package) is None:
        sys.path.insert(0, str(CHECKOUT / home))

# Every run draws the same examples; `pytest --hypothesis-profile=explore` draws others each time.
# No deadline: it would judge how busy the machine is; pytest's timeout ends what hangs.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", derandomize=False, deadline=None)
settings.load_profile("same")


def pytest_configure(config: pytest.Config) -> None:
    """The workers of a run note their faults in one file."""
    os.environ.setdefault("SWITCHYARD_FAULT_MATRIX", str(Path(tempfile.mkdtemp(prefix="faults-")) / "matrix"))
    config.addinivalue_line("markers", "outage: stops servers of the stack, or puts them back in time; runs alone")
    config.addinivalue_line("markers", "fault: provokes a fault and notes it in the matrix (make test-faults)")
    kin = "kin: a further member of a fault's kind, tried from outside; too slow for make test (make test-faults)"
    config.addinivalue_line("markers", kin)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On a worker of xdist, begin with the longest files (`--no-loadscope-reorder` keeps this order)."""
    if not hasattr(config, "workerinput"):
        return
    seconds = durations.expected()

    def place(item: pytest.Item) -> tuple[int, str]:
        file = item.nodeid.split("::")[0]
        return -seconds.get(file, durations.UNKNOWN), file

    items.sort(key=place)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the fault matrix."""
    path = Path(os.environ["SWITCHYARD_FAULT_MATRIX"])
    if not path.exists():
        return
    rows = sorted(json.loads(line) for line in path.read_text().splitlines())
    terminalreporter.section("faults provoked, and what came of them")
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row in rows:
        terminalreporter.write_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
