"""Files that a command generates: written where they differ, or only compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer


def write_generated(files: Mapping[str, str], into: Path, *, check: bool) -> None:
    """Write the files that differ from `files` (name → text), and print a verdict for each.

    With `check` nothing is written, and the command ends with 1 if a file is not as generated.
    """
    stale = False
    for name, text in files.items():
        path = into / name
        verdict = "as generated"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            verdict = "stale" if check else "written"
            stale = True
        if verdict == "written":
            path.write_text(text, encoding="utf-8")
        typer.echo(f"{path}: {verdict}")
    if check and stale:
        raise typer.Exit(1)
