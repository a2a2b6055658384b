"""The shape of the code, counted: what passes between rooms has types, and what is too large or ill named gets no more.

The ceilings are what was counted when a rule came, or has been reached since. They only go down: a change
that lowers a count lowers its ceiling.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache

import pytest

from harness.checkout import CHECKOUT

PACKAGE = CHECKOUT / "include" / "switchyard"
TYPED_ROOMS = ("legs/", "ledger/", "handover.py", "records.py")
SESSION = "psycopg.Connection[tuple[object, ...]]"
"""What psycopg calls a session whose rows are not typed: no looser than the driver is."""
LOOSE = ("Any", "object", "dict[str, …]", "cast")
PARTICIPLES = {"found", "made", "told", "said", "there", "seen", "done", "gone", "went", "asked", "given", "known"}

ALLOWED = {
    ("handover.py", "facts"): "Airflow's XCom is JSON, and so is what a person reads",
    ("records.py", "to_json"): "the form on the wire and in the ledger is JSON: this is where records become it",
    ("records.py", "_leave_out"): "the same, a part of it",
    ("ledger/loads.py", "Load"): "`spec` and `facts` are JSON columns; flow.frozen and records read them",
    ("ledger/loads.py", "values"): "columns of a row of every kind, for SQLAlchemy",
    ("ledger/store.py", "_load"): "a row of every kind, from SQLAlchemy",
    ("ledger/statements.py", "facts_with"): "an expression over a JSON column, for SQLAlchemy",
    ("ledger/registry.py", "RegisteredLoad"): "`spec` and `facts` are JSON columns",
    ("ledger/registry.py", "values"): "columns of a row of every kind, for SQLAlchemy",
    ("ledger/registry.py", "write_load"): "a row of every kind, from SQLAlchemy",
}
"""(file, function or class) whose signature or fields may be loose, and why."""

READERS_OF_FACTS = {
    "ledger/loads.py": "`Load.result` is the way in",
    "ledger/statements.py": "writes the column",
    "legs/ingest/manifest.py": "a manifest keeps the facts of its load as they are",
    "legs/rebuild/history.py": "a rebuilt load has the facts of its manifest",
}
"""Files that may touch the ledger's JSON, and why."""

ALLOWED_LONG = {
    ("ledger/migrations/versions/0001_loads.py", "upgrade"): "the columns of two tables, never touched again"
}
"""(file, function) that may be long, and why."""
ARROW_CEILING = 135
MOST_LINES_OF_A_FUNCTION = 40
MOST_LINES_OF_A_FILE = 300


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    files = sorted(PACKAGE.rglob("*.py"))
    return tuple((f.relative_to(PACKAGE).as_posix(), ast.parse(f.read_text(encoding="utf-8"))) for f in files)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    arguments = function.args
    extra = [each for each in (arguments.vararg, arguments.kwarg) if each]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra]


def aliases(tree: ast.Module) -> dict[str, ast.expr]:
    """Names that a module gives to types: `J = dict[str, Any]`, `import Any as X`, `type J = …`."""
    known: dict[str, ast.expr] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            known[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            if ast.unparse(node.annotation).endswith("TypeAlias"):
                known[node.target.id] = node.value
        elif isinstance(node, ast.ImportFrom):
            known |= {each.asname: ast.Name(each.name) for each in node.names if each.asname}
    return known


def loose(annotation: ast.expr, known: dict[str, ast.expr], depth: int = 0) -> Iterator[str]:
    """The loose types in an annotation, through the module's own names and through texts."""
    text = ast.unparse(annotation).replace(SESSION, "psycopg.Connection")
    for node in ast.walk(ast.parse(text, mode="eval").body):
        match node:
            case ast.Constant(value=str(text)) if depth < 5:
                try:
                    yield from loose(ast.parse(text, mode="eval").body, known, depth + 1)
                except SyntaxError:  # a text in Literal or Field, which is no type
                    continue
            case ast.Name(id="Any" | "object" as name) | ast.Attribute(attr="Any" as name):
                yield name
            case ast.Name(id=name) if name in known and depth < 5:
                yield from loose(known[name], known, depth + 1)
            case ast.Subscript(value=ast.Name(id="dict" | "Dict"), slice=ast.Tuple(elts=[ast.Name(id="str"), *_])):
                yield "dict[str, …]"


def annotations(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """What signatures and fields of classes say, with the name of the function or class."""
    for function in functions(tree):
        for parameter in parameters(function):
            if parameter.annotation:
                yield function.name, parameter.annotation
        if function.returns:
            yield function.name, function.returns
    for owner in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        for node in owner.body:
            if isinstance(node, ast.AnnAssign):
                yield owner.name, node.annotation


def count_loose(only: Iterable[tuple[str, ast.Module]]) -> dict[str, list[str]]:
    places: dict[str, list[str]] = {kind: [] for kind in LOOSE}
    for file, tree in only:
        known = aliases(tree)
        for name, annotation in annotations(tree):
            if (file, name) not in ALLOWED:
                for kind in loose(annotation, known):
                    places[kind].append(f"{file}: {name}")
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id == "cast":
                places["cast"].append(f"{file}:{call.lineno}")
    return places


def in_typed_rooms() -> Iterator[tuple[str, ast.Module]]:
    return ((file, tree) for file, tree in modules() if file.startswith(TYPED_ROOMS) and "migrations" not in file)


def named(tree: ast.Module) -> Iterator[str]:
    """Names of parameters, and of what is assigned or bound."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
    for function in functions(tree):
        yield from (parameter.arg for parameter in parameters(function))


def lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def room(module: str) -> str:
    parts = module.removeprefix("switchyard.").split(".")
    return ".".join(parts[:2]) if parts[0] == "legs" and len(parts) > 2 else parts[0]


def arrows() -> set[tuple[str, str]]:
    """Which room imports which; `legs.ingest` and the like are rooms of their own."""
    drawn = set()
    for file, tree in modules():
        here = room("switchyard." + file.removesuffix(".py").replace("/", "."))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("switchyard."):
                wider = [f"{node.module}.{each.name}" for each in node.names]
                drawn |= {(here, room(module)) for module in wider} - {(here, here)}
    return drawn


@pytest.mark.parametrize("kind", LOOSE)
def test_what_passes_between_rooms_has_types(kind: str) -> None:
    assert count_loose(in_typed_rooms())[kind] == []


def test_every_exception_is_needed() -> None:
    declared = {(file, name) for file, tree in modules() for name, _ in annotations(tree)}
    assert set(ALLOWED) <= declared


def test_only_results_read_the_ledgers_json() -> None:
    """`Load.result` reads it, typed; `facts` of a step's report is another thing, and is never taken apart either."""
    readers = [
        f"{file}:{node.lineno}"
        for file, tree in modules()
        if file.startswith(("legs/", "ledger/", "cli/", "airflow/")) and file not in READERS_OF_FACTS
        for node in ast.walk(tree)
        if (isinstance(node, ast.Subscript) and ast.unparse(node.value).split(".")[-1] == "facts")
        or (isinstance(node, ast.Attribute) and node.attr == "facts" and ast.unparse(node.value).endswith("load"))
    ]
    assert readers == []


def test_names_are_nouns_and_verbs() -> None:
    assert [f"{file}: {name}" for file, tree in modules() for name in named(tree) if name in PARTICIPLES] == []


def test_functions_are_short() -> None:
    long = [
        f"{file}: {function.name}, {lines(function)} lines"
        for file, tree in modules()
        for function in functions(tree)
        if lines(function) > MOST_LINES_OF_A_FUNCTION and (file, function.name) not in ALLOWED_LONG
    ]
    assert long == []


def test_files_are_short() -> None:
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    long = [f"{path.relative_to(PACKAGE)}, {size} lines" for path, size in sizes.items() if size > MOST_LINES_OF_A_FILE]
    assert long == []


def test_rooms_have_few_doors() -> None:
    drawn = arrows()
    assert len(drawn) <= ARROW_CEILING, sorted(drawn)


ALIASED = """
from typing import Any as Whatever, TypeAlias
J = dict[str, Whatever]
K: TypeAlias = "list[J]"
def f(a: J, b: "K", c: list[object], d: int, *e: Any, **g: dict[str, int]) -> Whatever: ...
"""


def test_the_counter_sees_through_aliases_and_texts() -> None:
    places = count_loose([("x.py", ast.parse(ALIASED))])
    assert {kind: len(found) for kind, found in places.items()} == {
        "Any": 4,  # in J, in K, in *e, and what is returned
        "object": 1,
        "dict[str, …]": 3,
        "cast": 0,
    }
