"""Kill -9 at every named step of the ingest leg; whatever was left, the old version is read, and the next run is right.

Acceptance 6. The worker is a process of its own, `switchyard run`, stopped at the named moment and then killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cases import Case
from harness.checkout import CHECKOUT
from harness.matrix import record
from harness.readers import Reader, hive_reader
from harness.servers import Servers
from harness.stop_points import SourceStop, ledger_stop, sqoop_of, wait_for
from harness.wires import WireStop

pytestmark = pytest.mark.fault

ROWS = 3000
LAST_SEQ = 0


@pytest.fixture(scope="module")
def source(module_case: Callable[..., Case]) -> SourceStop:
    """A flow that is published once, with v = 1 in all its rows."""
    case = module_case("kill")
    held = SourceStop(case)
    case.run("ingest")
    return held


@pytest.fixture
def case(source: SourceStop, servers: Servers) -> Iterator[Case]:
    """The flow, its rows at the source changed to the next version; read by Hive all the while, whole each time."""
    case = source.case
    before = shown(case)
    case.sql("update t set v = v + 1")
    reader = hive_reader(servers, f"select id, v from {case.name}.t", summary, pause=0.5)
    with reader:
        yield case
    assert set(reader.seen) <= {(ROWS, before), (ROWS, before + 1)}, "each read is of one version, whole"
    assert reader.order == sorted(reader.order), "nobody went back to the old version"


def summary(rows: list[tuple[int, int]]) -> tuple[int, int | tuple[int, ...]]:
    versions = {v for _, v in rows}
    return len({i for i, _ in rows}), versions.pop() if len(versions) == 1 else tuple(sorted(versions))


def shown(case: Case) -> int:
    """The version that Hive shows, whole."""
    rows, version = summary(case.hive(what="id, v"))
    assert rows == ROWS
    return version


def at_source(case: Case) -> int:
    return case.sql("select max(v) from t")[0][0]


def worker(case: Case, **environ: str) -> subprocess.Popen[str]:
    return case.start("run", "ingest", case.name, **environ)


def kill(child: subprocess.Popen[str]) -> None:
    assert child.poll() is None, f"it ended before it could be killed:\n{child.stdout and child.stdout.read()}"
    child.send_signal(signal.SIGKILL)
    child.wait()


def rerun(case: Case) -> None:
    """The next run, as a person would start it: right, and nothing of the killed one is left or read."""
    killed = [load.load_id for load in case.loads("ingest")]
    code, said = case.switchyard("run", "ingest", case.name)
    assert code == 0, said
    assert shown(case) == at_source(case)
    assert set(case.states("ingest")) <= {"published", "abandoned"}
    staged = [row[0] for row in case.servers.hive("show tables in switchyard_staging")]
    assert [table for table in staged if any(load in table for load in killed)] == [], "staging tables are dropped"
    published = {load.location for load in case.loads("ingest") if load.state == "published"}
    stray = [path for path in case.files() if path.rsplit("/", 1)[0] not in published]
    assert stray == [], "only versions are left in HDFS"
    assert list((case.directory / "scratch").iterdir()) == [], "no copy and no password file is left on this machine"


@contextlib.contextmanager
def at_ledger(case: Case, state: str) -> Iterator[Callable[[], bool]]:
    with ledger_stop(case, state) as stop:
        yield stop.is_reached


@contextlib.contextmanager
def at_wire(case: Case, conn_id: str, pattern: bytes, when: Any) -> Iterator[Callable[[], bool]]:
    with WireStop(case, conn_id, pattern, when) as stop:
        yield stop.reached.is_set


BEFORE_THE_PUBLISH = {
    "landed, not in the ledger": lambda case: at_ledger(case, "landed"),
    "before Hive gets the INSERT": lambda case: at_wire(case, "lake_hive", b"insert overwrite", "before"),
    "while Hive runs the INSERT": lambda case: at_wire(case, "lake_hive", b"insert overwrite", "after"),
    "converted, not in the ledger": lambda case: at_ledger(case, "converted"),
    "proved, not in the ledger": lambda case: at_ledger(case, "proved"),
    "before `publishing` is in the ledger": lambda case: at_ledger(case, "publishing"),
}


@pytest.mark.kin
def test_killed_anywhere_before_the_publish(case: Case) -> None:
    """Each run finds what the one before left, and is killed one step later; then one is left alone."""
    old = shown(case)
    for moment, stop_at in BEFORE_THE_PUBLISH.items():
        with stop_at(case) as reached:
            child = worker(case)
            wait_for(lambda: reached() or child.poll() is not None, moment)  # noqa: B023 - used at once
            kill(child)
        assert shown(case) == old
        record("ingest", moment, "kill -9", "old version read; next run right")
    rerun(case)
    assert shown(case) == old + 1
    assert case.states("ingest")[-7:] == ["abandoned"] * 6 + ["published"]


@pytest.mark.kin
def test_killed_after_publishing_is_written_before_the_metastore_hears(case: Case) -> None:
    old = shown(case)
    with at_wire(case, "lake_metastore", b"alter_table_with_environment_context", "before") as reached:
        child = worker(case)
        wait_for(lambda: reached() or child.poll() is not None, "the metastore call")
        kill(child)
    assert (shown(case), case.states("ingest")[-1]) == (old, "publishing")
    rerun(case)
    assert case.states("ingest")[-2:] == ["published", "published"], "the proved load is published, then the new one"
    record("ingest", "`publishing` written, metastore not called", "kill -9", "next run publishes it, then its own")


def test_killed_between_the_metastore_call_and_the_ledger(case: Case) -> None:
    """Acceptance 6, the last part."""
    old = shown(case)
    with at_wire(case, "lake_metastore", b"alter_table_with_environment_context", "after") as reached:
        child = worker(case)
        wait_for(lambda: reached() or child.poll() is not None, "the metastore's answer")
        kill(child)
    assert (shown(case), case.states("ingest")[-1]) == (old + 1, "publishing")
    seq = case.version().seq
    rerun(case)
    assert case.states("ingest")[-2:] == ["published", "published"]
    assert case.version().seq == seq + 1
    record("ingest", "between metastore call and ledger", "kill -9", "new version read; next run records it")


@pytest.mark.kin
def test_the_sqoop_jvm_is_killed(source: SourceStop, case: Case) -> None:
    old = shown(case)
    stop = source.hold()
    child = worker(case)
    wait_for(stop.is_reached, "Sqoop in the middle of the rows")
    sqoop_of(case).kill()
    said, _ = child.communicate()
    source.let_pass()
    stop.release()
    assert child.returncode == 1
    assert "Sqoop was killed by signal 9" in said
    assert "nothing was published; repeat your command" in said
    assert shown(case) == old
    rerun(case)
    record("ingest", "while Sqoop writes", "kill -9 of the Sqoop JVM", "error says so; next run right")


@pytest.mark.kin
def test_the_worker_is_killed_and_its_sqoop_goes_on(source: SourceStop, case: Case, tmp_path: Path) -> None:
    """The orphan writes on in its own try, before and after the next run's publish, and is read by nobody."""
    old = shown(case)
    stop = source.hold()
    detached = f"{os.sys.executable} {CHECKOUT / 'tests' / 'harness' / 'detached_sqoop.py'}"
    child = worker(case, SWITCHYARD_SQOOP=detached, SQOOP_LOG=str(tmp_path / "sqoop.log"))
    wait_for(stop.is_reached, "Sqoop in the middle of the rows")
    orphan = sqoop_of(case)
    kill(child)
    assert orphan.is_running()
    source.let_pass()
    assert shown(case) == old
    code, said = case.switchyard("run", "ingest", case.name)
    assert code == 0, said
    assert shown(case) == old + 1
    assert orphan.is_running()
    stop.release()
    wait_for(lambda: not orphan.is_running() or orphan.status() == "zombie", "the orphan to end")
    assert shown(case) == old + 1
    rerun(case)
    record("ingest", "while Sqoop writes", "kill -9 of the worker, Sqoop goes on", "harmless; cleaned by the next run")


def test_killed_with_its_sqoop(source: SourceStop, case: Case) -> None:
    """On one machine the kernel ends Sqoop with its worker: no orphan is left."""
    stop = source.hold()
    child = worker(case)
    wait_for(stop.is_reached, "Sqoop in the middle of the rows")
    sqoop = sqoop_of(case)
    kill(child)
    wait_for(lambda: not sqoop.is_running(), "Sqoop to end with its worker", 30)
    source.let_pass()
    stop.release()
    rerun(case)
    record("ingest", "while Sqoop writes", "kill -9 of the worker", "Sqoop ends with it; next run right")


def test_two_runs_at_once(source: SourceStop, case: Case) -> None:
    """The second fails at once and names the owner; the first is not disturbed."""
    stop = source.hold()
    first = worker(case)
    wait_for(stop.is_reached, "the first run at work")
    code, said = case.switchyard("run", "ingest", case.name)
    assert code == 1
    load = case.loads("ingest")[0].load_id
    assert f"flow {case.name}, leg ingest: load {load}, run by switchyard run, process {first.pid} on" in said
    assert "is at work" in said
    source.let_pass()
    stop.release()
    assert first.wait(120) == 0
    assert shown(case) == at_source(case)
    record("ingest", "another run at work", "second run", "refused at once, names the owner; first one publishes")


def test_readers_are_real(servers: Servers, case: Case) -> None:
    """The summary tells a mixed read from a whole one."""
    assert summary([(1, 1), (2, 2)]) == (2, (1, 2))
    assert isinstance(hive_reader(servers, "select 1"), Reader)
