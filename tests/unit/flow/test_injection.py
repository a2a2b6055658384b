"""Hostile text at every place of a flow file: refused, or quoted wherever it goes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from harness.flow_files import GOOD, HOSTILE, at, paths
from switchyard.extract.statement import Bounds
from switchyard.flow.spec import Flow

TAKES_ANY_TEXT = {
    ("description",): "for people; a comment in the metastore, over Thrift",
    ("source", "columns"): "PostgreSQL's own names, quoted",
    ("source", "key"): "as above",
    ("source", "cursor"): "as above",
    ("source", "tombstone"): "as above",
    ("engine", "split_by"): "as above",
    ("columns",): "as above, and descriptions",
    ("source", "where"): "SQL of the author, kept in its brackets",
    ("source", "query"): "as above",
    ("serve", "select"): "as above",
    ("checks", "sql"): "as above",
    ("checks", "regex", "pattern"): "a literal of plain letters",
    ("checks", "between", "min"): "as above",
    ("checks", "between", "max"): "as above",
    ("checks", "accepted_values", "values"): "as above",
    ("checks", "name"): "a label, for messages; quoted in the quarantine's reasons",
}

PLAIN = re.compile(r"[\w.-]+")


def place(path: tuple[Any, ...]) -> tuple[str, ...]:
    words = tuple(part for part in path if isinstance(part, str))
    return ("columns",) if words[:1] == ("columns",) and words[-1] not in ("as", "name") else words


def leaves(name: str) -> list[tuple[Any, ...]]:
    tree = yaml.safe_load(GOOD[name])
    return [path for path in paths(tree) if isinstance(at(tree, path), str | int | float)]


@pytest.mark.parametrize("name", ["proved", "appended"])
def test_hostile_text_is_refused_or_quoted(name: str) -> None:
    taken = set()
    for path in leaves(name):
        for text in (text for text in HOSTILE if not PLAIN.fullmatch(text)):
            tree = {"flow": name, "description": "", **yaml.safe_load(GOOD[name])}
            at(tree, path[:-1])[path[-1]] = text
            try:
                Flow.model_validate(tree)
            except ValidationError:
                continue
            taken.add((place(path), text))
    assert {where for where, _ in taken} <= set(TAKES_ANY_TEXT), taken


@pytest.mark.parametrize("name", ["$CONDITIONS", 'a"b$CONDITIONS', "\0", "x" * 64])
def test_a_name_that_would_change_on_the_way_is_refused(name: str) -> None:
    quoted = name.replace('"', '""')
    for change in ({"table": f'public."{quoted}"'}, {"key": [name]}, {"cursor": name}):
        spec = {"flow": "x", "source": {"connection": "a", "table": "public.t", **change}}
        with pytest.raises(ValidationError):
            Flow.model_validate({**spec, "lake": {"database": "d", "table": "t"}})


def test_a_key_read_again_holds_no_placeholder_and_stays_one_literal() -> None:
    keys = [{"k": text} for text in ("$CONDITIONS", "it's", "a\\'b", "${x}", "') or 1=1 --")]
    condition = Bounds("at", None, None, keys).condition()
    assert "$" not in condition
    assert condition == (
        """("k") in ((E'\\x24CONDITIONS'), ('it''s'), (E'a\\\\''b'), (E'\\x24{x}'), (''') or 1=1 --'))"""
    )
