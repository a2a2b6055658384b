"""The text of a message as its source writes it, with names in <brackets> where a value comes in at run time."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

_UNKNOWN = "…"
_DEEPEST = 6
_MANY = 4
_PLAIN = {"name", "value", "text", "id"}
"""Attributes that say nothing without their owner."""

_SAME = {"upper", "lower", "strip", "encode", "isoformat", "splitlines", "removesuffix", "removeprefix"}
"""Methods whose value is named like what they are called on."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def index_functions(modules: Iterable[ast.Module]) -> dict[str, _Function]:
    """The functions of all modules by name: a message may be written by one that is imported."""
    return {node.name: node for module in modules for node in module.body if isinstance(node, _Function)}


class Source:
    """One module, in which names are looked up; functions of other modules as `index_functions` gives them."""

    def __init__(self, module: ast.Module, functions: Mapping[str, _Function]) -> None:
        self.module = module
        own = index_functions([module])
        self._functions = {**functions, **own}
        self._parents = {child: node for node in ast.walk(module) for child in ast.iter_child_nodes(node)}

    def write_text(self, node: ast.expr, depth: int = 0) -> str:
        """What an expression of text says; `a / b` where it is one of several."""
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.JoinedStr(values=values):
                return "".join(self.write_text(value, depth) for value in values)
            case ast.FormattedValue(value=value):
                return self.write_text(value, depth)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self.write_text(left, depth) + self.write_text(right, depth)
            case ast.IfExp(body=body, orelse=orelse):
                return _one_of(self.write_text(choice, depth) for choice in (body, orelse))
            case ast.Name() if depth < _DEEPEST:
                values = self._values_of(node)
                if values and all(self._is_text(value) for value in values):
                    return _one_of(self.write_text(value, depth + 1) for value in values)
            case ast.Call(func=ast.Name(id=name)) if depth < _DEEPEST:
                values = self._returned(name)
                if values and all(self._is_text(value) for value in values):
                    return _one_of(self.write_text(value, depth + 1) for value in values)
        return _placeholder(node)

    def _is_text(self, node: ast.expr, depth: int = 0) -> bool:
        """True of what writes words of its own, so that it says more than its name."""
        match node:
            case ast.Constant(value=str()) | ast.JoinedStr() | ast.Name():
                return True
            case ast.IfExp(body=body, orelse=orelse):
                return self._is_text(body, depth) and self._is_text(orelse, depth)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._is_text(left, depth) and self._is_text(right, depth)
            case ast.Call(func=ast.Name(id=name)) if depth < _DEEPEST:
                values = self._returned(name)
                return bool(values) and all(self._is_text(value, depth + 1) for value in values)
        return False

    def _values_of(self, name: ast.Name) -> list[ast.expr]:
        """What was assigned to a name before, by the statements that lead there; else what callers pass."""
        values: list[ast.expr] = []
        node: ast.AST = name
        while (parent := self._parents.get(node)) is not None:
            for statement in reversed(_before(node, parent)):
                values += [value for value in _assigned(statement, name.id) if value not in values]
                if isinstance(statement, ast.Assign) and values:
                    return values
            if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef):
                return values or self._passed(parent, name.id) or self._of_module(name.id)
            node = parent
        return values

    def _of_module(self, name: str) -> list[ast.expr]:
        return [value for statement in self.module.body for value in _assigned(statement, name)][-1:]

    def _returned(self, function: str) -> list[ast.expr]:
        """What a function returns."""
        body = ast.walk(self._functions[function]) if function in self._functions else ()
        return [node.value for node in body if isinstance(node, ast.Return) and node.value]

    def _passed(self, function: _Function, name: str) -> list[ast.expr]:
        """The arguments of that name in the module's own calls of the function."""
        names = [argument.arg for argument in [*function.args.posonlyargs, *function.args.args]]
        names = names[1:] if names[:1] in (["self"], ["cls"]) else names
        passed = []
        for call in ast.walk(self.module):
            if isinstance(call, ast.Call) and _called(call) == function.name:
                passed += [keyword.value for keyword in call.keywords if keyword.arg == name]
                passed += [value for each, value in zip(names, call.args, strict=False) if each == name]
        return passed


def _before(node: ast.AST, parent: ast.AST) -> list[ast.stmt]:
    """The statements of the same block that come before a node."""
    for _, block in ast.iter_fields(parent):
        if isinstance(block, list) and node in block:
            return [statement for statement in block[: block.index(node)] if isinstance(statement, ast.stmt)]
    return []


def _assigned(statement: ast.stmt, name: str) -> Iterator[ast.expr]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name) and target.id == name:
                yield node.value
            elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts, strict=False)
                yield from (value for part, value in pairs if isinstance(part, ast.Name) and part.id == name)


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _one_of(texts: Iterator[str]) -> str:
    choices = list(dict.fromkeys(text for text in texts if text))
    more = [_UNKNOWN] if len(choices) > _MANY else []
    return " / ".join(choices[:_MANY] + more)


def _placeholder(node: ast.expr) -> str:
    words = _words(node)
    return f"<{words}>" if words else _UNKNOWN


def _words(node: ast.expr) -> str:
    """A name for a value: the last word of the expression that yields it."""
    match node:
        case ast.Name(id=name):
            return name.strip("_").replace("_", " ").lower()
        case ast.Attribute(value=owner, attr=name):
            word = name.strip("_").replace("_", " ").lower()
            return f"{_words(owner)} {word}".strip() if name in _PLAIN else word
        case ast.Call(func=ast.Name(id="len"), args=[values]):
            return f"number of {_words(values)}"
        case ast.Call(func=ast.Attribute(attr="join"), args=[values]):
            return f"{_words(values)}, …"
        case ast.Call(func=ast.Attribute(value=owner, attr=method)) if method in _SAME:
            return _words(owner)
        case ast.Call(args=[value]) | ast.Call(func=ast.Name(id="getattr"), args=[value, *_]):
            return _words(value)
        case ast.Call(func=function, args=[]):
            return _words(function)
        case ast.Subscript(value=value) | ast.Starred(value=value) | ast.FormattedValue(value=value):
            return _words(value)
        case ast.GeneratorExp(elt=element) | ast.ListComp(elt=element):
            return _words(element)
        case ast.JoinedStr(values=values):
            return next((words for value in values if (words := _words(value))), "")
    return ""
