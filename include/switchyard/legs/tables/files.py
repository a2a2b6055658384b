"""The files of a version: counted by their footers, copied to this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from switchyard.lake.hdfs import Hdfs
from switchyard.serve.documents.align import align_columns


def count_rows(hdfs: Hdfs, location: str) -> int:
    """Rows of a directory's Parquet files, by their footers."""
    import pyarrow.parquet as pq

    files = [hdfs.open(file.path) for file in hdfs.list_files(location) if file.bytes]
    return sum(int(pq.read_metadata(cast(Any, file)).num_rows) for file in files)


def download(hdfs: Hdfs, paths: Sequence[str], local: Path) -> list[Path]:
    """Copies of a version's files, with equal columns."""
    files = [file for number, path in enumerate(paths) for file in hdfs.download(path, local / f"{number:05d}")]
    return align_columns(files, local / "aligned")
