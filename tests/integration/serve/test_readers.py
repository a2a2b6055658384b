"""Acceptance 5: while loads are published in a loop, every query sees one version, whole; killed reads are retried."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from harness.cases import Case
from harness.matrix import record
from harness.readers import Reader, cache_reader, hive_reader, mongo_reader
from harness.servers import Servers
from harness.two_versions import ROWS, TwoVersions, select_rows
from switchyard.legs.steps import run_leg

PUBLISHES = 6


def publish(two: TwoVersions, number: int) -> None:
    """Two are whole loads from PostgreSQL, Sqoop and all; the others publish in Hive what was loaded, and serve it."""
    letter = "b" if number % 2 else "a"
    if number in (1, 4):
        two.case.sql("truncate t", f"insert into t {select_rows(letter)}")
        two.case.run("ingest")
    else:
        two.flip(letter)
    list(run_leg(two.case.runtime, "serve", two.case.flow()))
    assert two.shown() == letter


def test_every_reader_sees_whole_versions(new_case: Callable[..., Case], servers: Servers) -> None:
    two = TwoVersions.load(new_case("readers", serve={"indexes": [["x"]]}, cache={}))
    table = f"{two.case.name}.t"
    counts = {(ROWS, sum(d["_id"] for d in documents)): name for name, documents in two.documents.items()}

    def name_counts(rows: list[Any]) -> str:
        return counts.get(tuple(rows[0]), str(rows))

    readers = {
        "Hive, rows": hive_reader(servers, f"select id, x from {table}", two.name_rows),
        "Hive, aggregate": hive_reader(servers, f"select count(*), sum(id) from {table}", name_counts),
        "Hive, scan in a job": hive_reader(servers, f"select id, x from {table} order by x", two.name_rows),
        "MongoDB, documents": mongo_reader(servers, two.case.name, two.name),
        "MongoDB, another": mongo_reader(servers, two.case.name, two.name),
        "cache": cache_reader(two),
    }
    with contextlib.ExitStack() as stack:
        for reader in readers.values():
            stack.enter_context(reader)
        for number in range(PUBLISHES):
            publish(two, number + 1)
            for reader in readers.values():
                reader.wait_for(two.shown())
    for name, reader in readers.items():
        assert set(reader.seen) <= {"a", "b"}, f"{name}: a query saw what was never published"
        record("both", f"{PUBLISHES} publishes in a loop", f"reader: {name}", told(reader))
    assert two.case.version().seq == PUBLISHES + 2


def told(reader: Reader) -> str:
    return f"{reader.seen.total()} reads, never a mixture; {len(reader.order)} changes; {reader.retries} retried"
