"""The programs that build images: docker, podman, buildah. They take the same Dockerfile and nearly the same words."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_BYTES_PER_MEGABYTE = 1e6
_INSTALL = "apt-get install --no-install-recommends buildah mmdebstrap"


class Client:
    """One of the programs. A call that fails ends this program, and says what was called."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._environment = dict(os.environ)
        if name == "buildah":  # what works everywhere, also in a container of few rights; your own choice wins
            self._environment.setdefault("STORAGE_DRIVER", "vfs")
            self._environment.setdefault("BUILDAH_ISOLATION", "chroot")
        if name == "docker":
            self._environment["DOCKER_BUILDKIT"] = "1"

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Call it and take what it prints, whatever its exit code."""
        return subprocess.run([self.name, *words], capture_output=True, text=True, env=self._environment)

    def call(self, words: Sequence[str]) -> str:
        """Call it; its standard output."""
        done = subprocess.run([self.name, *words], stdout=subprocess.PIPE, text=True, env=self._environment)
        if done.returncode:
            sys.exit(f"images: {self.name} ended with {done.returncode}: {' '.join([self.name, *words])}")
        return done.stdout.strip()

    def is_present(self, image: str) -> bool:
        """Whether the image is in the local storage."""
        return self.ask("inspect", *self._of_image(), image).returncode == 0

    def _of_image(self) -> list[str]:
        return ["--type", "image"]

    def config(self, image: str) -> dict[str, Any]:
        """The image's configuration as OCI spells it: User, Env, Entrypoint, Labels; empty when it is not there."""
        answer = self.ask("inspect", *self._of_image(), image)
        if answer.returncode:
            return {}
        shown = json.loads(answer.stdout)
        return dict(shown["OCIv1"]["config"] if self.name == "buildah" else shown[0]["Config"])

    def labels(self, image: str) -> Mapping[str, str]:
        """The labels of an image; none when it is not there."""
        return self.config(image).get("Labels") or {}

    def megabytes(self, image: str) -> float:
        """The size of all layers, as the client counts it."""
        return int(self.call(["image", "inspect", "--format", "{{.Size}}", image])) / _BYTES_PER_MEGABYTE

    @contextmanager
    def root(self, image: str) -> Iterator[Path | None]:
        """The image's files as a directory, while the block runs; None with docker, which shows none."""
        if self.name == "docker":
            yield None
        elif self.name == "podman":
            yield Path(self.call(["image", "mount", image]))
            self.call(["image", "unmount", image])
        else:
            container = self.call(["from", "--pull-never", image])
            try:
                yield Path(self.call(["mount", container]))
            finally:
                self.call(["rm", container])

    def build(
        self,
        dockerfile: Path,
        context: Path,
        target: str,
        image: str,
        arguments: Mapping[str, str],
        secrets: Mapping[str, Path],
        *,
        fresh: bool,
    ) -> None:
        """Build a target of the Dockerfile; what it prints goes to standard error."""
        words = ["build", "--file", str(dockerfile), "--target", target, "--tag", image]
        words += [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        words += [word for name, path in secrets.items() for word in ("--secret", f"id={name},src={path}")]
        words += ["--no-cache"] if fresh else []
        words += [] if self.name == "docker" else ["--layers", "--pull-never"]
        done = subprocess.run([self.name, *words, str(context)], stdout=sys.stderr, env=self._environment)
        if done.returncode:
            sys.exit(f"images: {self.name} could not build {image}; its last lines above say why")

    def archive(self, image: str, path: Path) -> None:
        """Write an image as an archive that `ctr images import` takes."""
        path.unlink(missing_ok=True)
        if self.name == "buildah":
            self.call(["push", "--quiet", "--disable-compression", image, f"oci-archive:{path}:docker.io/{image}"])
        else:
            self.call(["save", "--output", str(path), image])

    def require_base(self, image: str, make: Path) -> None:
        """Have the base image: from its registry, or made of Debian's packages where no registry is to be had."""
        if self.name == "docker" or self.is_present(image):
            return
        if self.ask("pull", "--quiet", image).returncode == 0:
            return
        print(f"images: {image} cannot be pulled; making one of Debian's packages", file=sys.stderr)
        if self.name != "buildah" or shutil.which("mmdebstrap") is None:
            sys.exit(f"images: that needs buildah and mmdebstrap\n  → {_INSTALL}")
        making = subprocess.run([str(make), image], env=self._environment, stdout=sys.stderr)
        if making.returncode:
            sys.exit(f"images: {make} ended with {making.returncode}")


def find_client() -> Client:
    """The client that $IMAGES_CLIENT names, or the first that works."""
    named = os.environ.get("IMAGES_CLIENT")
    if named and shutil.which(named) is None:
        sys.exit(f"images: IMAGES_CLIENT is {named!r}, and there is no such program")
    for name in [named] if named else ["docker", "podman", "buildah"]:
        if shutil.which(name) and (named or Client(name).ask("info").returncode == 0):
            return Client(name)
    sys.exit(f"images: none of docker, podman and buildah is here, or none works\n  → {_INSTALL}")
