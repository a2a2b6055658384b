"""The name that a source column has in the lake, and behind it in MongoDB: by its own name, or by the flow's choice.

Pure. Everything under `source` in a flow file uses the source's names; what comes after the landing uses these.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from switchyard.types.quoting import free_name

_PLACEHOLDER = "$CONDITIONS"
LAKE_COLUMN = re.compile(r"(?!_id)\w+")
"""What a column may be called in the lake: the preflight carries it, and a flow file may name it. Hive needs quotes
(`2020_total` in backticks) where a digit comes first; every statement of ours has them."""
_PLAIN_KEY = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_YAML_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off"})


@dataclass(frozen=True)
class LakeName:
    """A source column and its name in the lake; `chosen`: the flow says so, else it is the source's in lower case."""

    source: str
    name: str
    chosen: bool = False

    @classmethod
    def of(cls, source: str, choice: str | None) -> LakeName:
        """The name of a column, given the flow's choice for it."""
        return cls(source, source.lower() if choice is None else choice, choice is not None)


@dataclass(frozen=True)
class NameFault:
    """A column that cannot be carried under its lake name: `why` completes the sentence `column … …`."""

    source: str
    why: str
    cure: str


def name_faults(names: Sequence[LakeName]) -> list[NameFault]:
    r"""Find the names that Hive's Parquet writer or MongoDB cannot hold, and those that two columns would have.

    Source: Parquet's MessageTypeParser refuses ` ,;{}()\n\t=`; MongoDB gives `$` and `.` a meaning in field names.
    """
    faults = []
    holders: dict[str, LakeName] = {}
    taken = {each.name for each in names}
    twice = {source for source, count in Counter(each.source for each in names).items() if count > 1}
    for each in names:
        suggested = free_name(suggest(each.source), taken)
        fault = _fault(each, holders.get(each.name), suggested, is_twice=each.source in twice)
        if fault is not None:
            taken.add(suggested)
            faults.append(fault)
        holders.setdefault(each.name, each)
    return faults


def suggest(source: str) -> str:
    """A legal lake name near to a column's name: `Mixed Case` → `mixed_case`."""
    composed = unicodedata.normalize("NFKC", source).lower()
    word = re.sub(r"_{2,}", "_", re.sub(r"\W+", "_", unicodedata.normalize("NFKC", composed))).strip("_")
    return word if re.match(r"[^\W\d_]", word) and not word.startswith("_id") else f"c_{word}".rstrip("_")


def yaml_key(name: str) -> str:
    """A column's name as a key of a flow file, quoted where YAML needs it."""
    if _PLAIN_KEY.fullmatch(name) and name.lower() not in _YAML_WORDS:
        return name
    if all(character.isprintable() for character in name):
        return "'" + name.replace("'", "''") + "'"
    return json.dumps(name)


def other_source_names(names: Iterable[LakeName]) -> Mapping[str, str]:
    """Source name in lower case → lake name, of columns that the flow calls otherwise; none that another has."""
    renamed = {each.source.lower(): each.name for each in names if each.chosen and each.source.lower() != each.name}
    taken = {each.name for each in names}
    return {source: name for source, name in renamed.items() if source not in taken}


def _fault(each: LakeName, holder: LakeName | None, suggested: str, *, is_twice: bool) -> NameFault | None:
    source = each.source
    name = each.name
    choose = (
        f"choose its name, columns: {{{yaml_key(source)}: {{name: {suggested}}}}}; or leave it out: {{leave_out: true}}"
    )
    if is_twice:
        why = "is twice in the result of source.query, so that one cannot be told from the other"
        return NameFault(source, why, "give one of them another name in source.query")
    if _PLACEHOLDER in source:
        why = f"has {_PLACEHOLDER} in its name, which Sqoop would replace"
        return NameFault(source, why, "read the table through a view, or list in source.columns the columns to read")
    if holder is not None and (each.chosen or holder.chosen):
        other_column = holder.source
        return NameFault(source, f"would be called {name!r} in the lake, as column {other_column!r} is", choose)
    if holder is not None:
        other_column = holder.source
        why = f"is the same name as that of column {other_column!r} in Hive, which ignores case"
        return NameFault(source, why, choose)
    if not LAKE_COLUMN.fullmatch(name):
        why = "has a name that Hive, Parquet or MongoDB does not take: letters, digits and _ only, and not _id"
        return NameFault(source, why, choose)
    return None
