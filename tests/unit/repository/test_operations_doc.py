"""docs/operations.md tells every error and no other: its messages are the code's, and none of those is missing."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from harness.checkout import CHECKOUT

SOURCES = (CHECKOUT / "include" / "switchyard", CHECKOUT / "stack" / "switchyard_stack")
RAISED = {
    *("SwitchyardError", "ConnectionMissing", "ServerUnavailable", "PreflightRefused", "StepFailed", "LoadInProgress"),
    *("ReconcileMismatch", "SourceMoved", "PublishConflict", "LedgerStateError", "StackError", "PortTaken"),
    *(
        "NotHealthy",
        "MissingPrograms",
        "FlowHeld",
        "QuarantineExceeded",
        "CheckFailed",
        "TruthConflict",
        "SourceRefused",
    ),
}
FOR_PROGRAMMERS = {"docs.py", "reader.py", "demo.py"}
"""Errors of these modules are for the person who calls them; the demo's that matter are documented all the same."""


def documented() -> list[str]:
    """The messages of the doc: the first cell of every row, in backticks."""
    text = (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\| message \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [message for table in tables for message in re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)]


def pieces(message: str) -> list[str]:
    """The fixed words of a message, in order."""
    return [piece.strip() for piece in message.split("…") if piece.strip(" :.,()'")]


def text_of(node: ast.AST) -> str:
    """A string expression with `…` for what varies."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=values):
            return "".join(text_of(value) for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return text_of(left) + text_of(right)
    return "…"


def texts(tree: ast.AST) -> Iterator[str]:
    """Every string of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr | ast.BinOp | ast.Constant):
            yield text_of(node)


def holds(text: str, message: str) -> bool:
    at = 0
    for piece in pieces(message):
        start = text.find(piece, at)
        if start < 0:
            return False
        at = start + len(piece)
    return True


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for source in SOURCES:
        for path in sorted(source.rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def raised(tree: ast.Module) -> Iterator[str]:
    """First arguments of our errors; a name is looked up among the assignments to it in the module."""
    assigned: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            assigned.setdefault(node.targets[0].id, []).append(text_of(node.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED and node.args:
            first = node.args[0]
            yield from assigned.get(first.id, []) if isinstance(first, ast.Name) else [text_of(first)]


def is_from(strings: set[str], message: str) -> bool:
    """Whether a module with these strings writes a message: in one string, or put together from several."""
    return any(holds(text, message) for text in strings) or all(
        any(piece in text for text in strings) for piece in pieces(message)
    )


def test_every_message_of_the_doc_is_the_codes() -> None:
    strings = [set(texts(tree)) for _, tree in modules()]
    assert documented()
    assert [
        message for message in documented() if not any(is_from(texts_of_one, message) for texts_of_one in strings)
    ] == []


def test_every_error_of_the_code_is_in_the_doc() -> None:
    messages = documented()
    missing = [
        f"{path.relative_to(CHECKOUT)}: {text[:90]}"
        for path, tree in modules()
        if path.name not in FOR_PROGRAMMERS
        for text in raised(tree)
        if len(text.strip("… \n:")) > 8 and not any(holds(text, each) or holds(each, text) for each in messages)
    ]
    assert missing == [], "tell of them in docs/operations.md: what it means, what to do"
