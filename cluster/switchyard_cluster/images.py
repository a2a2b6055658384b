"""Images that the bench needs: what holds a pod's namespaces, and Debian as images are built upon it."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from switchyard_cluster.build import Tell, programs_directory
from switchyard_cluster.node import Node
from switchyard_stack.errors import StackError

PAUSE = "localhost/switchyard/pause:1"
DEBIAN = "docker.io/library/debian:bookworm-slim"
_PAUSE_FILE = 'FROM scratch\nADD pause /pause\nENTRYPOINT ["/pause"]\nUSER 65535:65535\n'
_DEBIAN_FILE = 'FROM scratch\nADD base.tar /\nCMD ["bash"]\n'
_NOT_SLIM = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*")


def ensure_archives(cache: Path, tell: Tell) -> dict[str, Path]:
    """Make the archives that the cache lacks. Image → archive, as `docker save` and containerd know it."""
    pause = programs_directory(cache, "pause")
    archives = {PAUSE: cache / "images" / f"{pause.name}.tar", DEBIAN: cache / "images" / "debian-bookworm-slim.tar"}
    (cache / "images").mkdir(exist_ok=True)
    if not archives[PAUSE].exists():
        with tempfile.TemporaryDirectory(dir=cache) as context:
            (Path(context) / "pause").hardlink_to(pause / "pause")
            _build_archive(cache, PAUSE, _PAUSE_FILE, Path(context), archives[PAUSE], tell)
    if not archives[DEBIAN].exists():
        with tempfile.TemporaryDirectory(dir=cache) as context:
            _bootstrap_debian(Path(context) / "base.tar", tell)
            _build_archive(cache, DEBIAN, _DEBIAN_FILE, Path(context), archives[DEBIAN], tell)
    return archives


def _bootstrap_debian(target: Path, tell: Tell) -> None:
    """Debian's smallest set of packages and the certificates, from the mirrors that this machine uses."""
    started = time.monotonic()
    tell("images", "mmdebstrap makes Debian 12")
    excluded = [f"--dpkgopt=path-exclude={path}" for path in _NOT_SLIM]
    kept = ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
    _run(
        [
            *("mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates"),
            *(*excluded, *kept, "bookworm", str(target)),
        ]
    )
    tell("images", f"Debian 12: {target.stat().st_size / 1e6:.0f} MB in {time.monotonic() - started:.0f} s")


def _build_archive(cache: Path, image: str, containerfile: str, context: Path, target: Path, tell: Tell) -> None:
    started = time.monotonic()
    buildah = [
        "buildah",
        "--root",
        str(cache / "containers"),
        "--runroot",
        str(context / "run"),
        "--storage-driver",
        "vfs",
    ]
    (context / "Containerfile").write_text(containerfile)
    fresh = target.with_name(f".{target.name}.new")
    fresh.unlink(missing_ok=True)
    _run([*buildah, "bud", "--quiet", "--isolation", "chroot", "--tag", image, str(context)])
    _run([*buildah, "push", "--quiet", image, f"docker-archive:{fresh}:{image}"])
    _run([*buildah, "rmi", "--force", image])
    fresh.rename(target)
    tell("images", f"{image}: {target.stat().st_size / 1e6:.0f} MB in {time.monotonic() - started:.0f} s")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise StackError(
            f"`{' '.join(command)}` failed:\n{done.stderr.strip()[-1500:]}",
            cure="an image is made from Debian's mirrors, with buildah; run the command again",
        )


def loaded_images(node: Node) -> set[str]:
    """Names of the images that the node's containerd holds."""
    listed = subprocess.run(_ctr(node, "list", "--quiet"), capture_output=True, text=True, check=True)
    return set(listed.stdout.split())


def load_archive(node: Node, archive: Path) -> list[str]:
    """Import an archive (docker's or OCI's) into the node's containerd. Returns the names of its images."""
    with archive.open("rb") as file:
        loaded = subprocess.run(_ctr(node, "import", "-"), stdin=file, capture_output=True, text=True)
    if loaded.returncode != 0:
        raise StackError(
            f"{archive} could not be loaded: {loaded.stderr.strip()[-500:]}",
            cure="it must be an archive that `buildah push IMAGE docker-archive:FILE:IMAGE` or `docker save` writes",
        )
    return [line.split()[1] for line in loaded.stdout.splitlines() if line.startswith("unpacking ")]


def _ctr(node: Node, *words: str) -> list[str]:
    return node.command(["ctr", "--namespace", "k8s.io", "images", *words])
