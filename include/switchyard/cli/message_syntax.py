"""Small questions to Python's syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Sequence

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
