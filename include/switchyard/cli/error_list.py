"""Every error that the package raises on purpose, with its cure, read from the package's own source.

A value that comes in at run time stands in <brackets>. An error is a call of a class of `switchyard.errors` (or of one
that is made from it), of `refuse`, by which flow files are judged, or of `Problem`, which says what is wrong in one.
Of a raise with several texts each is an entry of its own: of a branch, of a caller, of a row of a table.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable

from switchyard.cli.message_names import Module, Package, Row
from switchyard.cli.message_text import VALUE, Variant, Writer, combine

_BASE = "SwitchyardError"
_OF_FLOW_FILES = "FlowFileError"
_PROBLEM = "Problem"
_REFUSAL = "switchyard.flow.refusal"


@dataclass(frozen=True)
class ErrorText:
    """One text of an error: its class, `module:line` of the raise, and its three parts as written there.

    `where` and `cure` are None where the call does not give them; a flow file's own place is added by its loader.
    """

    kind: str
    place: str
    what: str
    where: str | None
    cure: str | None


def list_errors() -> list[ErrorText]:
    """All of them, by class and place."""
    package = read_package()
    kinds = error_classes(module.tree for module in package.modules.values())
    texts = [text for module in package.modules.values() for text in _raised(package, module, kinds)]
    return sorted(_gather_places(texts), key=lambda text: text.kind)  # within a class by module and line


def _gather_places(texts: Iterable[ErrorText]) -> list[ErrorText]:
    """One entry for what is said of several places, which are listed in its `where`."""
    wheres: dict[ErrorText, dict[str, None]] = {}
    for text in texts:
        wheres.setdefault(replace(text, where=None), {})[text.where or ""] = None
    return [replace(text, where=" / ".join(filter(None, places)) or None) for text, places in wheres.items()]


def read_package() -> Package:
    """All modules, parsed."""
    sources = _sources(files("switchyard"), "switchyard")
    return Package({name: Module(name, ast.parse(text)) for name, text in sources})


def _sources(room: Traversable, name: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(room.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _sources(entry, f"{name}.{entry.name}")
        elif entry.name.endswith(".py"):
            module = f"{name}.{entry.name.removesuffix('.py')}".removesuffix(".__init__")
            yield module, entry.read_text(encoding="utf-8")


def error_classes(modules: Iterable[ast.Module]) -> set[str]:
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


def _raised(package: Package, module: Module, kinds: set[str]) -> Iterator[ErrorText]:
    calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda call: call.lineno):
        for kind in _kinds_of(package, module, call, kinds):
            yield from _texts(package, module, call, kind)


def _kinds_of(package: Package, module: Module, call: ast.Call, kinds: set[str]) -> Iterator[Variant]:
    """The error classes that a call may make; none for a call of something else."""
    match call.func:
        case ast.Name(id=name) if name in kinds:
            yield Variant(name)
        case ast.Name(id="refuse") if package.home_of(module, "refuse").name == _REFUSAL:
            yield Variant(_OF_FLOW_FILES)
        case ast.Name(id=name) if name == _PROBLEM:
            yield Variant(_OF_FLOW_FILES)
        case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__init__"):
            owner = module.class_around(call)
            if owner in kinds - {_BASE, _OF_FLOW_FILES}:
                yield Variant(owner)
        case ast.Name() as chosen if call.keywords:
            for row in module.values_of(chosen, package):
                yield from _choose(package, row, kinds)


def _choose(package: Package, row: Row, kinds: set[str]) -> Iterator[Variant]:
    """The classes of `A if state.passes else B`: by the rows that the state may be."""
    match row.node:
        case ast.IfExp(
            test=ast.Attribute(value=ast.Name() as owner, attr=attribute),
            body=ast.Name(id=one),
            orelse=ast.Name(id=other),
        ) if {one, other} <= kinds:
            for each in package.rows(row.module.class_of(owner, package)):
                value = package.field_of(each, attribute)
                is_true = isinstance(value, ast.Constant) and value.value is True
                yield Variant(one if is_true else other, dict(each.ways))


def _texts(package: Package, module: Module, call: ast.Call, kind: Variant) -> Iterator[ErrorText]:
    """All texts of one call, no two alike."""
    writer = Writer(package, module)
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    what, cure = call.args[:1], [named["cure"]] if "cure" in named else []
    if isinstance(call.func, ast.Name) and call.func.id == _PROBLEM:
        what, cure = call.args[2:3], call.args[3:4]
    where = [named["where"]] if "where" in named else []
    parts = [writer.write(part[0]) if part else [Variant("")] for part in (what, where, cure)]
    if "findings" in named and (items := writer.write_items(named["findings"])):
        head = parts[0]
        parts[0] = [Variant(f"{texts[0]}\n  - {texts[1]}", ways) for texts, ways in combine([head, items])]
    listed = dict.fromkeys(texts for texts, _ in combine([[kind], *parts]))
    for name, sentence, place, advice in listed:
        if VALUE.sub("", sentence).strip():
            yield ErrorText(name, f"{module.name}:{call.lineno}", sentence, place or None, advice or None)
