"""What images/Dockerfile copies for a target, read from the Dockerfile itself, and a digest over it."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_STAGE = re.compile(r"FROM\s+(\S+)\s+AS\s+(\S+)", re.IGNORECASE)
_IGNORED = ("__pycache__", ".egg-info")


@dataclass
class Stage:
    """One stage: the image or stage it stands on, its instructions, and the stages and files that it copies."""

    base: str
    instructions: list[str] = field(default_factory=list)
    stages: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)


def read_stages(dockerfile: str) -> dict[str, Stage]:
    """The stages by name, in their order; instructions without comments, continued lines joined."""
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for instruction in _instructions(dockerfile):
        begin = _STAGE.fullmatch(instruction)
        if begin:
            stage = stages[begin[2]] = Stage(begin[1])
        elif stage is not None:
            stage.instructions.append(instruction)
            if instruction.startswith("COPY "):
                _add_copy(stage, shlex.split(instruction)[1:])
    return stages


def _instructions(dockerfile: str) -> Iterator[str]:
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    for instruction in "\n".join(lines).replace("\\\n", " ").splitlines():
        if instruction.strip():
            yield " ".join(instruction.split())


def _add_copy(stage: Stage, words: list[str]) -> None:
    options = [word for word in words if word.startswith("--")]
    sources = [word for word in words if not word.startswith("--")][:-1]
    origin = next((option.partition("=")[2] for option in options if option.startswith("--from=")), None)
    if origin is not None:
        stage.stages.add(origin)
    else:
        stage.files.update(sources)


def reached_stages(stages: dict[str, Stage], target: str) -> list[str]:
    """The stages that a target is made of, itself included, by name."""
    waiting = [target]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in stages and name not in reached:
            reached.add(name)
            waiting += [stages[name].base, *stages[name].stages]
    return sorted(reached)


def digest_inputs(checkout: Path, dockerfile: Path, target: str) -> str:
    """A digest over the instructions that lead to a target and the files that these copy, names and modes included."""
    stages = read_stages(dockerfile.read_text())
    digest = hashlib.sha256()
    files: set[Path] = set()
    for name in reached_stages(stages, target):
        digest.update("\n".join([name, stages[name].base, *stages[name].instructions]).encode() + b"\0")
        for source in stages[name].files:
            files.update(_files_below(checkout / source))
    for path in sorted(files):
        executable = b"x" if path.stat().st_mode & 0o100 else b"-"
        digest.update(path.relative_to(checkout).as_posix().encode() + b"\0" + executable)
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _files_below(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for each in path.rglob("*"):
        if each.is_file() and not any(part.endswith(_IGNORED) for part in each.parts):
            yield each
