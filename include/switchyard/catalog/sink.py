"""The local catalog: a directory of metadata files, one per flush, each complete or missing.

DataHub's own file emitter reads and writes its whole file for every record (1,000 records: 84 s). Here a process
keeps what it emits in memory until the listener flushes, and then writes one new file by rename: processes never
wait for each other, and every file alone passes `datahub check metadata-file`.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datahub.emitter.generic_emitter import Emitter
from datahub.emitter.mcp import MetadataChangeProposalWrapper
from datahub.metadata.schema_classes import MetadataChangeEventClass, MetadataChangeProposalClass

from switchyard.catalog.files import write_records

Record = MetadataChangeEventClass | MetadataChangeProposalClass | MetadataChangeProposalWrapper

_numbers = itertools.count()


class DirectoryEmitter(Emitter):
    """Keeps records in memory, and writes those since the last `flush` as one file of the directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._pending: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def emit(self, item: Record, callback: Callable[[Any, str], None] | None = None) -> None:
        """Keep one record until the next flush."""
        record = (
            item.to_obj(simplified_structure=True) if isinstance(item, MetadataChangeProposalWrapper) else item.to_obj()
        )
        with self._lock:
            self._pending.append(record)
        if callback is not None:
            callback(None, "kept until flush")

    def flush(self) -> None:
        """Write the kept records, if any."""
        with self._lock:
            records = self._pending
            self._pending = []
        if records:
            write_records(self.directory / file_name(), records)

    def __repr__(self) -> str:
        return f"DirectoryEmitter({str(self.directory)!r})"


def file_name(kind: str = "emitted") -> str:
    """Return a name that sorts by time and that no other process makes."""
    return f"{time.time_ns()}-{kind}-{os.getpid()}-{next(_numbers)}.json"
