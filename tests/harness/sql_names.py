"""Names in SQL that PostgreSQL would look up in search_path, found in statements, and in the package's texts of SQL."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

GRAMMAR = frozenset(
    {
        *("coalesce", "greatest", "least", "cast", "extract", "exists", "array", "row", "values"),
        *("select", "from", "where", "and", "or", "not", "in", "any", "all", "on", "using", "as", "by", "with", "when"),
        *("then", "else", "case", "filter", "over", "lateral", "join", "union", "operator", "is", "copy", "default"),
        *("numeric", "decimal", "bit", "varying", "character", "varchar", "timestamp", "time", "interval", "x"),
    }
)
"""Words before a bracket that PostgreSQL's grammar knows: no schema can shadow them. `nullif`, `substring`, `position`,
`trim` and `overlay` are not here: nullif looks up an operator, and the others may be written as plain calls too.
`x` stands for what an f-string puts in. Source: gram.y of PostgreSQL 17, `SystemFuncName` and `SystemTypeName`."""

GRAMMAR_TYPES = frozenset(
    {
        *("bigint", "bit", "boolean", "char", "character", "dec", "decimal", "double", "float", "int", "integer"),
        *("interval", "nchar", "numeric", "real", "smallint", "time", "timestamp", "varchar"),
    }
)

_TOKEN = re.compile(
    r"""
    (?P<skip> --[^\n]* | /\*.*?\*/ | \s+ | %\(\w+\)s | %s | \d[\w.]*
      | [eE]'(?:[^'\\]|''|\\.)*' | '(?:[^']|'')*' | "(?:[^"]|"")*" )
    | (?P<operator_clause> \boperator\s*\(\s*pg_catalog\.[^)]+\) )
    | (?P<name> [A-Za-z_][\w$]*(?:\s*\.\s*[A-Za-z_*][\w$]*)* )
    | (?P<cast> ::\s*(?P<type>[A-Za-z_][\w.]*) )
    | (?P<operator> [-+*/<>=~!@\#%^&|?]+ )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_RELATION = re.compile(r"(?:\b(?:from|join)|,)\s+(pg_\w+)(?![\w.(])", re.IGNORECASE)
_HIDDEN_OPERATORS = frozenset({"in", "any", "all", "between", "like", "ilike", "similar", "distinct", "nullif"})


class Token(NamedTuple):
    """`kind` is a group of `_TOKEN`."""

    kind: str
    text: str
    at: int


def unqualified_names(sql: str) -> list[str]:
    """Functions and relations of the catalog that a statement, or a part of one, names without their schema."""
    tokens = _tokens(sql)
    is_statement = any(token.text.lower() == "select" for token in tokens)
    functions = [
        token.text
        for number, token in enumerate(tokens[:-1])
        if token.kind == "name"
        and tokens[number + 1].text == "("
        and (is_statement or tokens[number + 1].at == token.at + len(token.text))  # prose has a blank there
        and "." not in token.text
        and token.text.lower() not in GRAMMAR
        and not _names_columns(tokens, number)
    ]
    bare = "".join(token.text if token.kind != "skip" or token.text.isspace() else "''" for token in _all_tokens(sql))
    return functions + _RELATION.findall(bare)


def looked_up_names(sql: str) -> list[str]:
    """The same, and types and operators too: nothing of it may be left to search_path."""
    tokens = _tokens(sql)
    operators = [t.text for t in tokens if t.kind == "operator" and t.text != "*" and not t.text.startswith("%")]
    hidden = [t.text for t in tokens if t.kind == "name" and t.text.lower() in _HIDDEN_OPERATORS]
    types = [
        match["type"]
        for match in _TOKEN.finditer(sql)
        if match["type"] and "." not in match["type"] and match["type"].lower() not in GRAMMAR_TYPES
    ]
    return unqualified_names(sql) + operators + hidden + types


def _all_tokens(sql: str) -> list[Token]:
    return [Token(match.lastgroup or "", match[0], match.start()) for match in _TOKEN.finditer(sql)]


def _tokens(sql: str) -> list[Token]:
    return [token for token in _all_tokens(sql) if token.kind != "skip"]


def _names_columns(tokens: list[Token], number: int) -> bool:
    """`as u(v)` and `with [recursive] u as (` give columns names; they call nothing."""
    before = tokens[number - 1].text.lower() if number else ""
    return before == "as"


class Text(NamedTuple):
    """A text in a module; `place` is the function, class or constant around it, `keyword` the argument it is."""

    file: str
    line: int
    place: str
    keyword: str
    text: str


def texts(package: Path) -> Iterator[Text]:
    """Every string of a package but docstrings; what an f-string puts in is `x`."""
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for statement in tree.body:
            yield from _texts(statement, path.relative_to(package).as_posix(), _name_of(statement), "")


def _texts(node: ast.AST, file: str, place: str, keyword: str) -> Iterator[Text]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "x" for part in node.values)
        yield Text(file, node.lineno, place, keyword, "".join(map(str, parts)))
        inner: list[ast.AST] = [part for part in node.values if isinstance(part, ast.FormattedValue)]
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield Text(file, node.lineno, place, keyword, node.value)
        return
    else:
        inner = list(ast.iter_child_nodes(node))
    for child in inner:
        named = child.arg or "" if isinstance(child, ast.keyword) else keyword
        yield from _texts(child, file, place, named)


def _name_of(statement: ast.stmt) -> str:
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return ""
