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
_FILE = "flows/<flow>.yaml:<line>"
_DEFAULTS = "flows/defaults.yaml:<line>"
_HOMES = {
    "Flow": "",
    "Source": "source",
    "Lake": "lake",
    "Serve": "serve",
    "Engine": "engine",
    "Reconcile": "reconcile",
    "Runs": "runs",
    "Check": "checks[<number>]",
    "Between": "checks[<number>].between",
    "ColumnChoice": "columns.<column>",
    "check_as": "columns.<column>.as",
    "check_collection": "serve.collection",
    "check_condition": "checks[<number>].sql",
    "check_connection": "<section>.connection",
    "check_flow": "flow",
    "check_query": "source.query",
    "check_root": "lake.root",
    "check_schedule": "schedule",
    "check_select": "serve.select",
    "check_where": "source.where",
    "parse_pg_table": "source.table",
}
"""The key of a flow file that a model or a function judges; of others several keys have the values."""


@dataclass(frozen=True)
class ErrorText:
    """One text of an error: its class, `module:line` of the raise, and its three parts as written there.

    `where` and `cure` are None where the call does not give them. The place in a flow file is what its loader adds.
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
    if kind.text == _OF_FLOW_FILES and not where:
        parts[1] = [Variant(_place_in_file(module, call))]
    if "findings" in named and (items := writer.write_items(named["findings"])):
        head = parts[0]
        parts[0] = [Variant(f"{texts[0]}\n  - {texts[1]}", ways) for texts, ways in combine([head, items])]
    listed = dict.fromkeys(texts for texts, _ in combine([[kind], *parts]))
    for name, sentence, place, advice in listed:
        if VALUE.sub("", sentence).strip():
            yield ErrorText(name, f"{module.name}:{call.lineno}", sentence, place or None, advice or None)


def _place_in_file(module: Module, call: ast.Call) -> str:
    """Where the loader says that a fault of a flow file is; of a value that a validator refuses also its key."""
    if not (isinstance(call.func, ast.Name) and call.func.id == "refuse"):
        return _DEFAULTS if module.name.endswith(".defaults") else _FILE
    below = next((keyword.value for keyword in call.keywords if keyword.arg == "at"), None)
    parts = below.elts if isinstance(below, ast.List) else []
    names = [str(part.value) if isinstance(part, ast.Constant) else f"<{ast.unparse(part)}>" for part in parts]
    is_whole = bool(parts) and isinstance(parts[0], ast.Constant)
    function = module.function_around(call)
    judge = module.class_around(call) or (function.name if function else "")
    home = _HOMES.get(judge, "" if is_whole else "<key>")
    return f"{_FILE}: `{'.'.join(filter(None, [home, *names]))}`"
