"""The images' Dockerfile and locks, without building anything: tests/images looks into what is built."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from harness.checkout import CHECKOUT

IMAGES = CHECKOUT / "images"
DOCKERFILE = IMAGES / "Dockerfile"
TARGETS = ("airflow", "worker", "step", "ingestion", "hadoop")


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"images_{name}", IMAGES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


recipe = script("recipe")


def test_dockerfile_has_no_lint() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    assert hadolint.exists(), "requirements/dev.txt names it, and this environment is older: make setup"
    done = subprocess.run([hadolint, "--no-color", DOCKERFILE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_shell_scripts_parse() -> None:
    scripts = [path for path in IMAGES.rglob("*") if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh")]
    assert len(scripts) >= 5
    for path in scripts:
        assert subprocess.run(["sh", "-n", path]).returncode == 0, path
        assert path.stat().st_mode & 0o111, f"{path} is not executable"


@pytest.mark.parametrize("target", TARGETS)
def test_last_stage_is_of_no_root_and_says_what_it_is(target: str) -> None:
    instructions = recipe.read_stages(DOCKERFILE.read_text())[target].instructions
    assert "USER 50000" in instructions
    assert any(f'org.opencontainers.image.title="switchyard/{target}"' in each for each in instructions)
    assert [
        each for each in instructions if each.startswith("RUN ")
    ] == []  # files come from other stages, as few layers


def test_what_is_copied_is_sent_to_docker() -> None:
    """.dockerignore leaves everything out but what it names again."""
    lines = (CHECKOUT / ".dockerignore").read_text().splitlines()
    kept = [line.removeprefix("!") for line in lines if line.startswith("!")]
    stages = recipe.read_stages(DOCKERFILE.read_text())
    copied = {source for target in TARGETS for name in recipe.reached_stages(stages, target)
              for source in stages[name].files}  # fmt: skip
    assert len(copied) > 10
    for source in copied:
        assert (CHECKOUT / source).exists(), source
        assert any(source == path or source.startswith(f"{path}/") for path in kept), source


TWO_IMAGES = """
FROM debian:bookworm-slim AS base
RUN true
# a comment
FROM base AS build
COPY one \\
    two /build/
FROM base AS first
COPY --from=build /build /first
FROM base AS second
COPY three /second
"""


def write(name: str, text: str) -> Callable[[Path], None]:
    return lambda checkout: (checkout / name).write_text(text) and None


def instruct(old: str, new: str) -> Callable[[Path], None]:
    return lambda checkout: (checkout / "Dockerfile").write_text(TWO_IMAGES.replace(old, new)) and None


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (write("one/file", "else"), {"first"}),
        (write("one/new", ""), {"first"}),
        (write("one/__pycache__/file.pyc", "else"), set()),
        (write("two", "else"), {"first"}),
        (write("three", "else"), {"second"}),
        (write("four", "else"), set()),
        (instruct("RUN true", "RUN false"), {"first", "second"}),
        (instruct("COPY one", "COPY four"), {"first"}),
        (instruct("# a comment", "# another"), set()),
        (lambda checkout: (checkout / "two").chmod(0o755), {"first"}),
        (lambda checkout: (checkout / "two").rename(checkout / "one/two") and write("two", "two")(checkout), {"first"}),
    ],
)
def test_digest_changes_with_what_an_image_is_made_of(
    tmp_path: Path, change: Callable[[Path], None], changed: set[str]
) -> None:
    for name in ("one/file", "one/__pycache__/file.pyc", "two", "three", "four"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(TWO_IMAGES)
    before = {target: recipe.digest_inputs(tmp_path, dockerfile, target) for target in ("first", "second")}
    change(tmp_path)
    after = {target: recipe.digest_inputs(tmp_path, dockerfile, target) for target in ("first", "second")}
    assert {target for target in before if before[target] != after[target]} == changed


def locked(name: str) -> dict[str, set[str]]:
    """The versions that a lock names, by package: several where they differ by Python."""
    versions: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([\w.-]+)==([^\s;]+)", (CHECKOUT / name).read_text(), re.MULTILINE):
        versions.setdefault(package, set()).add(version)
    return versions


@pytest.mark.parametrize("part", ["core", "steps", "airflow"])
def test_lock_of_a_part_has_the_versions_of_the_whole(part: str) -> None:
    whole = locked("requirements.txt")
    lock = locked(f"requirements/{part}.txt")
    assert len(lock) > 20
    assert {package: versions for package, versions in lock.items() if whole[package] != versions} == {}


def test_airflow_needs_no_arrow() -> None:
    assert {"pyarrow", "duckdb"} & set(locked("requirements/airflow.txt")) == set()
    assert {"pyarrow", "duckdb"} < set(locked("requirements/steps.txt"))


def test_extras_are_the_parts() -> None:
    """`pip install .[steps]` asks for what the lock of the steps is made from."""
    dynamic = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]["dynamic"]
    extras = dynamic["optional-dependencies"]
    files = [*dynamic["dependencies"]["file"], *extras["steps"]["file"], *extras["airflow"]["file"]]
    whole = re.findall(r"^-r (\S+)$", (CHECKOUT / "requirements.in").read_text(), re.MULTILINE)
    assert files == whole


def test_two_jars_of_one_name_are_refused(tmp_path: Path) -> None:
    for directory in ("a", "b"):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "same.jar").write_text(directory)
    (tmp_path / "one.classpath").write_text(f"{tmp_path}/a/same.jar\n")
    (tmp_path / "two.classpath").write_text(f"{tmp_path}/b/same.jar\n")
    words = [sys.executable, IMAGES / "stages/collect_jars.py", tmp_path, tmp_path / "out"]
    assert subprocess.run([*words, "one"]).returncode == 0
    assert (tmp_path / "out/classpath/one").read_text() == f"{tmp_path}/out/lib/same.jar\n"
    shutil.rmtree(tmp_path / "out")
    done = subprocess.run([*words, "one", "two"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "two artifacts have one file name" in done.stderr


@pytest.mark.parametrize(
    ("program", "arguments", "says"),
    [
        ("hdfs", [], "hdfs: name a command: 'hdfs version', for example"),
        ("hdfs", ["nonsense"], "hdfs: no such command: 'nonsense'"),
        ("hive", [], "hive: name a service: hive --service metastore, or hiveserver2"),
        ("hive", ["--service", "cli"], "hive: no such service: 'cli'; metastore, hiveserver2 and version are there"),
        ("other", [], "other: call it by the name of a command: hdfs, yarn, mapred, hadoop, hive, beeline, schematool"),
    ],
)
def test_commands_of_hadoop_refuse(tmp_path: Path, program: str, arguments: list[str], says: str) -> None:
    (tmp_path / program).symlink_to(IMAGES / "hadoop/command.sh")
    done = subprocess.run([tmp_path / program, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, says + "\n")
