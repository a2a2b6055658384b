"""The items of a list of findings, as the source puts it together: written out, appended, yielded, returned."""

from __future__ import annotations

import ast

from switchyard.cli.message_names import Module, Package, Row
from switchyard.cli.message_syntax import Function, arguments_of, names_in

_DEEPEST = 6


def elements_of(package: Package, module: Module, values: ast.expr, depth: int = 0) -> list[Row]:
    """Return the items of a list that is put together: written out, appended, yielded, returned."""
    rows: list[Row] = []
    match values:
        case _ if depth > _DEEPEST:
            return []
        case ast.List(elts=items) | ast.Tuple(elts=items):
            for item in items:
                inner = item.value if isinstance(item, ast.Starred) else None
                rows += elements_of(package, module, inner, depth + 1) if inner else [Row(module, item)]
        case ast.ListComp(elt=item) | ast.GeneratorExp(elt=item):
            source = values.generators[0].iter
            is_same = isinstance(item, ast.Name) and item.id == ast.unparse(values.generators[0].target)
            rows = elements_of(package, module, source, depth + 1) if is_same else [Row(module, item)]
        case ast.IfExp(body=body, orelse=orelse) | ast.BinOp(left=body, op=ast.Add(), right=orelse):
            rows = [row for each in (body, orelse) for row in elements_of(package, module, each, depth + 1)]
        case ast.Call(func=ast.Name(id="list" | "sorted" | "tuple") | ast.Attribute(attr="fromkeys"), args=[inner]):
            return elements_of(package, module, inner, depth + 1)
        case ast.Call():
            called = package.function_of(module, values)
            rows = _given(package, called[0], called[1], depth) if called else []
        case ast.Attribute(value=ast.Name() as owner, attr=attribute):
            rows = items_of(package, module.class_of(owner, package), attribute, depth)
        case ast.Name():
            rows = _collected(package, module, values, depth)
    return [Row(row.module, row.node, (*row.ways, (("item", id(values)), number))) for number, row in enumerate(rows)]


def _given(package: Package, module: Module, function: Function, depth: int) -> list[Row]:
    """What a function yields or returns, item by item."""
    rows: list[Row] = []
    for node in ast.walk(function):
        match node:
            case ast.Yield(value=ast.expr() as item):
                rows.append(Row(module, item))
            case ast.YieldFrom(value=listed) | ast.Return(value=ast.expr() as listed):
                rows += elements_of(package, module, listed, depth + 1)
    return rows


def _collected(package: Package, module: Module, name: ast.Name, depth: int) -> list[Row]:
    """What a function puts into a list: by assigning, appending, adding; else what its callers pass."""
    function = module.function_around(name)
    rows: list[Row] = []
    for node in ast.walk(function) if function else ():
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name.id:
                rows += elements_of(package, module, value, depth + 1)
            case ast.AugAssign(target=ast.Name(id=target), value=value) if target == name.id:
                rows += elements_of(package, module, value, depth + 1)
            case ast.Call(func=ast.Attribute(value=owner, attr="append"), args=[item]):
                rows += [Row(module, item)] if name.id in {part.id for part in names_in(owner)} else []
            case ast.Call() if name.id in {part.id for part in map(_as_name, node.args) if part}:
                rows += _appended_by(package, module, node, name.id)
    if rows or function is None:
        return rows
    passed = package.passed(module, function, name.id)
    return [row for each in passed for row in elements_of(package, each.module, each.node, depth + 1)]


def _appended_by(package: Package, module: Module, call: ast.Call, name: str) -> list[Row]:
    """What a function appends to a list that it is given."""
    called = package.function_of(module, call)
    if called is None or called[0] is not module or called[1] is module.function_around(call):
        return []
    parameters = [argument.arg for argument in arguments_of(called[1])]
    at = next(number for number, each in enumerate(call.args) if isinstance(each, ast.Name) and each.id == name)
    return [
        Row(module, node.args[0])
        for node in ast.walk(called[1])
        if isinstance(node, ast.Call) and at < len(parameters) and ast.unparse(node.func) == f"{parameters[at]}.append"
    ]


def items_of(package: Package, kind: str, attribute: str, depth: int) -> list[Row]:
    """Return the items of a list that a class's instances are made with."""
    rows: list[Row] = []
    for module, call in package.calls[kind]:
        value = package.field_of(Row(module, call), attribute)
        spread = [each.value for each in call.args if isinstance(each, ast.Starred)]
        for each in [value] if value is not None else spread:
            inner = each.elt if isinstance(each, ast.GeneratorExp) else each
            rows += elements_of(package, module, inner, depth + 1)
    return rows


def tables_of(package: Package, module: Module, node: ast.AST, name: str) -> list[Row]:
    """Return the values of the dicts that the instances of the class around a node are made with, as this field."""
    calls = package.calls[module.class_around(node)]
    fields = [(home, package.field_of(Row(home, call), name)) for home, call in calls]
    return [row for home, value in fields if isinstance(value, ast.Name) for row in package.table(home, value.id)]


def _as_name(node: ast.expr) -> ast.Name | None:
    return node if isinstance(node, ast.Name) else None
