"""An image as tests look at it: its configuration, its files in a directory, what runs in them."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.checkout import CHECKOUT
from harness.sandbox import run_as_pod

sys.path.insert(0, str(CHECKOUT / "images"))  # scripts, not a package: they run where nothing is installed
from build import DEFAULT_TARGETS as TARGETS
from build import INTO
from clients import find_client

__all__ = ["TARGETS", "Image", "build_images", "open_image"]


@dataclass(frozen=True)
class Image:
    """One image: what `images/build.py` recorded of it, its configuration, and its files."""

    target: str
    name: str
    megabytes: float
    labels: dict[str, str]
    user: str
    environment: dict[str, str]
    entrypoint: list[str]
    root: Path

    @property
    def contents(self) -> Path:
        """The CycloneDX list."""
        return INTO / f"{self.target}.cdx.json"

    @property
    def archive(self) -> Path:
        """The OCI archive."""
        return INTO / f"{self.target}.tar"

    def run(self, *command: str, mounts: tuple[Path, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command as a pod of Pod Security's level restricted: see `harness.sandbox`."""
        return run_as_pod(self.root, [*self.entrypoint, *command], self.environment, int(self.user), mounts)


def build_images(*options: str) -> str:
    """What `make images` does; returns what it prints."""
    words = [sys.executable, str(CHECKOUT / "images/build.py"), *options]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def open_image(target: str, opened: ExitStack) -> Image:
    """Lay out the files of a built image until `opened` closes."""
    client = find_client()
    record = json.loads((INTO / f"{target}.json").read_text())
    config = client.config(record["name"])
    root = opened.enter_context(client.root(record["name"]))
    if root is None:
        raise RuntimeError("docker lays no image out as a directory: IMAGES_CLIENT=buildah or podman")
    return Image(
        target=target,
        name=record["name"],
        megabytes=record["megabytes"]["all"],
        labels=config["Labels"],
        user=config["User"],
        environment=dict(variable.split("=", 1) for variable in config["Env"]),
        entrypoint=config["Entrypoint"],
        root=root,
    )
