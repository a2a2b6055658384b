"""Files that a command generates: written where they differ, or only compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer


def write_generated(files: Mapping[str, str], into: Path, *, check: bool) -> None:
    """Bring the files of a directory to what they should be, and say what was done.

    With `check` nothing is written, and the command ends with 1 when a file is not as generated.
    """
    stale = False
    for name, text in files.items():
        path = into / name
        same = path.is_file() and path.read_text(encoding="utf-8") == text
        stale |= not same
        if not same and not check:
            path.write_text(text, encoding="utf-8")
        typer.echo(f"{path}: {'as generated' if same else 'stale' if check else 'written'}")
    if check and stale:
        raise typer.Exit(1)
