"""The local catalog: processes do not wait for each other, nothing is lost, and DataHub accepts every file."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from pathlib import Path

import pytest
from datahub.emitter.mcp import MetadataChangeProposalWrapper
from datahub.metadata.schema_classes import StatusClass

from switchyard.catalog import urns
from switchyard.catalog.files import metadata_files, read_records, write_records
from switchyard.catalog.sink import DirectoryEmitter
from switchyard.errors import SwitchyardError


def emit(directory: Path, label: str, flushes: int, each: int = 10) -> None:
    emitter = DirectoryEmitter(directory)
    for flush in range(flushes):
        for number in range(each):
            urn = urns.hive_table(label, f"t{flush}_{number}")
            emitter.emit(MetadataChangeProposalWrapper(entityUrn=urn, aspect=StatusClass(removed=False)))
        emitter.flush()


def test_a_thousand_records_take_no_minute(tmp_path: Path) -> None:
    started = time.monotonic()
    emit(tmp_path, "a", flushes=100)
    assert time.monotonic() - started < 5  # DataHub's file emitter: 84 s on the same machine
    assert len(list(read_records(tmp_path))) == 1000


def test_processes_write_side_by_side(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=emit, args=(tmp_path, f"w{n}", 20)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    urns = [record["entityUrn"] for record in read_records(tmp_path)]
    assert len(urns) == len(set(urns)) == 4 * 20 * 10
    assert not list(tmp_path.glob(".*"))


def test_nothing_is_written_without_records(tmp_path: Path) -> None:
    DirectoryEmitter(tmp_path / "catalog").flush()
    assert not (tmp_path / "catalog").exists()


def test_records_come_back_in_order_and_a_partial_file_is_not_read(tmp_path: Path) -> None:
    emit(tmp_path, "first", flushes=1, each=1)
    emit(tmp_path, "second", flushes=1, each=1)
    (tmp_path / ".killed.json.partial").write_text("[")
    assert ["first" in record["entityUrn"] for record in read_records(tmp_path)] == [True, False]


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "1-x.json").write_text("[{")
    with pytest.raises(SwitchyardError, match=r"1-x\.json"):
        list(read_records(tmp_path))


def test_datahub_accepts_the_exported_catalog(tmp_path: Path) -> None:
    emit(tmp_path / "catalog", "a", flushes=3)
    exported = tmp_path / "all.json"
    write_records(exported, read_records(tmp_path / "catalog"))
    check = subprocess.run(
        [Path(sys.executable).with_name("datahub"), "check", "metadata-file", exported],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "DATAHUB_TELEMETRY_ENABLED": "false"},
        check=False,
    )
    assert check.returncode == 0, check.stderr
    assert "30 MCEs found - all valid" in check.stdout
    assert len(metadata_files(tmp_path / "catalog")) == 3
