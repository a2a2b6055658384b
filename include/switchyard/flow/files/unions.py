"""One problem where pydantic has one for every branch of a union: `a text or a list`, not the branches' inner names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic_core import ErrorDetails

from switchyard.flow.refusal import REFUSED

NO_BRANCH = "no_branch"
"""Type of the one problem that stands for all branches; its context has `wanted`, the branches' own error types."""

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class _Branch:
    """The error of one branch of a union: `place` is the union's value, `rest` leads from there to the fault."""

    place: Place
    rest: Place
    detail: ErrorDetails


def join_branches(tree: object, details: Iterable[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Join the errors of the branches of one union; every path then is one of the file.

    A branch that got further than the value's type (into a list, or to a refusal of ours) is the one that was meant.
    """
    unions: dict[Place, list[_Branch]] = {}
    for detail in details:
        branch = _find_branch(tree, detail)
        if branch is None:
            yield detail
        else:
            unions.setdefault(branch.place, []).append(branch)
    for branches in unions.values():
        meant = [branch for branch in branches if branch.rest or branch.detail["type"] == REFUSED]
        if meant:
            yield from (_moved(branch.detail, branch.place + branch.rest) for branch in meant)
        else:
            yield _joined(branches)


def _find_branch(tree: object, detail: ErrorDetails) -> _Branch | None:
    """The union that a path goes through: at the first part that the file does not have."""
    value = tree
    path = detail["loc"]
    named = len(path) - 1 if detail["type"] in ("missing", "extra_forbidden") else len(path)
    for at, part in enumerate(path[:named]):
        if not _has(value, part):
            return _Branch(path[:at], path[at + 1 :], detail)
        value = value[part]  # type: ignore[index]  # it has just been looked at
    return None


def _has(value: object, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _moved(detail: ErrorDetails, place: Place) -> ErrorDetails:
    return {**detail, "loc": place}


def _joined(branches: list[_Branch]) -> ErrorDetails:
    first = branches[0]
    wanted = [branch.detail["type"] for branch in branches]
    return {**first.detail, "type": NO_BRANCH, "loc": first.place, "ctx": {"wanted": wanted}}
