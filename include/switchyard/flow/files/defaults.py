"""`defaults.yaml`: what hundreds of flows share, merged under each flow file; the flow wins, key by key."""

from __future__ import annotations

from typing import Any

from switchyard.errors import Problem
from switchyard.flow.files.validate import SECTIONS, validate
from switchyard.flow.files.yaml_tree import Map, Mark

DEFAULTS_FILE = "defaults.yaml"

OPTIONAL_SECTIONS = frozenset({"serve", "cache"})
"""Sections that a flow has only if its own file has them: the defaults complete them and never add them."""

PER_FLOW: frozenset[tuple[str, ...]] = frozenset(
    {
        ("flow",),
        ("source", "table"),
        ("source", "query"),
        ("lake", "table"),
        ("serve", "collection"),
        ("serve", "table"),
        ("serve", "select"),
    }
)
"""Keys that no two flows can share."""

_COMPLETE: dict[str, dict[str, Any]] = {
    "source": {"connection": "c", "table": "s.t"},
    "lake": {"database": "d", "table": "t"},
    "serve": {"connection": "c", "collection": "c", "key": ["k"]},
    "cache": {"connection": "c"},
}


def merge(flow: Map, defaults: Map) -> Map:
    """Return a new tree: the flow's values over the defaults'. Each key keeps the place it was written at."""
    merged = Map(flow.mark)
    for key, value in defaults.items():
        if key in flow or key not in OPTIONAL_SECTIONS:
            merged[key] = value
            merged.marks[key] = defaults.marks[key]
    for key, value in flow.items():
        under = merged.get(key)
        if isinstance(value, Map) and isinstance(under, Map):
            value = merge(value, under)
        merged[key] = value
        merged.marks[key] = flow.marks[key]
    return merged


def check_defaults(tree: Map) -> list[Problem]:
    """Return the problems of the defaults themselves, reported once and not again for every flow."""
    problems = []
    rest = Map(tree.mark)
    for key, value in tree.items():
        rest[key] = value
        rest.marks[key] = tree.marks[key]
        if (key,) in PER_FLOW:
            problems.append(_per_flow(tree.marks[key], key))
            del rest[key]
        elif isinstance(value, Map) and key in SECTIONS:
            rest[key], faults = _check_section(key, value)
            problems += faults
    _, faults = validate(merge(rest, _complete(tree.mark)), combinations=False)
    return problems + [problem for problem in faults if problem.path == tree.mark.path]


def _check_section(section: str, tree: Map) -> tuple[Map, list[Problem]]:
    rest = Map(tree.mark)
    problems = []
    for key, value in tree.items():
        if (section, key) in PER_FLOW:
            problems.append(_per_flow(tree.marks[key], f"{section}.{key}"))
        else:
            rest[key] = value
            rest.marks[key] = tree.marks[key]
    return rest, problems


def _per_flow(mark: Mark, name: str) -> Problem:
    what = f"`{name}` cannot be shared by all flows"
    return Problem(mark.path, mark.line, what, "remove it here, and write it into each flow's own file")


def _complete(mark: Mark) -> Map:
    """The smallest whole flow, so that a model can judge what the defaults add to it."""
    nowhere = Mark(mark.path.parent, 1)
    whole = _section(nowhere, {"flow": "f"})
    for section, values in _COMPLETE.items():
        whole[section] = _section(nowhere, values)
        whole.marks[section] = nowhere
    return whole


def _section(mark: Mark, values: dict[str, Any]) -> Map:
    section = Map(mark)
    section.update(values)
    section.marks = dict.fromkeys(values, mark)
    return section
