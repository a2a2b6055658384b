"""Files are listed before their rows are counted: what is deleted after the listing is missed by a count or a look.

The other way round, a file that somebody deletes between the two is in the count and not in the list, and the load is
published without its rows.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import switchyard.legs

LEGS = Path(switchyard.legs.__file__).parent
COUNTERS = frozenset({"_rows", "_count_batch", "count_rows"})


def calls(function: ast.FunctionDef) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a function's body with its name, in the order of the lines."""
    nodes = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
        yield ast.unparse(node.func).rpartition(".")[2], node


def is_count(name: str, call: ast.Call) -> bool:
    """Whether a call counts rows: by a function of that name, or by a query."""
    return name in COUNTERS or (name == "run" and "count(*)" in ast.unparse(call))


def listing_and_counting() -> dict[str, tuple[int, int]]:
    """Functions that list files and count rows: the line of the first listing, that of the first count."""
    lines = {}
    for path in sorted(LEGS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                named = list(calls(node))
                listings = [call.lineno for name, call in named if name == "list_files"]
                counts = [call.lineno for name, call in named if is_count(name, call)]
                if listings and counts:
                    lines[f"{path.relative_to(LEGS).with_suffix('')}.{node.name}"] = (listings[0], counts[0])
    return lines


FUNCTIONS = listing_and_counting()


def test_those_that_record_a_version_are_looked_at() -> None:
    assert {"ingest/prove._count", "serve/select._run_query"} <= FUNCTIONS.keys()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_files_are_listed_before_their_rows_are_counted(function: str) -> None:
    listed, counted = FUNCTIONS[function]
    assert listed < counted
