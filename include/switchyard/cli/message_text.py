"""The texts of a message as its source writes them, with names in <brackets> where a value comes in at run time.

One message may have several texts: of a branch, of a caller, of a row of a table. Each `Variant` says under which
choices it holds, so that the parts of one error (what, where, cure) are put together as they are at run time.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from switchyard.cli.message_items import elements_of, tables_of
from switchyard.cli.message_names import Module, Package, Row
from switchyard.cli.message_syntax import bound_items

_UNKNOWN = "…"
VALUE = re.compile(r"<[^<>]*>|…")
_DEEPEST = 8
_SAME = {"upper", "lower", "strip", "rstrip", "encode", "isoformat", "splitlines", "removesuffix", "removeprefix"}
"""Methods whose value is named like what they are called on."""
_PLAIN = {"name", "value", "text", "id"}
"""Attributes that say nothing without their owner."""
_SPOKEN = {
    "address": "host:port",
    "bent, …": "column: what it was and what it is, …",
    "between": "hive-mongodb / postgres-hive",
    "c": "column",
    "ca": "ca_cert / tlsCAFile / ssl_ca_certs",
    "changes, …": "what changed, e.g. source.where was A and is B, …",
    "chosen, …": "validator, collation, …",
    "client": "tlsCertificateKeyFile / ssl_certfile",
    "column name": "column",
    "conn id": "connection",
    "conn type": "connection type",
    "counts by kind": "1 inserted + 2 updated + …",
    "cure": "what to do for its type, e.g. carry its text",
    "dag id": "DAG id",
    "dbname": "database",
    "default": "expression",
    "differences, …": "what differs, e.g. TimeZone Asia/Tokyo, and the plan saw UTC, …",
    "doing": "read / write / delete PATH",
    "each name": "table or view",
    "error": "error message",
    "failures": "id, …",
    "fault": "what Hive says of it",
    "faults": "e.g. PATH is not in HDFS",
    "faults, …": "e.g. PATH is not in HDFS, …",
    "future": "number",
    "held": "rolled back from seq A to seq B, by whom and why",
    "hidden": "number",
    "in mongodb": "number",
    "key faults": "their keys are NULL / they are not in the quarantine any more",
    "lack": "does not have the load's data / cannot be asked",
    "leg": "ingest|serve",
    "lengths": "number",
    "listed": "column, …",
    "mismatch": "what is not in the catalog",
    "more": "number",
    "moved parts, …": "e.g. rows 10, and 11 after it, …",
    "newest rev": "the ledger's revision",
    "now name": "column",
    "nulls": "number",
    "omission": "the flow file calls it otherwise / leaves it out",
    "on": "use_ssl / tls / ssl",
    "orig": "the server's message",
    "other use": "another flow serves it",
    "others": "id, …",
    "p": "pattern",
    "parsers message": "the parser's message",
    "part counts": "e.g. 90 inserted + 10 unchanged",
    "prepared": "number",
    "purpose": "e.g. the text of dates",
    "reasons": "the flow file calls it otherwise / leaves it out",
    "replays": "load id",
    "request name": "job name",
    "returncode": "exit code",
    "row": "time zone",
    "rule": "what it should be",
    "server words": "the server's message",
    "shown": "type",
    "shown, …": "column, …",
    "sql": "create function …; create trigger …",
    "strerror": "the system's message",
    "ties": "number",
    "to": "load id or seq",
    "type text": "type",
    "types text": "type",
    "unfit means": "a value that Hive's type cannot hold, e.g. NaN",
    "unfit, …": "is a view / is capped / has a TTL",
    "unknown load": "its record names a load that this ledger does not know",
    "unread, …": "column, …",
    "unusable": "number",
    "upserts": "number",
    "what": "what is wrong",
    "where": "the record",
    "words": "the server's message",
}
"""Names that say more to the reader than the source's own: what a value may be, or the word that docs have for it."""

Choice = tuple[str, int | str]
"""Where a way divides: a statement, a function that is called, a class that a table has rows of."""


@dataclass(frozen=True)
class Variant:
    """A text, and what has to be chosen for it: choice → the way that was taken."""

    text: str
    ways: Mapping[Choice, int | str] = field(default_factory=dict)


def combine(parts: Iterable[Sequence[Variant]]) -> list[tuple[tuple[str, ...], Mapping[Choice, int | str]]]:
    """All combinations of parts that can stand together: no choice goes two ways."""
    together: list[tuple[tuple[str, ...], Mapping[Choice, int | str]]] = [((), {})]
    for variants in parts:
        together = [
            ((*texts, variant.text), {**ways, **variant.ways})
            for texts, ways in together
            for variant in variants
            if all(ways.get(choice, way) == way for choice, way in variant.ways.items())
        ]
    return together


class Writer:
    """Writes the texts of one module's expressions, with the help of all modules.

    `chosen` are the ways that led here: inside a function that is called, a parameter is what this call passes.
    """

    def __init__(self, package: Package, module: Module, chosen: Mapping[Choice, int | str] | None = None) -> None:
        self._package, self._module, self._chosen = package, module, chosen or {}

    def write(self, node: ast.expr, depth: int = 0, *, inside: bool = False) -> list[Variant]:
        """Write all texts of an expression; `inside` a longer text, its small alternatives are written `a / b`."""
        match node:
            case ast.Constant(value=str(text)):
                return [Variant(_fill_template(text))]
            case ast.JoinedStr(values=values):
                return self._join(values, depth)
            case ast.FormattedValue(value=value):
                return self.write(value, depth, inside=inside)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._join([left, right], depth)
            case ast.Call(func=ast.Attribute(value=ast.JoinedStr() as text, attr="strip"), args=[]):
                return self.write(text, depth, inside=inside)
            case ast.Call(func=ast.Attribute(value=template, attr="format"), args=filling):
                written = self.write(template, depth, inside=inside)
                shown = _placeholder(filling[0]) if filling else ""
                return [Variant(variant.text.replace("{}", shown), variant.ways) for variant in written]
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._divide(test, body, orelse, depth, inside=inside)
            case ast.BoolOp(op=ast.Or(), values=[first, second]) if inside and _words(first):
                return self._choose(first, second, depth)
        if depth < _DEEPEST and (variants := self._look_up(node, depth, inside=inside)):
            return variants
        return [Variant(_placeholder(node))]

    def _join(self, parts: Sequence[ast.expr], depth: int) -> list[Variant]:
        written = [self.write(part, depth, inside=True) for part in parts]
        return [Variant("".join(texts), ways) for texts, ways in combine(written)]

    def _divide(self, test: ast.expr, body: ast.expr, orelse: ast.expr, depth: int, *, inside: bool) -> list[Variant]:
        if inside:
            texts = [variant.text for branch in (body, orelse) for variant in self.write(branch, depth, inside=True)]
            return [Variant(" / ".join(dict.fromkeys(text for text in texts if text)))]
        choice: Choice = ("if", ast.unparse(test))
        return [
            Variant(variant.text, {**variant.ways, choice: way})
            for way, branch in enumerate((body, orelse))
            for variant in self.write(branch, depth)
        ]

    def _choose(self, first: ast.expr, second: ast.expr, depth: int) -> list[Variant]:
        """Write `first or second`: both; only the second when it goes on with the sentence that stands before it."""
        rest = self.write(second, depth, inside=True)
        goes_on = all(variant.text.startswith(("; ", ", ", ": ")) for variant in rest)
        return rest if goes_on else self._divide(first, first, second, depth, inside=True)

    def _look_up(self, node: ast.expr, depth: int, *, inside: bool) -> list[Variant]:
        """Write what a name, a call, a row's attribute or a joined list stands for; nothing when that has no words."""
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr="where" | "_where"):
                return self._write_each(self._module.kept_values(node), depth)
            case ast.Name(id="where"):
                return self._write_each(self._module.values_of(node, self._package), depth)
            case ast.Name() if (listed := bound_items(self._module.parents, node)) is not None:
                return self._write_all(elements_of(self._package, self._module, listed), depth, inside=inside)
            case ast.Name(id=name):
                values = self._module.values_of(node, self._package)
                number = values[0].node if name.isupper() and values else None
                if isinstance(number, ast.Constant) and isinstance(number.value, int):
                    return [Variant(f"{number.value:,}")]
                return self._write_all(values, depth, inside=inside)
            case ast.Subscript(value=ast.Name(id=table), slice=key):
                return self._write_all(self._package.table(self._module, table, key), depth, inside=inside)
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if self._package.imported(self._module, owner):
                home = self._package.imported(self._module, owner) or self._module
                return self._write_all(home.of_module(name, self._package), depth, inside=inside)
            case ast.Attribute(value=ast.Name() as owner, attr=attribute):
                rows = self._package.rows(self._module.class_of(owner, self._package))
                return self._write_rows(rows, attribute, depth)
            case ast.Subscript(value=ast.Attribute(value=ast.Name(id="self"), attr=table)):
                return self._write_all(tables_of(self._package, self._module, node, table), depth, inside=inside)
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(between)), attr="join"), args=[listed]):
                words = self._written_out(listed)
                return [Variant(between.join(words))] if words else self.write_items(listed, depth)
            case ast.Call(func=ast.Name(id="show")):
                return []  # a value of the data
            case ast.Call():
                return self._write_all(self._package.returned(self._module, node), depth, inside=inside)
        return []

    def _write_all(self, values: Sequence[Row], depth: int, *, inside: bool) -> list[Variant]:
        """The variants of several values, if each says more than its name."""
        variants = [
            Variant(variant.text, {**variant.ways, **dict(value.ways)})
            for value in values
            if all(self._chosen.get(choice, way) == way for choice, way in value.ways)
            for variant in self._writer_of(value).write(value.node, depth + 1, inside=inside)
            if all(variant.ways.get(choice, way) == way for choice, way in value.ways)
        ]
        texts = [variant.text for variant in variants if variant.text]
        return variants if texts and all(map(_has_words, texts)) else []

    def _writer_of(self, value: Row) -> Writer:
        return Writer(self._package, value.module, {**self._chosen, **dict(value.ways)})

    def _written_out(self, listed: ast.expr) -> list[str]:
        """The items of a list of plain texts; none of a list that has anything else in it, or that callers give."""
        values = [Row(self._module, listed)]
        if isinstance(listed, ast.Name):
            values = self._module.values_of(listed, self._package)
        items = [item for each in values[:1] for item in elements_of(self._package, each.module, each.node)]
        texts = [item.node.value for item in items if isinstance(item.node, ast.Constant)]
        return list(map(str, texts)) if len(values) == 1 and len(texts) == len(items) else []

    def write_items(self, values: ast.expr, depth: int = 0) -> list[Variant]:
        """The items of a list that is joined, each a text of its own, but for those that only pass something on."""
        items = elements_of(self._package, self._module, values)
        written = [self._write_all([item], depth, inside=True) for item in items]
        return [variant for variants in written for variant in variants if variant.text]

    def _write_rows(self, rows: Sequence[Row], attribute: str, depth: int) -> list[Variant]:
        values = [(row, self._package.field_of(row, attribute)) for row in rows]
        return self._write_each([Row(row.module, value, row.ways) for row, value in values if value is not None], depth)

    def _write_each(self, values: Sequence[Row], depth: int) -> list[Variant]:
        """The variants of those values that say more than their name."""
        return [variant for value in values for variant in self._write_all([value], depth, inside=True)]


def _fill_template(text: str) -> str:
    """A text that is a template with a column's name, as it looks when it is filled in."""
    is_template = "{c}" in text or "{{" in text
    return text.replace("{c}", "<column>").replace("{{", "{").replace("}}", "}") if is_template else text


def _has_words(text: str) -> bool:
    return bool(VALUE.sub("", text).strip(" /"))


def _placeholder(node: ast.expr) -> str:
    words = _words(node)
    return f"<{_SPOKEN.get(words, words)}>" if words else _UNKNOWN


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
            return f"{_words(values) or 'one'}, …"
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
        case ast.Call(func=ast.Name(id="show")):
            return "value"
        case ast.JoinedStr(values=values):
            return next((words for value in values if (words := _words(value))), "")
    return ""
