"""Jars of our own making."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path


def pack(jar: Path, files: Mapping[str, str | bytes]) -> None:
    """Write a jar, unless it is there: a JVM may be reading it, and an archive of classes knows it by its time."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    if not jar.exists() or jar.read_bytes() != packed.getvalue():
        jar.write_bytes(packed.getvalue())
