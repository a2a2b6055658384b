"""Turn pydantic's errors into problems with a place, a near match and a cure; all of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from switchyard.errors import Problem
from switchyard.flow.files.not_yet import KEYS, VALUES
from switchyard.flow.files.unions import NO_BRANCH, join_branches
from switchyard.flow.files.wording import (
    CURE_MAPPING,
    SCALARS,
    WANTED,
    Path,
    any_of,
    cure_list,
    cure_missing,
    cure_scalar,
    cure_text,
    cure_value,
    cut,
    dotted,
    shortened,
    shown,
)
from switchyard.flow.files.yaml_tree import Map, Mark, Node, Seq, mark_at
from switchyard.flow.proof import Contract, Diff, LedgerPolicy, Reconcile
from switchyard.flow.refusal import REFUSED, nearest
from switchyard.flow.runs import Runs
from switchyard.flow.spec import Cache, Engine, Flow, Lake, Serve, Source

SECTIONS: Mapping[str, type[BaseModel]] = {
    "source": Source,
    "lake": Lake,
    "serve": Serve,
    "cache": Cache,
    "engine": Engine,
    "reconcile": Reconcile,
    "contract": Contract,
    "diff": Diff,
    "ledger": LedgerPolicy,
    "runs": Runs,
}

_ROUNDS = 3


def validate(tree: Map, *, combinations: bool = True) -> tuple[Flow | None, list[Problem]]:
    """Validate a tree; on failure, return also the problems that remain once misspelt keys are put right.

    Without `combinations`, only single values are judged, not whether they fit together.
    """
    try:
        return Flow.model_validate(tree), []
    except ValidationError as error:
        return None, _explain_all(tree, error, combinations)


def _explain_all(tree: Map, error: ValidationError, combinations: bool) -> list[Problem]:
    problems: dict[Problem, None] = {}
    work = _copy(tree)
    for _ in range(_ROUNDS):
        joined = join_branches(work, error.errors(include_url=False))
        details = [detail for detail in joined if combinations or not _is_combination(detail)]
        problems |= dict.fromkeys(_explain_round(work, details))
        if not _repair(work, details):
            break
        try:
            Flow.model_validate(work)
        except ValidationError as next_error:
            error = next_error
        else:
            break
    return list(problems)


def _is_combination(detail: ErrorDetails) -> bool:
    """Whether a section's or the flow's own validator refused: pydantic gives it the model's place, not a field's."""
    path = detail["loc"]
    return detail["type"] == REFUSED and (not path or (len(path) == 1 and path[0] in SECTIONS))


def _explain_round(tree: Map, details: list[ErrorDetails]) -> Iterator[Problem]:
    meant = {_meant(tree, detail["loc"]) for detail in details if detail["type"] == "extra_forbidden"}
    for detail in details:
        path = detail["loc"]
        if detail["type"] == "missing" and path in meant:
            continue  # the key exists, misspelt
        mark = mark_at(tree, _place(detail))
        if detail["type"] == "missing" and mark.path != tree.mark.path:
            mark = tree.mark  # what the defaults began, this file has to finish
        if detail["type"] == REFUSED:
            yield shortened(_hand_on(detail, mark))
            continue
        what, cure = _explain(tree, detail)
        yield shortened(Problem(mark.path, mark.line, what, cure))


def _hand_on(detail: ErrorDetails, mark: Mark) -> Problem:
    """The problem that a validator of ours named, at the key that it is about."""
    path = _place(detail)
    what = detail["ctx"]["what"]
    if path:
        what = f"`{dotted(path)}`: {what}"
    return Problem(mark.path, mark.line, what, detail["ctx"]["cure"])


def _explain(tree: Map, detail: ErrorDetails) -> tuple[str, str]:
    kind = detail["type"]
    path = _place(detail)
    context = detail.get("ctx", {})
    key = dotted(path)
    value = shown(detail["input"])
    match kind:
        case "extra_forbidden":
            return _explain_unknown(tree, path)
        case "missing":
            return f"`{key}` is missing", cure_missing(_describe(path))
        case "literal_error":
            return _explain_literal(path, detail["input"], str(context["expected"]))
        case _ if kind == NO_BRANCH:
            kinds = context["wanted"]
            wanted = any_of([WANTED[each] for each in kinds if each != "int_type" or "float_type" not in kinds])
            return f"`{key}` must be {wanted}, not {value}", cure_text(detail["input"], wanted)
        case "string_type":
            return f"`{key}` must be a text, not {value}", cure_text(detail["input"], "a text")
        case "list_type":
            return f"`{key}` must be a list, not {value}", cure_list(detail["input"])
        case "int_type" | "float_type" | "bool_type":
            return f"`{key}` must be {SCALARS[kind]}, not {value}", cure_scalar(detail["input"], SCALARS[kind])
        case _ if kind in WANTED:
            return f"`{key}` must be a mapping of keys to values, not {value}", CURE_MAPPING
    rule = detail["msg"][:1].lower() + detail["msg"][1:]
    return f"`{key}`: {rule}, not {value}", cure_value(_describe(path))


def _place(detail: ErrorDetails) -> Path:
    """Return the path of the wrong value: pydantic's place, and below it the one that the validator names."""
    return (*detail["loc"], *detail["ctx"]["at"]) if detail["type"] == REFUSED else detail["loc"]


def _explain_unknown(tree: Map, path: Path) -> tuple[str, str]:
    key = str(path[-1])
    names = tuple(str(part) for part in path)
    if names in KEYS:
        return f"`{'.'.join(names)}` is not supported yet", KEYS[names]
    written = cut(key)
    what = f"unknown key `{written}`"
    if key == "<<":
        return what, "YAML 1.2 has no merge keys; what flows share goes into defaults.yaml"
    meant = _meant(tree, path)
    if meant is not None:
        return what, f"did you mean `{meant[-1]}`?"
    homes = [section for section, model in SECTIONS.items() if key in model.model_fields and section != path[0]]
    if key in Flow.model_fields and len(path) > 1:
        return what, f"move it: `{key}` belongs to the top level of the file"
    if homes:
        return what, f"move it: `{key}` belongs to {' or '.join(f'`{home}`' for home in homes)}"
    known_keys = _fields(path)
    return what, f"remove it; known here: {', '.join(known_keys)}"


def _explain_literal(path: Path, value: object, expected: str) -> tuple[str, str]:
    names = tuple(str(part) for part in path)
    key = dotted(path)
    written = str(value)
    supported = VALUES.get(names, {})
    if written in supported:
        return f"`{key}: {written}` is not supported yet", f"write {key}: {supported[written]}"
    accepted = expected.replace("'", "").replace(" or ", ", ")
    match = nearest(written, accepted.split(", "))
    what = f"`{key}` cannot be {shown(value)}"
    return what, f"did you mean {match}?" if match else f"write one of: {accepted}"


def _meant(tree: Map, path: Path) -> Path | None:
    """Return the key that an unknown one was most likely meant to be: a near one that its section lacks."""
    parent = _at(tree, path[:-1])
    near = nearest(str(path[-1]), (name for name in _fields(path) if name not in parent))
    return (*path[:-1], near) if near else None


def _repair(work: Map, details: list[ErrorDetails]) -> bool:
    """Rename misspelt keys, remove other unknown ones; True when anything changed."""
    unknown = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
    for path in unknown:
        parent = _at(work, path[:-1])
        key = str(path[-1])
        meant = _meant(work, path)
        value = parent.pop(key)
        mark = parent.marks.pop(key)
        if meant is not None:
            parent[str(meant[-1])] = value
            parent.marks[str(meant[-1])] = mark
    return bool(unknown)


def _copy(tree: Map) -> Map:
    """Copy the mappings of a tree, which is all that a repair changes."""
    copy = Map(tree.mark)
    copy.marks = dict(tree.marks)
    copy.update((key, _copy(child) if isinstance(child, Map) else child) for key, child in tree.items())
    return copy


def _at(tree: Map, path: Path) -> Map:
    node: Node = tree
    for part in path:
        if isinstance(node, Map):
            node = node[str(part)]
        elif isinstance(node, Seq) and isinstance(part, int):
            node = node[part]
    assert isinstance(node, Map)  # noqa: S101 - pydantic found an unknown key in it
    return node


def _fields(path: Path) -> list[str]:
    """Return the keys that the model knows where `path` ends, as the file spells them."""
    model = _model_around(path)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _describe(path: Path) -> str:
    model = _model_around(path)
    field = model.model_fields.get(str(path[-1])) if model and path else None
    return (field.description or "") if field else ""


def _model_around(path: Path) -> type[BaseModel] | None:
    """Return the model that the last part of `path` is a key of; None inside a value that has no keys of its own."""
    model: type[BaseModel] | None = Flow
    for part in path[:-1]:
        field = model.model_fields.get(str(part)) if model else None
        if field is not None:
            model = _model_in(field.annotation)
        elif model is None:
            return None
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model of an annotation, or of the items of its list or mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
