"""Every error that the package raises on purpose, with its cure, read from the package's own source.

What varies in a message is `…`. An error is a call of a class of `switchyard.errors` (or of one that is made from it),
or of `refuse`, by which flow files are judged.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

_BASE = "SwitchyardError"
_VARIES = "…"
_OF_FLOW_FILES = "FlowFileError"


@dataclass(frozen=True)
class ErrorText:
    """One place that raises an error: its class, `module:line`, and its three parts as written there.

    `where` and `cure` are None where the call does not give them; a flow file's own place is added by its loader.
    """

    kind: str
    place: str
    what: str
    where: str | None
    cure: str | None


def list_errors() -> list[ErrorText]:
    """All of them, by class and place."""
    modules = {name: ast.parse(text) for name, text in _sources(files("switchyard"), "switchyard")}
    kinds = _error_classes(modules)
    texts = [text for name, module in modules.items() for text in _raised(name, module, kinds)]
    return sorted(texts, key=lambda text: (text.kind, text.place))


def _sources(room: Traversable, name: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(room.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _sources(entry, f"{name}.{entry.name}")
        elif entry.name.endswith(".py"):
            yield f"{name}.{entry.name.removesuffix('.py')}", entry.read_text(encoding="utf-8")


def _error_classes(modules: Mapping[str, ast.Module]) -> set[str]:
    """Names of the classes that are errors of ours, wherever they are defined."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for module in modules.values()
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef)
    }
    kinds = {_BASE}
    while more := {name for name, parents in bases.items() if parents & kinds} - kinds:
        kinds |= more
    return kinds


def _raised(name: str, module: ast.Module, kinds: set[str]) -> Iterator[ErrorText]:
    assigned = _assignments(module)
    for call in ast.walk(module):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or not call.args:
            continue
        kind = _OF_FLOW_FILES if call.func.id == "refuse" else call.func.id
        what = _text_of(call.args[0], assigned)
        if kind not in kinds or not what.strip(_VARIES + " "):
            continue  # not an error, or one that only passes on another's words
        parts = {keyword.arg: _text_of(keyword.value, assigned) for keyword in call.keywords}
        yield ErrorText(kind, f"{name}:{call.lineno}", what, parts.get("where"), parts.get("cure"))


def _assignments(module: ast.Module) -> dict[str, ast.expr]:
    """The last value of every plain name of a module."""
    return {
        target.id: node.value
        for node in ast.walk(module)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _text_of(node: ast.expr, assigned: Mapping[str, ast.expr]) -> str:
    """A string expression, with `…` for what varies."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text_of(value, assigned) for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text_of(left, assigned) + _text_of(right, assigned)
        case ast.IfExp(body=body, orelse=orelse):
            choices = [_text_of(choice, assigned) for choice in (body, orelse)]
            return " / ".join(choice for choice in choices if choice)
        case ast.Name(id=name) if name in assigned:
            return _text_of(assigned[name], {key: value for key, value in assigned.items() if key != name})
    return _VARIES
