"""The files of a version: counted by their footers, copied to this machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from switchyard.lake.hdfs import Hdfs
from switchyard.serve.documents.align import align_columns

if TYPE_CHECKING:
    import pyarrow.parquet as pq


def open_parquet(hdfs: Hdfs, path: str) -> pq.ParquetFile:
    """A Parquet file of HDFS, of which only what is asked for is read. Close it, or use it in a `with`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.ParquetFile(pa.PythonFile(hdfs.open(path), "r"))


def count_rows(hdfs: Hdfs, directories: Iterable[str]) -> int:
    """Rows of the Parquet files in these directories, by their footers."""
    paths = [file.path for directory in directories for file in hdfs.list_files(directory) if file.bytes]
    return sum(_count_file(hdfs, path) for path in paths)


def _count_file(hdfs: Hdfs, path: str) -> int:
    with open_parquet(hdfs, path) as file:
        return int(file.metadata.num_rows)


def download(hdfs: Hdfs, paths: Sequence[str], local: Path) -> list[Path]:
    """Copies of a version's files, with equal columns."""
    files = [file for number, path in enumerate(paths) for file in hdfs.download(path, local / f"{number:05d}")]
    return align_columns(files, local / "aligned")
