"""A version whose files are not those that were proved: Hive reads what is left of them, and says nothing.

A directory that is gone is read as an empty one, and so are the rows of a file that somebody deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from switchyard.errors import ReconcileMismatch, TruthConflict
from switchyard.flow.cures import run_again
from switchyard.flow.spec import Flow
from switchyard.lake.hdfs import Hdfs
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.loads import Load
from switchyard.ledger.results import Proved, Selected, ServePlanned

_READERS = 16
"""Calls at once. Each partition has a parent directory of its own, so a listing for each parent would be as many calls;
one listing of the table's root does not say what is in them. 2,000 partitions: 0.29 s (8 at once: 0.33 s; seen)."""
_NAMED = 3


@dataclass(frozen=True)
class ProvedDirectory:
    """A directory as it was when its load was proved. `bytes` of its data files, `rows`: None when nobody knows."""

    path: str
    bytes: int | None = None
    rows: int | None = None

    def fault(self, size: int | None) -> str:
        """What is wrong with it, when this is its size now (None: it is not there); empty when nothing is."""
        if size is None:
            return f"{self.path} is not in HDFS"
        if self.bytes is not None and size != self.bytes:
            return f"the files in {self.path} have {size} bytes, and had {self.bytes} when they were proved"
        if self.bytes is None and size == 0 and (self.rows or 0) > 0:
            return f"{self.path} is empty, and had {self.rows} rows"
        return ""


def directories_of(version: TableVersion, load: Load | None) -> tuple[ProvedDirectory, ...]:
    """The directories that a version shows; `load`: the one that it names, as the ledger has it.

    Of a load that the ledger does not know, or that proved nothing, the table itself says how many rows it has.
    """
    if version.partitioned:
        return tuple(ProvedDirectory(part.path, part.bytes, part.rows) for part in version.chain)
    proved_bytes, rows = _counted(load)
    return (ProvedDirectory(version.path, proved_bytes, version.rows if rows is None else rows),)


def landing_of(load: Load) -> ProvedDirectory:
    """The directory that a proved load wants to show."""
    proved_bytes, rows = _counted(load)
    return ProvedDirectory(load.location or "", proved_bytes, rows)


def _counted(load: Load | None) -> tuple[int | None, int | None]:
    """Bytes and rows by a load's proof. A load that a rebuild knows by its rows alone has 0 bytes."""
    selected = load.find_result(Selected) if load is not None else None
    if selected is not None:
        return selected.bytes, selected.rows
    proved = load.find_result(Proved) if load is not None else None
    if proved is None:
        return None, None
    return (None if proved.hive_bytes == 0 and proved.hive_rows > 0 else proved.hive_bytes), proved.hive_rows


def find_faults(size_of: Callable[[str], int | None], directories: Sequence[ProvedDirectory]) -> tuple[str, ...]:
    """What is wrong with these directories, a sentence each; `size_of` asks HDFS."""
    with ThreadPoolExecutor(_READERS) as readers:
        sizes = list(readers.map(size_of, [directory.path for directory in directories]))
    faults = (directory.fault(size) for directory, size in zip(directories, sizes, strict=True))
    return tuple(fault for fault in faults if fault)


def version_faults(hdfs: Hdfs, version: TableVersion | None, load: Load | None) -> tuple[str, ...]:
    """What is wrong with the files of the version that a table shows, a sentence for each directory."""
    if version is None or version.seq < 1:
        return ()
    return find_faults(hdfs.size_of, directories_of(version, load))


def described(version: TableVersion, faults: Sequence[str]) -> str:
    """The faults of a version in one sentence."""
    unnamed = len(faults) - _NAMED
    more = f"; and {unnamed} more" if unnamed > 0 else ""
    return (
        f"Hive table {version.name} reads {len(version.paths)} directories, and in {len(faults)} of them files are "
        f"missing or were changed since Switchyard loaded them: {'; '.join(faults[:_NAMED])}{more}"
    )


def require_files(hdfs: Hdfs, flow: Flow, version: TableVersion, load: Load | None) -> None:
    """Raise TruthConflict when files of a version are gone or others: what is made of it would lack their rows.

    `load`: the one that the version names, as the ledger has it.
    """
    faults = version_faults(hdfs, version, load)
    if faults:
        again = "" if flow.lake.mode == "replace" else " --from-beginning"
        drop = "" if flow.lake.mode == "replace" else "drop the table (no file is deleted) and "
        raise TruthConflict(
            described(version, faults),
            where=f"flow {flow.flow}",
            cure="nothing was changed; 1. restore the files from HDFS's trash, a snapshot or a backup; or, if the "
            "metastore was set back, restore its newest backup\n"
            f"    2. or go back to a version whose files exist: switchyard rollback {flow.flow}\n"
            f"    3. or {drop}load everything again: switchyard run ingest {flow.flow}{again}",
        )


def require_pinned(hdfs: Hdfs, load: Load) -> None:
    """Raise ReconcileMismatch when the files that a serve load was planned on are gone or others.

    Call it when they were read, so that what was deleted before or meanwhile is not missed.
    """
    faults = find_faults(hdfs.size_of, pinned_directories(load))
    if faults:
        raise ReconcileMismatch(
            f"files of the version that load {load.load_id} serves changed while it was prepared: {faults[0]}",
            where=f"flow {load.flow}, leg {load.leg}",
            cure="nothing was published; find who writes or deletes files below lake.root; then "
            f"{run_again(load.leg, load.flow)}, which says what can be done if they are gone",
        )


def pinned_directories(load: Load) -> tuple[ProvedDirectory, ...]:
    """The directories that a serve load reads, with their bytes; none when an earlier release did not say these."""
    planned = load.result(ServePlanned)
    if planned.paths is None:
        return (landing_of(load),)
    sizes = planned.bytes or [None] * len(planned.paths)
    return tuple(ProvedDirectory(path, size) for path, size in zip(planned.paths, sizes, strict=True))


def require_landing(hdfs: Hdfs, load: Load, proved: ProvedDirectory | None = None) -> None:
    """Raise ReconcileMismatch when a proved load's files are not those that were proved: it must not be shown.

    `proved`: its directory, where the ledger does not know it yet.
    """
    faults = find_faults(hdfs.size_of, [proved or landing_of(load)])
    if faults:
        raise ReconcileMismatch(
            f"load {load.load_id} was proved, and its files changed before it was published: {faults[0]}",
            where=f"flow {load.flow}, leg {load.leg}",
            cure="nothing was published; find who writes or deletes files below lake.root; then "
            f"{run_again(load.leg, load.flow)}",
        )
