"""What the suites may import of each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.checkout import CHECKOUT

TESTS = CHECKOUT / "tests"
OUTSIDE = [*(TESTS / "blackbox").rglob("*.py"), *(TESTS / "harness" / "outside").rglob("*.py")]
TEST_MODULES = [path for path in TESTS.rglob("*.py") if "harness" not in path.parts and "fixtures" not in path.parts]


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{each.name}" for each in node.names)


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path.stem)
def test_tests_from_outside_import_nothing_of_the_package(path: Path) -> None:
    """They survive a move of every module, because they know none."""
    ours = {name for name in imports(path) if name.split(".")[0] in ("switchyard", "harness")}
    assert {name for name in ours if not name.startswith(("harness.outside.", "harness.checkout."))} == set()


def test_no_test_module_imports_another() -> None:
    """What two of them share is in tests/harness. pytest imports each under a name of its own, so names may repeat."""
    modules = {path.stem for path in TEST_MODULES}
    pairs = ((path, name.split(".")[0]) for path in TEST_MODULES for name in imports(path))
    shared = {f"{path.name} imports {name}" for path, name in pairs if name in modules}
    assert shared == set()


def test_make_runs_every_suite() -> None:
    """stack/test.sh names the directories, so that what needs no servers is collected once.

    Those with a target of their own are named in the Makefile.
    """
    suites = {path.relative_to(TESTS).parts[0] for path in TEST_MODULES if path.stem.startswith("test_")}
    script = "".join((CHECKOUT / name).read_text(encoding="utf-8") for name in ("stack/test.sh", "Makefile"))
    assert [suite for suite in sorted(suites) if f" tests/{suite}" not in script] == []
