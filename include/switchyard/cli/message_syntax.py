"""Small questions to Python's syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

Function = ast.FunctionDef | ast.AsyncFunctionDef


def statements_before(node: ast.AST, parent: ast.AST) -> list[ast.stmt]:
    """The statements of the same block that come before a node."""
    for _, block in ast.iter_fields(parent):
        if isinstance(block, list) and node in block:
            return [statement for statement in block[: block.index(node)] if isinstance(statement, ast.stmt)]
    return []


def arguments_of(function: Function) -> Sequence[ast.arg]:
    """The parameters of a function, but for `self`."""
    listed = [*function.args.posonlyargs, *function.args.args]
    return listed[1:] if listed and listed[0].arg in ("self", "cls") else listed


def called_name(call: ast.Call) -> str:
    """The last name of what is called."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def binds(node: ast.AST, name: str) -> bool:
    """True of a loop or comprehension over items of that name."""
    if isinstance(node, ast.For):
        return name in {each.id for each in names_in(node.target)}
    return any(name in {part.id for part in names_in(each.target)} for each in getattr(node, "generators", ()))


def bound_items(parents: Mapping[ast.AST, ast.AST], name: ast.Name) -> ast.expr | None:
    """The list that a comprehension goes through, of which a name is an item; None for any other name."""
    node: ast.AST = name
    while (parent := parents.get(node)) is not None and not isinstance(parent, Function | ast.stmt):
        for each in getattr(parent, "generators", ()):
            if isinstance(each.target, ast.Name) and each.target.id == name.id and each is not node:
                iterated: ast.expr = each.iter
                return iterated
        node = parent
    return None


def table_entries(tree: ast.Module, name: str, key: ast.expr | None) -> list[tuple[int, ast.expr]]:
    """The numbers and values of a dict that a module defines: of the one key that is named as there, else of all."""
    for statement in tree.body:
        value = getattr(statement, "value", None)
        target = getattr(statement, "target", None) or next(iter(getattr(statement, "targets", ())), None)
        if isinstance(value, ast.Dict) and isinstance(target, ast.Name) and target.id == name:
            wanted = ast.unparse(key) if key is not None else None
            written = [ast.unparse(each) if each else "" for each in value.keys]
            entries = [
                (number, _shared_value(each))
                for number, each in enumerate(value.values)
                if value.keys[number] is not None or isinstance(each, ast.Call)  # not another dict, spread
            ]
            return [(at, entry) for at, entry in entries if written[at] == wanted] if wanted in written else entries
    return []


def _shared_value(value: ast.expr) -> ast.expr:
    """The value of several keys, `dict.fromkeys(keys, value)`; any other value itself."""
    match value:
        case ast.Call(func=ast.Attribute(attr="fromkeys"), args=[_, shared]):
            return shared
    return value


def names_in(node: ast.expr) -> list[ast.Name]:
    """All names of an expression."""
    return [each for each in ast.walk(node) if isinstance(each, ast.Name)]


def without_none(annotation: str) -> str:
    """An annotation without its `| None`."""
    return annotation.removesuffix(" | None")


def returned_value(node: ast.AST) -> ast.expr | None:
    """What a `return` gives; None for one that gives nothing, and for any other node."""
    value = node.value if isinstance(node, ast.Return) else None
    return None if isinstance(value, ast.Constant) and value.value is None else value


def item_class(function: Function | None, iterated: ast.expr) -> str:
    """The class of the items that are gone through, by the annotation of the parameter that holds them."""
    names = {each.id for each in names_in(iterated)}
    for argument in arguments_of(function) if function else ():
        annotation = argument.annotation
        if argument.arg in names and isinstance(annotation, ast.Subscript):
            return ast.unparse(annotation.slice)
    return ""
