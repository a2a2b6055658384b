"""What an image holds: a CycloneDX list by syft, and the bytes of its parts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections import Counter
from pathlib import Path

from clients import Client

CHECKOUT = Path(__file__).resolve().parents[1]
_LOCK = CHECKOUT / "requirements" / "sbom.txt"
_PARTS = (
    *("opt/switchyard/venv", "opt/switchyard/package", "opt/switchyard/dags", "opt/ingestion", "opt/airflow"),
    *("opt/jdk", "opt/jre", "opt/sqoop", "opt/hadoop", "opt/hive"),
)


def find_syft(tools: Path) -> str:
    """Syft of this machine, or the one that requirements/sbom.txt pins, installed into `tools` at its first use."""
    own = shutil.which("syft")
    if own:
        return own
    syft = tools / "bin" / "syft"
    if not syft.exists():
        venv.create(tools, with_pip=True, clear=True)
        install = [str(tools / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--require-hashes", "-r", str(_LOCK)], check=True)
    return str(syft)


def list_contents(client: Client, image: str, into: Path) -> dict[str, float]:
    """Write the CycloneDX list of an image to `into`; the megabytes of each part of it, and of the whole."""
    syft = find_syft(into.parent / "tools")
    with client.root(image) as root:
        _run_syft(syft, f"{client.name}:{image}" if root is None else f"dir:{root}", image, into)
        return {"all": client.megabytes(image)} if root is None else measure(root)


def _run_syft(syft: str, source: str, image: str, into: Path) -> None:
    """Run it as for an image, so that it lists what is installed and no lock that lies about."""
    name, _, version = image.rpartition(":")
    words = [syft, "scan", source, "--quiet", "--source-name", name, "--source-version", version]
    words += ["--override-default-catalogers", "image", "--output", f"cyclonedx-json={into}"]
    done = subprocess.run(words, env={**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"})
    if done.returncode:
        sys.exit(f"images: syft ended with {done.returncode}: {' '.join(words)}")


def measure(root: Path) -> dict[str, float]:
    """Megabytes of each part of a root file system, and of the whole: each file once, however many names it has."""
    seen: set[int] = set()
    sizes: Counter[str] = Counter()
    for directory, _, names in os.walk(root):
        below = os.path.relpath(directory, root)
        part = next((part for part in _PARTS if below == part or below.startswith(part + "/")), "Debian")
        for name in names:
            entry = os.lstat(os.path.join(directory, name))  # noqa: PTH118 - a hundred thousand of them
            if entry.st_ino not in seen:
                seen.add(entry.st_ino)
                sizes[part] += entry.st_size
    sizes["all"] = sum(sizes.values())
    return {part: round(size / 1e6, 1) for part, size in sizes.items()}


def count_components(into: Path) -> int:
    """The number of components that a CycloneDX list names."""
    return len(json.loads(into.read_text())["components"])
