"""Read flow files: all errors of a file at once, each with its line.

`load_flows` reads a directory as the scheduler does at every parse, so it opens nothing but the files.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from switchyard.errors import FlowFileError, Problem, SwitchyardError
from switchyard.flow import naming
from switchyard.flow.files.defaults import DEFAULTS_FILE, check_defaults, merge
from switchyard.flow.files.validate import validate
from switchyard.flow.files.yaml_tree import MAX_BYTES, MAX_KIB, Map, Mark, Unreadable, mark_at, read_tree
from switchyard.flow.spec import Flow

_LOOKALIKES = frozenset({".yml", ".json", ".toml"})


class Defaults:
    """`defaults.yaml` of a directory, read once: its tree, and what is wrong with it."""

    def __init__(self, directory: Path) -> None:
        path = directory / DEFAULTS_FILE
        self.tree = Map(Mark(path, 1))
        self.problems: list[Problem] = []
        try:
            if path.exists() or path.is_symlink():
                self.tree, self.problems = _read(path)
                self.problems += check_defaults(self.tree)
        except Unreadable as error:
            self.problems = list(error.problems)


def load_flow(path: Path, defaults: Defaults | None = None) -> Flow:
    """Read one flow file, over the `defaults.yaml` beside it.

    Raises FlowFileError, with every problem of the file.
    """
    defaults = defaults or Defaults(path.parent)
    problems = list(defaults.problems)
    flow = None
    try:
        if path.suffix != ".yaml" or path.name == DEFAULTS_FILE:
            raise Unreadable(_wrong_name(path))
        tree, faults = _read(path)
        faults += _name_flow(tree, path)
        flow, more = validate(merge(tree, defaults.tree))
        reported = {(problem.path, problem.line) for problem in problems}
        problems += faults + [problem for problem in more if (problem.path, problem.line) not in reported]
    except Unreadable as error:
        problems += error.problems
    if flow is None or problems:
        name = re.sub(r"[^\w.-]", "_", path.stem)[:200]  # a DAG is called so, whatever the file is called
        raise FlowFileError(name, path, sorted(problems, key=lambda p: (p.path != path, p.line)))
    return flow


def load_flows(directory: Path) -> tuple[dict[str, Flow], list[FlowFileError]]:
    """Read all flows of a directory, by name, and one error for each file that cannot be used.

    Two flows that write to one target are both refused, because neither has a better claim to it.
    Raises SwitchyardError when the directory cannot be listed.
    """
    flows: dict[str, Flow] = {}
    errors: list[FlowFileError] = []
    defaults = Defaults(directory)
    for path in _flow_files(directory):
        try:
            flows[path.stem] = load_flow(path, defaults)
        except FlowFileError as error:
            errors.append(error)
    for shared in _shared_targets(directory, flows):
        errors.append(shared)
        del flows[shared.flow]
    return flows, sorted((_renamed(error, flows) for error in errors), key=lambda error: error.path)


def _renamed(error: FlowFileError, flows: dict[str, Flow]) -> FlowFileError:
    """Keep `telemetry.yml` from taking the place of the good `telemetry.yaml` beside it."""
    if error.flow not in flows:
        return error
    return FlowFileError(f"{error.flow}{error.path.suffix}", error.path, error.problems)


def _flow_files(directory: Path) -> list[Path]:
    try:
        names = sorted(entry.name for entry in directory.iterdir())
    except OSError as error:
        cure = "name the directory of the flow files: --flows DIR, or SWITCHYARD_FLOWS"
        raise SwitchyardError(
            f"cannot list the directory of flow files: {error.strerror}", where=str(directory), cure=cure
        ) from error
    return [directory / name for name in names if _is_flow_file(name)]


def _is_flow_file(name: str) -> bool:
    if name.startswith(".") or name == DEFAULTS_FILE:
        return False
    suffix = Path(name).suffix
    return suffix.lower() == ".yaml" or suffix.lower() in _LOOKALIKES


def _wrong_name(path: Path) -> Problem:
    if path.name == DEFAULTS_FILE:
        what = f"{DEFAULTS_FILE} holds what all flows share; it is not a flow"
        return Problem(path, 1, what, "name the file of one flow, e.g. flows/telemetry.yaml")
    what = f"a flow file ends in .yaml, not in {path.suffix or 'a word without a dot'}"
    return Problem(path, 1, what, f"rename the file to {path.stem}.yaml")


def _read(path: Path) -> tuple[Map, list[Problem]]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unreadable(
            Problem(
                path, 1, f"the file cannot be read: {error.strerror}", f"look at its rights and owner: ls -l {path}"
            )
        ) from error
    if len(content) > MAX_BYTES:
        raise Unreadable(
            Problem(path, 1, f"the file is larger than {MAX_KIB} KiB", "shorten it: one file holds one flow")
        )
    try:
        return read_tree(path, content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = content[error.start]
        what = f"not UTF-8: byte 0x{byte:02x} in this line"
        raise Unreadable(Problem(path, line, what, "save the file as UTF-8")) from error


def _name_flow(tree: Map, path: Path) -> list[Problem]:
    """Give the tree its name, the file's stem; a file with another name inside is refused."""
    written: Any = tree.get("flow", path.stem)
    mark = tree.marks.get("flow", tree.mark)
    tree["flow"] = path.stem
    tree.marks["flow"] = mark
    if written == path.stem:
        return []
    cure = f"write `flow: {path.stem}`, leave the key out, or rename the file"
    return [Problem(path, mark.line, f"`flow: {written!s:.60}` is not the file's name", cure)]


def _shared_targets(directory: Path, flows: dict[str, Flow]) -> list[FlowFileError]:
    writers: dict[str, list[str]] = defaultdict(list)
    for name, flow in flows.items():
        for target in naming.targets(flow).values():
            writers[target].append(name)
    shared = {target: names for target, names in writers.items() if len(names) > 1}
    guilty = sorted({name for names in shared.values() for name in names})
    return [_shared_target(directory, flows[name], shared) for name in guilty]


def _shared_target(directory: Path, flow: Flow, shared: dict[str, list[str]]) -> FlowFileError:
    path = directory / f"{flow.flow}.yaml"
    tree, _ = _read(path)  # again, for its lines; this is the rare case
    problems = []
    for place, target in naming.targets(flow).items():
        others = [f"{directory.name}/{name}.yaml" for name in shared.get(target, ()) if name != flow.flow]
        if others:
            what = f"{target} is also written by {', '.join(others)}"
            mark = mark_at(tree, place)
            problems.append(Problem(path, mark.line, what, "give each flow a table and a collection of its own"))
    return FlowFileError(flow.flow, path, problems)
