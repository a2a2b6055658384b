"""Check SQL that a flow file carries, without parsing it: enough to know that it stays inside its brackets.

A condition or a query is put inside a statement of ours. It may be any SQL its author likes, but it has to be one
piece: quotes closed, parentheses matched, no `;`, no `--` comment that would swallow what we write after it.
Sources: PostgreSQL manual 4.1 (Lexical Structure), Hive's HiveLexerParent.g.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Dialect = Literal["postgres", "hive"]

_POSTGRES = re.compile(
    r"""
    (?P<skip> [^'"$/;()\-a-zA-Z_0-9\x80-\U0010ffff]+ | (?i:e)'(?:[^'\\]|''|\\.)*'
      | [\w\x80-\U0010ffff][\w$\x80-\U0010ffff]* | '(?:[^']|'')*' | "(?:[^"]|"")*"
      | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$ )
    | (?P<comment>--) | (?P<open_comment>/\*) | (?P<open>\() | (?P<close>\)) | (?P<semicolon>;)
    | (?P<unclosed>['"] | \$(?:[^\W\d]\w*)?\$) | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_HIVE = re.compile(
    r"""
    (?P<skip> [^'"`$/;()\-]+ | '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `(?:[^`]|``)*` )
    | (?P<comment>--) | (?P<open_comment>/\*) | (?P<open>\() | (?P<close>\)) | (?P<semicolon>;)
    | (?P<unclosed>['"`]) | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_NESTED = re.compile(r"/\*|\*/")
_FIRST_WORD = re.compile(r"(?:[\s(]|--[^\n]*(?:\n|$)|/\*.*?\*/)*(\w+)", re.DOTALL)


@dataclass(frozen=True)
class SqlFault:
    """What keeps a text from being one piece of SQL, as the end of a sentence, and what to do about it."""

    what: str
    cure: str


_TOO_MANY = SqlFault("has one `)` too many", "remove it, or write the `(` that it closes")
_SEMICOLON = SqlFault("has a `;`: it must be one statement, without its end mark", "remove the `;`")
_COMMENT = SqlFault(
    "has a `--` comment, which would swallow what follows it", "write /* … */ in its place, or a comment of YAML"
)
_QUOTE = SqlFault("has a quote that is not closed", "close it with the same quote")
_OPEN_COMMENT = SqlFault("has a `/*` that is not closed", "close it: */")
_OPEN = SqlFault("has 1 `(` that is not closed", "close it: )")


def find_fault(text: str, dialect: Dialect) -> SqlFault | None:
    """Return what keeps `text` from being one piece of SQL; None if nothing does."""
    depth = 0
    at = 0
    pattern = _POSTGRES if dialect == "postgres" else _HIVE
    while at < len(text):
        match = pattern.match(text, at)
        kind = match.lastgroup if match else "other"
        at = match.end() if match else at + 1
        match kind:
            case "open":
                depth += 1
            case "close" if depth == 0:
                return _TOO_MANY
            case "close":
                depth -= 1
            case "semicolon":
                return _SEMICOLON
            case "comment":
                return _COMMENT
            case "unclosed":
                return _QUOTE
            case "open_comment":
                end = _end_of_comment(text, at, nested=dialect == "postgres")
                if end is None:
                    return _OPEN_COMMENT
                at = end
    if depth == 0:
        return None
    return _OPEN if depth == 1 else SqlFault(f"has {depth} `(` that are not closed", "close each: )")


def first_word(text: str) -> str:
    """Return the statement's first keyword in lower case; empty if it starts with anything else."""
    match = _FIRST_WORD.match(text)
    return match[1].lower() if match else ""


def mentions(text: str, name: str) -> bool:
    """Return True if a name occurs as a word of its own, in any case."""
    return re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", text, re.IGNORECASE) is not None


def _end_of_comment(text: str, at: int, *, nested: bool) -> int | None:
    depth = 1
    for match in _NESTED.finditer(text, at):
        if match[0] == "*/":
            depth -= 1
        elif nested:
            depth += 1
        if depth == 0:
            return match.end()
    return None
