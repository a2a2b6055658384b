"""The stack's own promises, on real servers: idempotent, up again after a crash, on loopback only.

What kills servers does so in a stack of its own, which shares only the downloaded jars with the run's stack.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.matrix import members
from switchyard_stack.layout import Layout
from switchyard_stack.processes import find_ours, listening_addresses

_CORE = ("postgres", "redis", "mongo", "datanode")  # with the namenode: quick to start, and every kind of state


def run_stack(*arguments: str, state: Path | None = None, timeout: float = 400) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"SWITCHYARD_STATE": str(state)} if state else {})}
    if state:
        environment["SWITCHYARD_MAVEN_REPO"] = str(Layout.from_environment().maven_repository)
    command = [sys.executable, "-m", "switchyard_stack.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)


def services_of(state: Path) -> dict[str, int]:
    """Service → pid, of the processes that supervisord started itself."""
    ours = find_ours(state)
    boss = next((o.process.pid for o in ours if o.service == "supervisord"), 0)
    return {o.service: o.process.pid for o in ours if o.process.ppid() == boss}


@pytest.fixture(scope="module")
def private_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small stack that may be killed. pytest's directory is 0700: PostgreSQL's user cannot enter it by itself."""
    state = tmp_path_factory.mktemp("stack") / "st"
    started = run_stack("up", *_CORE, state=state)
    assert started.returncode == 0, started.stderr
    yield state
    assert run_stack("reset", "--yes", state=state).returncode == 0
    assert not find_ours(state)


def test_every_server_listens_on_loopback_only() -> None:
    """HDFS, metastore, HiveServer2 with Tez, and Airflow's where they run."""
    started = run_stack("up")
    assert started.returncode == 0, started.stderr
    listening = {name: listening_addresses(pid) for name, pid in services_of(Layout.from_environment().state).items()}
    assert {"postgres", "redis", "mongo", "namenode", "datanode", "metastore", "hiveserver2"} <= listening.keys()
    assert all(listening[name] for name in ("postgres", "namenode", "metastore", "hiveserver2"))
    elsewhere = {(name, address) for name, found in listening.items() for address in found if address[0] != "127.0.0.1"}
    assert not elsewhere


def test_no_secret_is_in_the_process_list() -> None:
    layout = Layout.from_environment()
    secrets = json.loads(layout.secrets_file.read_text()).values()
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        assert not any(secret in line for secret in secrets), process.name()


def test_queries_at_once_do_not_break_each_other() -> None:
    """With a Tez session per client, 6 of 16 such rounds ended in "Invalid input path": the stack lets queries wait."""
    assert run_stack("up", "hiveserver2").returncode == 0
    database, sessions, rows = f"stack_{uuid.uuid4().hex[:8]}", 3, 100_000
    with hive_cursor() as cursor:
        cursor.execute(f"create database {database}")
        with ThreadPoolExecutor(sessions) as pool:
            counts = list(pool.map(lambda number: copy_rows_twice(database, number, rows), range(sessions)))
        cursor.execute(f"drop database {database} cascade")
    assert counts == [(rows, number * rows, (number + 1) * rows - 1) for number in range(sessions)]


def copy_rows_twice(database: str, number: int, rows: int) -> tuple[int, int, int]:
    """Read text row by row, as a landing is read, and write Parquet; returns count, lowest and highest id."""
    text, parquet, purge = (
        f"{database}.t{number}",
        f"{database}.p{number}",
        "tblproperties ('external.table.purge'='true')",
    )
    with hive_cursor() as cursor:
        cursor.execute("set hive.vectorized.execution.enabled=false")
        cursor.execute(f"create external table {text} (id int) {purge}")
        numbers = f"select posexplode(split(space({rows // 1000 - 1}), ' '))"
        cursor.execute(
            f"insert into {text} select a.pos * 1000 + b.pos + {number * rows} from ({numbers}) a "
            "cross join (select posexplode(split(space(999), ' '))) b"
        )
        for _ in range(2):
            cursor.execute(f"drop table if exists {parquet}")
            cursor.execute(f"create external table {parquet} stored as parquet {purge} as select id from {text}")
        cursor.execute(f"select count(*), min(id), max(id) from {parquet}")
        return tuple(cursor.fetchone())


@contextmanager
def hive_cursor() -> Iterator[Any]:
    from impala.dbapi import connect

    port = json.loads(Layout.from_environment().ports_file.read_text())["hiveserver2"]
    with connect("127.0.0.1", port, auth_mechanism="NOSASL") as connection:
        yield connection.cursor()


def test_up_again_starts_nothing(private_state: Path) -> None:
    before = services_of(private_state)
    again = run_stack("up", *_CORE, state=private_state)
    assert again.returncode == 0, again.stderr
    assert services_of(private_state) == before
    assert "starting" not in again.stderr


@pytest.mark.parametrize("service", members(["postgres", "redis", "mongo", "namenode", "datanode"], ["namenode"]))
def test_up_after_kill_9_of_a_server(private_state: Path, service: str) -> None:
    before = services_of(private_state)
    os.kill(before[service], signal.SIGKILL)
    again = run_stack("up", *_CORE, state=private_state)
    assert again.returncode == 0, again.stderr
    after = services_of(private_state)
    assert {name for name in after if after[name] != before.get(name)} == {service}


def test_up_after_kill_9_of_supervisord(private_state: Path) -> None:
    before = services_of(private_state)
    supervisord = psutil.Process(before["redis"]).ppid()
    os.kill(supervisord, signal.SIGKILL)
    again = run_stack("up", *_CORE, state=private_state)
    assert again.returncode == 0, again.stderr
    after = services_of(private_state)
    assert not set(after.values()) & set(before.values())
    assert not [pid for pid in before.values() if psutil.pid_exists(pid)], "an orphan is left"


def test_up_after_kill_9_of_everything(private_state: Path) -> None:
    for ours in find_ours(private_state):
        os.kill(ours.process.pid, signal.SIGKILL)
    assert run_stack("up", *_CORE, state=private_state).returncode == 0


def test_up_while_a_killed_postmaster_is_still_in_the_process_table(private_state: Path) -> None:
    """Its pid is a process's until its parent asks how it ended: a container's first process may never ask."""
    postmaster = psutil.Process(services_of(private_state)["postgres"])
    owner = postmaster.uids().real
    postmaster.kill()
    lock = private_state / "data" / "postgres" / "postmaster.pid"
    _, *rest = lock.read_text().splitlines(keepends=True)
    assert run_stack("stop", "postgres", state=private_state).returncode == 0
    with subprocess.Popen(["true"], user=owner) as ended:
        lock.write_text("".join([f"{ended.pid}\n", *rest]))
        again = run_stack("up", "postgres", state=private_state)
    assert again.returncode == 0, again.stderr


def test_what_was_stopped_stays_down_and_status_says_so(private_state: Path) -> None:
    assert run_stack("stop", "redis", "--kill", state=private_state).returncode == 0
    time.sleep(1)
    assert "redis" not in services_of(private_state)
    status = run_stack("status", state=private_state)
    assert status.returncode == 1
    assert "dead" in next(line for line in status.stdout.splitlines() if "redis" in line)
    assert run_stack("start", "redis", state=private_state).returncode == 0


def test_a_foreign_holder_of_a_port_is_named(private_state: Path) -> None:
    port = json.loads((private_state / "ports.json").read_text())["redis"]
    assert run_stack("stop", "redis", state=private_state).returncode == 0
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        holder.listen()
        refused = run_stack("up", "redis", state=private_state)
    assert refused.returncode == 1
    assert str(port) in refused.stderr and f"pid {os.getpid()}" in refused.stderr
    assert run_stack("up", "redis", state=private_state).returncode == 0


def test_a_server_that_cannot_start_shows_its_log_and_a_cure(private_state: Path) -> None:
    assert run_stack("stop", "mongo", state=private_state).returncode == 0
    data = private_state / "data" / "mongo"
    aside = data.rename(data.with_name("aside"))
    data.write_text("not a directory")
    failed = run_stack("up", "mongo", state=private_state)
    data.unlink()
    aside.rename(data)
    assert failed.returncode == 1
    assert "SecantusDB" in failed.stderr and "stack logs mongo" in failed.stderr
    assert run_stack("up", "mongo", state=private_state).returncode == 0


def test_nothing_is_written_outside_the_state_directory(private_state: Path) -> None:
    """Every file that a server holds open is inside, but for the system's, the programs' and the jars."""
    allowed = (str(private_state), "/usr/", "/etc/", "/dev/", "/proc/", "/lib", "/sys/", "/run/", sys.prefix)
    for ours in find_ours(private_state):
        for file in ours.process.open_files():
            writable = getattr(file, "mode", "r") not in ("r", "rb")
            assert not writable or file.path.startswith(allowed), (ours.service, file.path)
