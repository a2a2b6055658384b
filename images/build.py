"""Builds the images: `make images`. Only those whose inputs changed; prints times and sizes.

Needs Python alone and a client: docker, podman or buildah, or the one that $IMAGES_CLIENT names. What a build reaches
through a company's proxy or mirror: see images/README.md, "Behind a proxy".
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from clients import Client, find_client
from recipe import digest_inputs
from sbom import count_components, list_contents

CHECKOUT = Path(__file__).resolve().parents[1]
DOCKERFILE = CHECKOUT / "images" / "Dockerfile"
TARGETS = ("hadoop", "step", "ingestion", "airflow", "worker")
DEFAULT_TARGETS = TARGETS[:-1]  # `worker` is for those who run no step as a pod
INTO = Path(os.environ.get("SWITCHYARD_STATE") or CHECKOUT / ".switchyard") / "images"
BASE = "docker.io/library/debian:bookworm-slim"
_VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)
_SECRETS = ("ca", "pip", "uv", "maven")
_SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Built:
    """One image. `seconds` of its build; `megabytes` of its parts unpacked, of the whole as "all"."""

    name: str
    inputs: str
    seconds: float
    megabytes: dict[str, float]
    components: int


def package_version() -> str:
    """The version of the package: the images' tag."""
    match = _VERSION.search((CHECKOUT / "include/switchyard/__init__.py").read_text())
    if match is None:
        sys.exit("include/switchyard/__init__.py names no __version__")
    return match[1]


def image_name(target: str) -> str:
    """The name and tag of a target's image."""
    return f"{os.environ.get('IMAGES_PREFIX', 'switchyard')}/{target}:{package_version()}"


def build_secrets() -> dict[str, Path]:
    """Files for the build's secrets, by id: $IMAGES_SECRET_CA and so on; without that, what this machine trusts."""
    secrets = {name: os.environ.get(f"IMAGES_SECRET_{name.upper()}", "") for name in _SECRETS}
    if not secrets["ca"] and _SYSTEM_CERTIFICATES.exists():
        secrets["ca"] = os.environ.get("SSL_CERT_FILE") or str(_SYSTEM_CERTIFICATES)
    return {name: Path(path) for name, path in secrets.items() if path}


def build_image(client: Client, target: str, into: Path, *, fresh: bool) -> tuple[Built, bool]:
    """Build one image and list its contents, unless the one that is there has the same inputs; whether it was built."""
    name = image_name(target)
    inputs = digest_inputs(CHECKOUT, DOCKERFILE, target)
    record = into / f"{target}.json"
    known = Built(**json.loads(record.read_text())) if record.exists() else None
    is_current = client.labels(name).get("switchyard.inputs") == inputs
    if known is not None and known.inputs == inputs and is_current and not fresh:
        return known, False
    started = time.monotonic()
    if fresh or not is_current:
        print(f"{name}: building", file=sys.stderr, flush=True)
        arguments = {"VERSION": package_version(), "REVISION": _revision(), "INPUTS": inputs}
        client.build(DOCKERFILE, CHECKOUT, target, name, arguments, build_secrets(), fresh=fresh)
    seconds = time.monotonic() - started
    contents = into / f"{target}.cdx.json"
    sizes = list_contents(client, name, contents)
    built = Built(name, inputs, round(seconds, 1), sizes, count_components(contents))
    record.write_text(json.dumps(asdict(built), indent=2) + "\n")
    return built, True


def _revision() -> str:
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True)
    return asked.stdout.strip() if asked.returncode == 0 else "unknown"


def main() -> None:
    """Build what is asked for, list what each image holds, and print times and sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", default=DEFAULT_TARGETS, metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--fresh", action="store_true", help="anew, with Debian's latest packages")
    parser.add_argument("--into", type=Path, default=INTO, help="where lists of contents and archives go")
    parser.add_argument("--archive", action="store_true", help="also write each image as an OCI archive")
    chosen = parser.parse_args()
    if unknown := set(chosen.targets) - set(TARGETS):
        parser.error(f"no such image: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    started = time.monotonic()
    client = find_client()
    client.require_base(BASE, Path(__file__).with_name("base.sh"))
    chosen.into.mkdir(parents=True, exist_ok=True)
    for target in chosen.targets:
        built, is_new = build_image(client, target, chosen.into, fresh=chosen.fresh)
        print(describe(built, is_new=is_new), flush=True)
        archive = chosen.into / f"{target}.tar"
        if chosen.archive and (is_new or not archive.exists()):
            client.archive(built.name, archive)
    print(f"{client.name}, {time.monotonic() - started:.0f} s; what each image holds: {chosen.into}/*.cdx.json")


def describe(built: Built, *, is_new: bool) -> str:
    """One line for a person: the image, its time, its size and the size of its parts."""
    when = f"built in {built.seconds:.0f} s" if is_new else "unchanged"
    parts = sorted(((size, part) for part, size in built.megabytes.items() if part != "all"), reverse=True)
    shown = ", ".join(f"{part.removeprefix('opt/')} {size:.0f}" for size, part in parts)
    return f"{built.name:<28} {when:<16} {built.megabytes['all']:5.0f} MB: {shown}; {built.components} components"


if __name__ == "__main__":
    main()
