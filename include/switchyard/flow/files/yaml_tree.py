"""YAML to plain values that know the line of each key and item.

PyYAML's parser in C gives the events. Its composer is not used: it is slower, and recursive in C, so that a file of
60,000 brackets ends the process (seen with 6.0.3). ruamel.yaml, which has no C parser for Python 3.11, is 60 times
slower. Plain words follow YAML 1.2's core schema: `on`, `yes` and `1:30` are text, as an editor that reads the JSON
Schema sees them; PyYAML's own loader would turn them into True, True and 90.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import yaml

from switchyard.errors import Problem

MAX_KIB = 256
MAX_BYTES = MAX_KIB * 1024
MAX_DEPTH = 20
MAX_NODES = 20_000

_INT = re.compile(r"[-+]?[0-9]{1,30}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
Scalar = str | int | float | bool | None
Node: TypeAlias = "Map | Seq | Scalar"
"""A value of the tree."""
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Mark(NamedTuple):
    """Where something is written; `line` counts from 1."""

    path: Path
    line: int


class Map(dict[str, "Node"]):
    """A mapping; `marks` has the place of each key."""

    __slots__ = ("mark", "marks")

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.marks: dict[str, Mark] = {}


class Seq(list["Node"]):
    """A list; `marks` has the place of each item."""

    __slots__ = ("mark", "marks")

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.marks: list[Mark] = []


class Unreadable(Exception):
    """The text has no usable tree, for the reasons in `problems`. Never leaves the loader."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__(*problems)


def read_tree(path: Path, text: str) -> tuple[Map, list[Problem]]:
    """Parse one YAML document that is a mapping; problems that leave a tree are returned beside it.

    Raises Unreadable if no tree can be built.
    """
    builder = _Builder(path)
    parser = yaml.CSafeLoader(text)
    try:
        while parser.check_event():
            builder.take(parser.get_event())
    except yaml.YAMLError as error:
        raise Unreadable(_syntax_problem(path, text, error)) from error
    finally:
        parser.dispose()
    if not isinstance(builder.root, Map):
        what = "the file is empty" if builder.root is None else "the file is not a mapping of keys to values"
        raise Unreadable(Problem(path, 1, what, "write at least `source:` and `lake:`; README.md has a whole file"))
    return builder.root, builder.problems


def mark_at(tree: Map, path: tuple[str | int, ...]) -> Mark:
    """Return the place of a path, or of the longest part of it that the tree has."""
    mark: Mark = tree.mark
    node: Node = tree
    for part in path:
        if isinstance(node, Map) and part in node.marks:
            mark = node.marks[str(part)]
            node = node[str(part)]
        elif isinstance(node, Seq) and isinstance(part, int) and part < len(node):
            mark = node.marks[part]
            node = node[part]
        else:
            break
    return mark


class _Builder:
    """Takes parser events, one at a time, and builds the tree without recursion."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root: Node = None
        self.problems: list[Problem] = []
        self._open: list[Map | Seq] = []
        self._keys: list[tuple[str, Mark] | None] = []
        self._starts: list[tuple[str | None, int]] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._documents = self._nodes = 0

    def take(self, event: Any) -> None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._take_scalar(event)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._take_start(event, Map if kind is yaml.MappingStartEvent else Seq)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._take_end()
        elif kind is yaml.AliasEvent:
            self._take_alias(event)
        elif kind is yaml.DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                raise self._stop(event, "a second YAML document starts here", "remove `---`: one file holds one flow")

    def _take_scalar(self, event: Any) -> None:
        if event.tag is not None:
            self._refuse_tag(event)
        if self._awaits_key():
            self._take_key(event)
            return
        value = event.value if event.style else _resolve(event.value)
        if isinstance(value, str) and "\0" in value:
            self._report(event, "the text holds a NUL character, which no server stores", "remove it")
        self._add(event, value, 1)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)

    def _take_key(self, event: Any) -> None:
        key = event.value
        mark = self._mark(event)
        marks = self._open[-1].marks
        if isinstance(marks, dict) and key in marks:
            before = marks[key]
            self._report(event, f"`{key[:60]}` occurs twice, first in line {before.line}", "keep one of them")
        self._keys[-1] = (key, mark)

    def _take_start(self, event: Any, container: type[Map] | type[Seq]) -> None:
        if event.tag is not None:
            self._refuse_tag(event)
        if self._awaits_key():
            raise self._stop(
                event,
                "a list or mapping cannot be a key",
                "put text that starts with [, { or ? into quotes",
            )
        if len(self._open) >= MAX_DEPTH:
            what = f"the YAML has more than {MAX_DEPTH} levels"
            raise self._stop(event, what, "remove levels: a flow file needs five at most")
        value = container(self._mark(event))
        self._add(event, value, 1)
        self._open.append(value)
        self._keys.append(None)
        self._starts.append((event.anchor, self._nodes))

    def _take_end(self) -> None:
        value = self._open.pop()
        self._keys.pop()
        anchor, before = self._starts.pop()
        if anchor:  # known only now, so that nothing can hold itself
            self._anchors[anchor] = (value, self._nodes - before + 1)

    def _take_alias(self, event: Any) -> None:
        if self._awaits_key() or event.anchor not in self._anchors:
            raise self._stop(
                event,
                f"`*{event.anchor}` refers to an anchor that the file does not have",
                "put text that starts with * into quotes",
            )
        value, size = self._anchors[event.anchor]
        self._add(event, value, size)

    def _add(self, event: Any, value: Node, size: int) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            what = f"the file holds more than {MAX_NODES:,} values, with what its YAML aliases repeat"
            raise self._stop(event, what, "shorten it, or remove aliases (words that start with *)")
        if not self._open:
            self.root = value
            return
        container = self._open[-1]
        if isinstance(container, Map):
            key, mark = self._keys[-1] or ("", container.mark)
            self._keys[-1] = None
            container[key] = value
            container.marks[key] = mark
        else:
            container.append(value)
            container.marks.append(self._mark(event))

    def _awaits_key(self) -> bool:
        return bool(self._open) and self._keys[-1] is None and isinstance(self._open[-1], Map)

    def _refuse_tag(self, event: Any) -> None:
        self._report(
            event,
            f"`{event.tag[:60]}` is a YAML tag, which flow files cannot have",
            "remove it; text that starts with ! needs quotes",
        )

    def _mark(self, event: Any) -> Mark:
        return Mark(self.path, event.start_mark.line + 1)

    def _report(self, event: Any, what: str, cure: str) -> None:
        self.problems.append(Problem(self.path, event.start_mark.line + 1, what, cure))

    def _stop(self, event: Any, what: str, cure: str) -> Unreadable:
        self._report(event, what, cure)
        return Unreadable(*self.problems)


def _resolve(value: str) -> Scalar:
    """The value of a plain word, by YAML 1.2's core schema (10.3.2) without octal and hexadecimal."""
    if value in _WORDS:
        return _WORDS[value]
    if value[0] in "-+.0123456789":
        if _INT.fullmatch(value):
            return int(value)
        if _FLOAT.fullmatch(value):
            return float(value)
    return value


def _syntax_problem(path: Path, text: str, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:  # a reader error has no line, only the offset of a byte
        offset = getattr(error, "position", 0) or 0
        line = text.encode()[:offset].count(b"\n") + 1
        return Problem(path, line, "a control character is not allowed in YAML", "remove it")
    lines = text.splitlines() or [""]
    at = min(mark.line, len(lines) - 1)
    written = lines[at]
    parsers_message = getattr(error, "problem", None) or getattr(error, "context", None) or "no reason given"
    return Problem(path, at + 1, f"not YAML: {parsers_message}", _syntax_cure(written, mark.column))


def _syntax_cure(written: str, column: int) -> str:
    at = written[column : column + 1]
    if "\t" in written[: len(written) - len(written.lstrip())] or at == "\t":
        return "indent with spaces; YAML takes no tabs"
    if at in ("@", "`", "%") or re.search(r"[:\[,-]\s+[*&]", written):
        value = written.partition(":")[2].strip() or "text"
        return f'quote text that starts with one of @ ` % * &: "{value}"'
    return "look at the quotes, colons and indentation of this line and the one before"
