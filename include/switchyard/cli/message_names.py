"""What a name in the source stands for: what was assigned, passed, returned, listed, or written in a table."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from switchyard.cli.message_syntax import (
    Function,
    arguments_of,
    binds,
    called_name,
    item_class,
    returned_value,
    statements_before,
    table_entries,
    without_none,
)

Way = tuple[tuple[str, int | str], int | str]
"""A choice, and the way that was taken."""
_CAUSES = {"what", "cause", "why", "says"}
_CURES = {"cure", "says"}
_DEEPEST = 4
_NO_ROWS = {"Problem", "SwitchyardError", "StepError"}
"""Classes whose instances pass on what others say."""


@dataclass(frozen=True)
class Row:
    """One of several expressions that a name stands for, the module that has it, and what has to be chosen for it."""

    module: Module
    node: ast.expr
    ways: tuple[Way, ...] = ()


class Module:
    """One module: where its statements stand."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name, self.tree = name, tree
        self.parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        nodes = list(ast.walk(tree))
        self.functions = {node.name: node for node in nodes if isinstance(node, Function)}
        self.imports = {
            each.asname or each.name: node.module or ""
            for node in nodes
            if isinstance(node, ast.ImportFrom)
            for each in node.names
        }

    def values_of(self, name: ast.Name, package: Package) -> list[Row]:
        """Return what was assigned to a name before, by the statements that lead there; else what callers pass."""
        rows: list[Row] = []
        passed_by: list[Way] = []
        node: ast.AST = name
        while (parent := self.parents.get(node)) is not None:
            for statement in reversed(statements_before(node, parent)):
                assigned = list(self._assigned(statement, name.id, package))
                rows += [Row(row.module, row.node, (*row.ways, *passed_by)) for row in assigned]
                if assigned and not isinstance(statement, ast.If | ast.Match | ast.For | ast.Try | ast.With):
                    return rows
                if assigned:
                    passed_by.append((("branch", id(statement)), "another"))
            if binds(parent, name.id):
                return rows  # an item of what is gone through
            if isinstance(parent, Function):
                return rows or package.passed(self, parent, name.id) or self.of_module(name.id, package)
            node = parent
        return rows or self.of_module(name.id, package)

    def of_module(self, name: str, package: Package) -> list[Row]:
        """Return the constant of that name, of this module or imported."""
        home = package.home_of(self, name)
        return [row for statement in home.tree.body for row in home._assigned(statement, name, package)][-1:]

    def _assigned(self, statement: ast.stmt, name: str, package: Package) -> Iterator[Row]:
        for node in ast.walk(statement):
            target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
            if isinstance(node, ast.AnnAssign) and node.value is not None:
                target = node.target
            if target is None or not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
                continue
            ways = tuple(self._branches(node, statement))
            if isinstance(target, ast.Name) and target.id == name:
                yield Row(self, node.value, ways)
            elif isinstance(target, ast.Tuple):
                at = [part.id if isinstance(part, ast.Name) else "" for part in target.elts]
                if name in at:
                    for row in package.tuples(self, node.value):
                        yield Row(row.module, row.node.elts[at.index(name)], (*row.ways, *ways))  # type: ignore[attr-defined]

    def _branches(self, node: ast.AST, top: ast.stmt) -> Iterator[Way]:
        """The branches of `top` that lead to a node."""
        while node is not top:
            parent = self.parents[node]
            if isinstance(parent, ast.If | ast.Match | ast.match_case | ast.Try):
                for name, block in ast.iter_fields(parent):
                    if isinstance(block, list) and node in block:
                        place = block.index(node) if isinstance(node, ast.match_case) else name
                        yield ("branch", id(parent)), place
            node = parent

    def kept_values(self, attribute: ast.Attribute) -> list[Row]:
        """Return what a class's own methods assign to an attribute of `self`, or return as its property."""
        node: ast.AST = attribute
        while not isinstance(node, ast.ClassDef | ast.Module):
            node = self.parents[node]
        properties = [each for each in ast.walk(node) if isinstance(each, Function) and each.name == attribute.attr]
        returned = [each.value for method in properties for each in ast.walk(method) if isinstance(each, ast.Return)]
        rows = [Row(self, value) for value in returned if value is not None]
        for statement in (each for each in ast.walk(node) if isinstance(each, ast.Assign)):
            for target in statement.targets:
                targets = target.elts if isinstance(target, ast.Tuple) else [target]
                is_divided = isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple)
                values = statement.value.elts if is_divided else [statement.value]  # type: ignore[attr-defined]
                pairs = zip(map(ast.unparse, targets), values, strict=False)
                rows += [Row(self, value) for name, value in pairs if name == ast.unparse(attribute)]
        return rows

    def class_of(self, name: ast.Name, package: Package) -> str:
        """Return the class that a name's value has, by an annotation, an `except`, or what was called for it."""
        node: ast.AST = name
        while (parent := self.parents.get(node)) is not None:
            if isinstance(parent, ast.ExceptHandler) and parent.name == name.id and parent.type is not None:
                return ast.unparse(parent.type)
            if isinstance(parent, ast.comprehension | ast.ListComp | ast.GeneratorExp):
                for each in getattr(parent, "generators", ()):
                    if name.id in ast.unparse(each.target):
                        return item_class(self.function_around(parent), each.iter)
            if isinstance(parent, Function):
                for argument in arguments_of(parent):
                    if argument.arg == name.id and argument.annotation is not None:
                        return ast.unparse(argument.annotation)
                return self._class_assigned(parent, name.id, package)
            node = parent
        return ""

    def _class_assigned(self, function: Function, name: str, package: Package) -> str:
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                called = package.function_of(self, node.value)
                for returns in [called[1].returns] if called else []:
                    return without_none(ast.unparse(returns)) if returns is not None else ""
        return ""

    def class_around(self, node: ast.AST) -> str:
        """Return the name of the class that a node is in; empty when it is in none."""
        while (parent := self.parents.get(node)) is not None:
            if isinstance(parent, ast.ClassDef):
                return parent.name
            node = parent
        return ""

    def function_around(self, node: ast.AST) -> Function | None:
        """Return the function that a node is in."""
        while (parent := self.parents.get(node)) is not None:
            if isinstance(parent, Function):
                return parent
            node = parent
        return None


@dataclass
class Package:
    """All modules by name."""

    modules: Mapping[str, Module]
    calls: dict[str, list[tuple[Module, ast.Call]]] = field(default_factory=lambda: defaultdict(list))
    _classes: dict[str, ast.ClassDef] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for module in self.modules.values():
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Call):
                    self.calls[called_name(node)].append((module, node))
                elif isinstance(node, ast.ClassDef):
                    self._classes[node.name] = node

    def home_of(self, module: Module, name: str) -> Module:
        """Return the module that defines a name which another may have imported."""
        home = self.modules.get(module.imports.get(name, ""))
        if home is None or home is module:
            return module
        return self.home_of(home, name) if name in home.imports else home  # a package may pass a name on

    def imported(self, module: Module, name: str) -> Module | None:
        """Return the module that a name stands for, `from package import module`; None for any other name."""
        return self.modules.get(f"{module.imports.get(name, '')}.{name}")

    def function_of(self, module: Module, call: ast.expr) -> tuple[Module, Function] | None:
        """Return the function of ours that a call leads to, and its module."""
        match call:
            case ast.Call(func=ast.Name(id=name)):
                home = self.home_of(module, name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
                home = module
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name)) if self.imported(module, owner):
                home = self.imported(module, owner) or module
            case _:
                return None
        return (home, home.functions[name]) if name in home.functions else None

    def returned(self, module: Module, call: ast.Call) -> list[Row]:
        """Return what a call of a function of ours returns."""
        called = self.function_of(module, call)
        if called is None:
            return []
        home, function = called
        way: Way = (("call", id(function)), id(call))
        values = [value for node in ast.walk(function) if (value := returned_value(node)) is not None]
        return [Row(home, value, (way, (("return", id(function)), id(value)))) for value in values]

    def tuples(self, module: Module, value: ast.expr, depth: int = 0) -> list[Row]:
        """Return the tuples that a value may be: written out, returned by a function or its own calls, of a table."""
        match value:
            case ast.Tuple():
                return [Row(module, value)]
            case ast.Call(func=ast.Subscript(value=ast.Name(id=table))):
                rows = []
                for row in self.table(module, table):
                    call = ast.Call(func=row.node, args=[], keywords=[])
                    rows += [Row(each.module, each.node, row.ways) for each in self.returned(row.module, call)]
            case ast.Call(func=ast.Attribute(value=ast.Name(id=table), attr="get"), args=[_, ast.Name(id=default)]):
                others = [
                    Row(each.module, each.node, ((("row", table), -1),)) for each in module.of_module(default, self)
                ]
                rows = self.table(module, table) + others
            case ast.Call():
                rows = self.returned(module, value) if depth < _DEEPEST else []
            case ast.Subscript(value=ast.Name(id=table), slice=key):
                rows = self.table(module, table, key)
            case _:
                return []
        listed = [(row, self.tuples(row.module, row.node, depth + 1)) for row in rows if row.node is not value]
        return [Row(each.module, each.node, (*row.ways, *each.ways)) for row, inner in listed for each in inner]

    def table(self, module: Module, name: str, key: ast.expr | None = None) -> list[Row]:
        """Return the values of a dict that a module defines, or imports: one when the key is written in the dict."""
        home = self.home_of(module, name)
        return [Row(home, each, ((("row", name), number),)) for number, each in table_entries(home.tree, name, key)]

    def passed(self, module: Module, function: Function, name: str) -> list[Row]:
        """Return what the callers of a function pass for a parameter."""
        parameters = [argument.arg for argument in arguments_of(function)]
        if name not in [*parameters, *(argument.arg for argument in function.args.kwonlyargs)]:
            return []
        called = module.parents[function].name if function.name == "__init__" else function.name  # type: ignore[attr-defined]
        if hasattr(dict, called):
            return []  # any mapping has calls of that name
        rows = []
        for caller, call in self.calls[called]:
            if caller is not module and self.home_of(caller, called) is not module:
                continue
            values = [keyword.value for keyword in call.keywords if keyword.arg == name]
            values += [value for each, value in zip(parameters, call.args, strict=False) if each == name]
            rows += [Row(caller, value, ((("call", id(function)), id(call)),)) for value in values]
        return rows

    def rows(self, kind: str) -> list[Row]:
        """Return all instances of a class whose rows say what happened and what to do."""
        rows = []
        for name in kind.split(" | "):
            names = set(self.fields(name))
            is_table = _CAUSES & names and _CURES & names and name not in _NO_ROWS
            calls = enumerate(self.calls[name] if is_table else ())
            rows += [Row(module, call, ((("row", name), number),)) for number, (module, call) in calls]
        return rows

    def fields(self, kind: str) -> list[str]:
        """Return the names that a class is made with, in order."""
        body = self._classes[kind].body if kind in self._classes else []
        for node in body:
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                return [argument.arg for argument in arguments_of(node)]
        annotated = [node.target for node in body if isinstance(node, ast.AnnAssign)]
        return [target.id for target in annotated if isinstance(target, ast.Name)]

    def field_of(self, row: Row, name: str) -> ast.expr | None:
        """Return what a row gives for a field; None when it leaves it to a default."""
        assert isinstance(row.node, ast.Call)  # noqa: S101 - rows are calls of their class
        for keyword in row.node.keywords:
            if keyword.arg == name:
                return keyword.value
        names = self.fields(called_name(row.node))
        for each, value in zip(names, row.node.args, strict=False):
            if isinstance(value, ast.Starred):
                return None
            if each == name:
                return value
        return self._default(called_name(row.node), name)

    def _default(self, kind: str, name: str) -> ast.expr | None:
        for node in self._classes[kind].body if kind in self._classes else ():
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
                return node.value
        return None
