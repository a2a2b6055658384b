"""Metadata files: JSON arrays of proposals, as DataHub's file sink writes and its file source reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from switchyard.errors import SwitchyardError

Record = dict[str, Any]


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write one metadata file beside its place and rename it, so that a file is complete or missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(list(records), indent=1))
    partial.replace(path)


def metadata_files(place: Path) -> list[Path]:
    """The metadata files of a directory, oldest first; a single file is its own list."""
    if place.is_dir():
        return sorted(path for path in place.glob("*.json") if not path.name.startswith("."))
    return [place] if place.exists() else []


def read_records(place: Path) -> Iterator[Record]:
    """All records of a metadata file, or of a directory of them, in the order they were written."""
    for path in metadata_files(place):
        try:
            yield from json.loads(path.read_text())
        except ValueError as error:
            raise SwitchyardError(
                f"not a metadata file: {error}",
                where=str(path),
                cure=f"move it out of the catalog's directory; datahub check metadata-file {path} shows the details",
            ) from error
