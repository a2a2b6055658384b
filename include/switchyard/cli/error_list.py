"""Every error that the package raises on purpose, with its cure, read from the package's own source.

A value that comes in at run time stands in <brackets>. An error is a call of a class of `switchyard.errors` (or of one
that is made from it), or of `refuse`, by which flow files are judged.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from switchyard.cli.message_text import Source, index_functions

_BASE = "SwitchyardError"
_OF_FLOW_FILES = "FlowFileError"
_VALUE = re.compile(r"<[^<>]*>|…")


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
    kinds = _error_classes(modules.values())
    functions = index_functions(modules.values())
    texts = [text for name, module in modules.items() for text in _raised(name, Source(module, functions), kinds)]
    return sorted(texts, key=lambda text: text.kind)  # within a class by module and line


def _sources(room: Traversable, name: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(room.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _sources(entry, f"{name}.{entry.name}")
        elif entry.name.endswith(".py"):
            yield f"{name}.{entry.name.removesuffix('.py')}", entry.read_text(encoding="utf-8")


def _error_classes(modules: Iterable[ast.Module]) -> set[str]:
    """Names of the classes that are errors of ours, wherever they are defined."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for module in modules
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef)
    }
    kinds = {_BASE}
    while more := {name for name, parents in bases.items() if parents & kinds} - kinds:
        kinds |= more
    return kinds


def _raised(name: str, source: Source, kinds: set[str]) -> Iterator[ErrorText]:
    calls = [node for node in ast.walk(source.module) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda call: call.lineno):
        if not isinstance(call.func, ast.Name) or not call.args:
            continue
        kind = _OF_FLOW_FILES if call.func.id == "refuse" else call.func.id
        what = source.write_text(call.args[0])
        if kind not in kinds or not _VALUE.sub("", what).strip():
            continue  # not an error, or one that only passes on another's words
        parts = {keyword.arg: source.write_text(keyword.value) for keyword in call.keywords}
        yield ErrorText(kind, f"{name}:{call.lineno}", what, parts.get("where"), parts.get("cure"))
