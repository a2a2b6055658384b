"""The Java artifacts: resolved by Maven over `stack/maven`, verified by checksum, kept in the state directory."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from switchyard_stack.errors import StackError
from switchyard_stack.layout import Layout
from switchyard_stack.prerequisites import Programs

MODULES = ("hadoop", "hive", "sqoop")
_STAMP = "fetched.json"


@dataclass(frozen=True)
class FetchReport:
    """Files and bytes that a fetch added to the Maven repository, and its seconds; 0 when nothing was missing."""

    files: int
    bytes: int
    seconds: float
    was_complete: bool


def poms_digest(project: Path) -> str:
    """A digest over the poms and Maven's options: what the classpath files were made from."""
    digest = hashlib.sha256()
    for path in [project / "pom.xml", project / ".mvn/maven.config", *sorted(project.glob("*/pom.xml"))]:
        digest.update(path.relative_to(project).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def is_complete(layout: Layout) -> bool:
    """True when the classpath files were made from these poms and every jar they name is there."""
    stamp = layout.classpaths / _STAMP
    if not stamp.exists():
        return False
    recorded = json.loads(stamp.read_text())
    expected = {"poms": poms_digest(layout.maven_project), "repository": str(layout.maven_repository)}
    return bool(recorded == expected and all(Path(jar).exists() for jar in _all_jars(layout)))


def _all_jars(layout: Layout) -> Iterable[str]:
    for module in MODULES:
        path = layout.classpaths / f"{module}.classpath"
        yield from path.read_text().strip().split(":") if path.exists() else [str(path)]


def fetch_artifacts(layout: Layout, programs: Programs, tell: Callable[[str], None]) -> FetchReport:
    """Let Maven resolve and verify all artifacts that are missing. Raises StackError."""
    if is_complete(layout):
        return FetchReport(0, 0, 0.0, True)
    started = time.monotonic()
    before = _count(layout.maven_repository)
    tell("resolving the Java artifacts with Maven; the first time it downloads them")
    _run_maven(layout, programs, tell)
    stamp = {"poms": poms_digest(layout.maven_project), "repository": str(layout.maven_repository)}
    (layout.classpaths / _STAMP).write_text(json.dumps(stamp))
    after = _count(layout.maven_repository)
    return FetchReport(after[0] - before[0], after[1] - before[1], time.monotonic() - started, False)


def _run_maven(layout: Layout, programs: Programs, tell: Callable[[str], None]) -> None:
    command = [
        str(programs.maven), "-f", str(layout.maven_project), "-T", "3",
        f"-Dmaven.repo.local={layout.maven_repository}", f"-Dswitchyard.classpath.dir={layout.classpaths}",
        "generate-resources",
    ]  # fmt: skip
    log = layout.logs / "maven.log"
    environment = {**os.environ, "JAVA_HOME": str(programs.java_home), "MAVEN_OPTS": f"-Djava.io.tmpdir={layout.tmp}"}
    with log.open("w") as sink:
        maven = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT, env=environment, cwd=layout.run)
        last_line = time.monotonic()
        while maven.poll() is None:
            time.sleep(0.2)
            if time.monotonic() - last_line > 5:
                last_line = time.monotonic()
                tell(f"resolving: {_count(layout.maven_repository)[1] / 1e6:.0f} MB in the repository")
    if maven.returncode:
        errors = [line for line in log.read_text().splitlines() if line.startswith("[ERROR]")]
        raise StackError(
            f"Maven ended with {maven.returncode}: " + "\n".join(errors[:6]),
            cure=f"read {log}; `switchyard stack fetch` tries again and keeps what has arrived",
        )


def _count(repository: Path) -> tuple[int, int]:
    files = bytes_ = 0
    for root, _, names in os.walk(repository):
        for name in names:
            files += 1
            bytes_ += _size(os.path.join(root, name))  # noqa: PTH118
    return files, bytes_


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except FileNotFoundError:  # Maven renames its temporary files
        return 0


def metastore_schema(layout: Layout) -> Path:
    """The newest full schema for PostgreSQL, out of the metastore's tarball."""
    schemas = sorted((layout.classpaths / "metastore-schema").glob("**/postgres/hive-schema-*.postgres.sql"))
    finals = [path for path in schemas if "alpha" not in path.name and "beta" not in path.name]
    if not finals:
        raise StackError("the metastore's schema was not unpacked", cure="`switchyard stack fetch --force`")
    return max(finals, key=lambda path: [int(n) for n in path.name.split("-")[2].split(".")[:3]])
