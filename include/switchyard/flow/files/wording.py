"""How a wrong value of a flow file is shown, and what to write instead. Pure."""

from __future__ import annotations

from dataclasses import replace

from switchyard.errors import Problem
from switchyard.flow.files.yaml_tree import Map, Seq

Path = tuple[str | int, ...]

SCALARS = {"int_type": "a whole number", "float_type": "a number", "bool_type": "true or false"}
"""Pydantic's type of an error → what it wanted."""
WANTED = {
    **SCALARS,
    "string_type": "a text",
    "list_type": "a list",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "dict_type": "a mapping of keys to values",
}
CURE_MAPPING = "write `key: value` in lines of their own below it, indented"


def cure_missing(what_it_means: str) -> str:
    """What to do about a key that is missing, by its description, which may be empty."""
    if what_it_means:
        return f"add this key; it means: {what_it_means}"
    return "add this key; docs/flows.md describes it"


def cure_value(what_it_means: str) -> str:
    """What to do about a value out of bounds, by the key's description, which may be empty."""
    if what_it_means:
        return f"write another value; the key means: {what_it_means}"
    return "write another value; docs/flows.md has examples"


def cure_text(value: object, wanted: str) -> str:
    """What to write in place of a value that is not text."""
    if isinstance(value, int | float):
        return f'put it into quotes: "{shown(value)}"'
    return f"write {wanted}"


def cure_list(value: object) -> str:
    """What to write in place of a value that is not a list."""
    if isinstance(value, str):
        return f"write a list: [{cut(value)}]"
    return "write a list: [one, two]"


def cure_scalar(value: object, wanted: str) -> str:
    """What to write in place of a value that is not a number, or not true or false."""
    if isinstance(value, str):
        return "write it without quotes"
    return f"write {wanted}"


def any_of(kinds: list[str]) -> str:
    """`a whole number, a number or a text`."""
    *others, last = dict.fromkeys(kinds)
    return ", ".join(others) + (" or " if others else "") + last


def dotted(path: Path) -> str:
    """`checks[0].unique`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{cut(part)}" for part in path)
    return text.removeprefix(".")


def shown(value: object) -> str:
    """A value as the file has it, cut to a short text."""
    match value:
        case Map():
            return "a mapping"
        case Seq():
            return "a list"
        case None:
            return "empty"
        case bool():
            return str(value).lower()
    return cut(repr(value))


def cut(text: str) -> str:
    """The beginning of a long text."""
    return text if len(text) <= 60 else f"{text[:57]}…"


def shortened(problem: Problem) -> Problem:
    """The same problem in sentences of bounded length."""
    return replace(problem, what=_shorten(problem.what), cure=_shorten(problem.cure))


def _shorten(sentence: str) -> str:
    """Cut a long sentence down to its beginning and its end."""
    return sentence if len(sentence) <= 380 else f"{sentence[:150]} … {sentence[-220:]}"
