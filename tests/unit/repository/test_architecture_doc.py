"""docs/architecture.md says where to change what: every file in its tables exists, and has every name beside it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import pytest

from harness.checkout import CHECKOUT

PACKAGE = CHECKOUT / "include" / "switchyard"
STACK = CHECKOUT / "stack" / "switchyard_stack"
PAGE = CHECKOUT / "docs" / "architecture.md"
FILE = re.compile(r"[a-z_]+(/[a-z_0-9]+)*(\.py|/)")
NAME = re.compile(r"[A-Za-z_]\w*(\.\w+)?")
COMMAND = re.compile(r"(make|switchyard) .*")


def rows() -> list[tuple[str, str]]:
    """(question, place) of each row of the chapter."""
    chapter = PAGE.read_text(encoding="utf-8").split("\n## Which room\n")[1].split("\n## ")[0]
    lines = [line for line, below in pairwise(chapter.splitlines()) if line.startswith("| ") and below[:4] != "|---"]
    return [(question, place) for question, place in (line.strip("| ").split(" | ") for line in lines)]


@cache
def defined_in(file: str) -> frozenset[str]:
    """The functions, classes and constants of a module; `Class.member` for what a class has."""
    body = ast.parse((PACKAGE / file).read_text(encoding="utf-8")).body
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    return frozenset([*names(body), *(f"{each.name}.{name}" for each in classes for name in names(each.body))])


def names(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def without_label(part: str) -> str:
    """What follows `marker index:`; a label may quote names of the data."""
    label, colon, rest = part.partition(": ")
    return rest if colon and not any(map(FILE.fullmatch, re.findall(r"`([^`]+)`", label))) else part


def faults(place: str) -> list[str]:
    """What a cell names and the code does not have; a name belongs to the file before it."""
    wrong = []
    file = ""
    for span in (span for part in place.split("; ") for span in re.findall(r"`([^`]+)`", without_label(part))):
        if FILE.fullmatch(span):
            file = span if (PACKAGE / span).exists() else ""
            if not file and not (STACK / span).exists():
                wrong.append(f"no file {span}")
        elif not COMMAND.fullmatch(span) and (not file.endswith(".py") or span not in defined_in(file)):
            wrong.append(f"no {span} in {file or 'any file before it'}")
    return wrong


@pytest.mark.parametrize(("question", "place"), rows(), ids=[question for question, _ in rows()])
def test_a_row_leads_somewhere(question: str, place: str) -> None:
    assert any(map(FILE.fullmatch, re.findall(r"`([^`]+)`", place))), f"{question}: no file"
    assert faults(place) == []


def test_no_question_is_asked_twice() -> None:
    questions = [question for question, _ in rows()]
    assert len(questions) > 50
    assert len(set(questions)) == len(questions)


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        ("`types/rule.py`", "no file types/rule.py"),
        ("`legs/tidy/`", "no file legs/tidy/"),
        ("`flow/naming.py` `pool`, `pools`", "no pools in flow/naming.py"),
        ("`flow/naming.py`; of a task: `slots`", "no slots in flow/naming.py"),
        ("`lake/hdfs.py` `Hdfs.explain`", "no Hdfs.explain in lake/hdfs.py"),
        ("a task: `EXIT_CODES`", "no EXIT_CODES in any file before it"),
    ],
)
def test_a_row_that_misleads_is_noticed(place: str, wrong: str) -> None:
    assert faults(place) == [wrong]
