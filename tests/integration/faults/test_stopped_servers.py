"""Servers killed in the middle of a step: the run says whose connection it was, and after their return it is right.

These stop servers of the stack that others use, so they run alone: `pytest -m outage`, without xdist.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from harness.cases import Case
from harness.matrix import members, record
from harness.servers import Servers
from harness.stop_points import SourceStop, wait_for
from harness.two_versions import TwoVersions
from harness.wires import WireStop

pytestmark = [pytest.mark.outage, pytest.mark.fault]


@pytest.fixture(scope="module", autouse=True)
def alone() -> None:
    """Refuse to stop servers under other tests."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        pytest.fail("these tests stop servers: run them alone, `pytest -m outage`", pytrace=False)


def stack(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "switchyard_stack.cli", *arguments], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def killed(*services: str) -> Iterator[None]:
    """Kill -9 servers now; they are back, and healthy, at the end."""
    for service in services:
        stack("stop", service, "--kill")
    try:
        yield
    finally:
        stack("up")


def end(child: subprocess.Popen[str]) -> str:
    """The error that a run ended with: one that names a connection, says what next, and is no traceback."""
    said, _ = child.communicate(timeout=240)
    assert child.returncode == 1, said
    assert "Traceback" not in said
    error = said[said.index("error: ") :]
    assert "\n  → " in error
    return error


@pytest.fixture(scope="module")
def source(module_case: Callable[..., Case]) -> SourceStop:
    case = module_case("stopped")
    held = SourceStop(case)
    case.run("ingest")
    return held


@pytest.fixture(scope="module")
def two(module_case: Callable[..., Case]) -> TwoVersions:
    return TwoVersions.load(module_case("served", serve={}, cache={"negative": "5m"}))


def assert_ingest_recovers(case: Case, old: int) -> None:
    """The old version is what Hive shows, and the next run is right."""
    case.servers.forget_hive()
    assert case.hive(what="distinct v") == [(old,)]
    code, said = case.switchyard("run", "ingest", case.name)
    assert code == 0, said
    assert case.hive(what="count(*), min(v), max(v)") == [(3000, old + 1, old + 1)]


def next_version(case: Case) -> int:
    old = case.sql("select max(v) from t")[0][0]
    case.sql("update t set v = v + 1")
    return old


@pytest.mark.kin
@pytest.mark.parametrize("service", ["datanode", "namenode"])
def test_hdfs_is_killed_while_sqoop_writes(source: SourceStop, service: str) -> None:
    case, old = source.case, next_version(source.case)
    stop = source.hold()
    child = case.start("run", "ingest", case.name)
    wait_for(stop.is_reached, "Sqoop in the middle of the rows")
    with killed(service):
        source.let_pass()
        stop.release()
        error = end(child)
    assert "connection lake_hdfs" in error
    assert_ingest_recovers(case, old)
    record("ingest", "while Sqoop writes", f"kill -9 of the {service}", error.split("\n")[0][7:110])


def test_postgresql_is_killed_while_sqoop_reads(source: SourceStop) -> None:
    """Source, ledger and metastore database at once."""
    case, old = source.case, next_version(source.case)
    stop = source.hold()
    child = case.start("run", "ingest", case.name)
    wait_for(stop.is_reached, "Sqoop in the middle of the rows")
    with killed("postgres"):
        error = end(child)
    source.let_pass()
    assert "connection powergrid_postgres" in error or "connection switchyard_ledger" in error
    assert_ingest_recovers(case, old)
    record("ingest", "while Sqoop reads", "kill -9 of PostgreSQL", error.split("\n")[0][7:110])


@pytest.mark.kin
def test_hiveserver2_is_killed_while_it_converts(source: SourceStop) -> None:
    case, old = source.case, next_version(source.case)
    with WireStop(case, "lake_hive", b"insert overwrite", "after") as stop:
        child = case.start("run", "ingest", case.name)
        wait_for(lambda: stop.reached.is_set() or child.poll() is not None, "the INSERT")
        assert child.poll() is None, child.stdout.read()
        with killed("hiveserver2"):
            stop.cut()
            error = end(child)
    assert "connection lake_hive" in error
    assert_ingest_recovers(case, old)
    record("ingest", "while Hive converts", "kill -9 of HiveServer2", error.split("\n")[0][7:110])


def test_the_metastore_is_killed_before_it_hears_of_the_publish(source: SourceStop) -> None:
    case, old = source.case, next_version(source.case)
    with WireStop(case, "lake_metastore", b"alter_table_with_environment_context", "before") as stop:
        child = case.start("run", "ingest", case.name)
        wait_for(lambda: stop.reached.is_set() or child.poll() is not None, "the metastore call")
        assert child.poll() is None, child.stdout.read()
        with killed("metastore"):
            stop.cut()
            error = end(child)
    assert "connection lake_metastore" in error
    assert_ingest_recovers(case, old)
    record("ingest", "publish", "kill -9 of the metastore", error.split("\n")[0][7:110])


SERVE = {
    "MongoDB, while the staging is written": ("mongo", "powergrid_mongo", b"insert", "before"),
    "MongoDB, in the rename": ("mongo", "powergrid_mongo", b"renameCollection", "after"),
    "Redis, before the invalidation": ("redis", "powergrid_redis", b"UNLINK", "before"),
}


FIRST = ("MongoDB, in the rename", "Redis, before the invalidation")


@pytest.mark.parametrize("fault", members(SERVE, FIRST))
def test_a_server_is_killed_while_the_serve_leg_uses_it(two: TwoVersions, servers: Servers, fault: str) -> None:
    service, conn_id, pattern, when = SERVE[fault]
    two.case.run("serve")
    new = "b" if two.shown() == "a" else "a"
    cache = two.case.cache()
    keys = range(62)
    for key in keys:
        cache.get(key)
    two.flip(new)
    with WireStop(two.case, conn_id, pattern, when) as stop:
        child = two.case.start("run", "serve", two.case.name)
        wait_for(lambda: stop.reached.is_set() or child.poll() is not None, fault)
        assert child.poll() is None, child.stdout.read()
        with killed(service):
            stop.cut()
            error = end(child)
    assert f"connection {conn_id}" in error
    assert two.shown() in ("a", "b")
    cache = two.case.cache()
    stored = {document["_id"]: document for document in two.case.documents()}
    assert [cache.get(key) for key in keys] == [stored.get(key) for key in keys]
    code, said = two.case.switchyard("run", "serve", two.case.name)
    assert code == 0, said
    assert two.shown() == new
    stored = {document["_id"]: document for document in two.case.documents()}
    for _ in range(2):
        assert [cache.get(key) for key in keys] == [stored.get(key) for key in keys]
    assert cache.counters().hits >= len(keys)
    record("serve", fault.split(", ")[1], f"kill -9 of {fault.split(',')[0]}", error.split("\n")[0][7:110])
