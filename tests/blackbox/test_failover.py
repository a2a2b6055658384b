"""D, acceptance 3: a source of several hosts. A standby, and a primary that fails over, never mix two servers' rows."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.outside.grounds import LEDGER, SOURCE, FlowUnderTest, Grounds
from harness.outside.replicated_postgres import PRIMARY, STANDBY, ReplicatedPostgres, open_replicated_postgres

pytestmark = pytest.mark.kin

ROWS = "id int primary key, v text, updated_at timestamptz not null default now()"
CLOCK = {"cursor": "updated_at", "cursor_clock": "database"}
WAITING_SQOOP = """
import os, pathlib, sys, time
pathlib.Path(os.environ["SQOOP_WAITS"]).touch()
while not os.path.exists(os.environ["SQOOP_MAY_GO_ON"]):
    time.sleep(0.1)
os.execvp("sqoop", ["sqoop", *sys.argv[1:]])
"""


@pytest.fixture
def servers() -> Iterator[ReplicatedPostgres]:
    """A primary and its standby; a test may let the standby take over."""
    with open_replicated_postgres() as replicated:
        yield replicated


def flow_over(
    grounds: Grounds, servers: ReplicatedPostgres, label: str, mode: str, host: str, asks: str
) -> FlowUnderTest:
    """A flow over three rows of these servers, by a connection of its own."""
    source = {"table": "public.t", **(CLOCK if mode != "replace" else {})}
    flow = grounds.flow(label, source=source, lake={"mode": mode})
    address = {"host": host, "port": servers.port, "login": "postgres", "password": "", "schema": "source"}
    grounds.connect(flow.name, like=SOURCE, **address, extra={"target_session_attrs": asks})
    flow.change(source={"connection": flow.name})
    servers.run(f"create table t ({ROWS})", "insert into t select n, 'of both' from generate_series(1, 3) n")
    servers.wait_for_replay()
    return flow


def values(flow: FlowUnderTest) -> list[tuple[object, ...]]:
    return flow.hive("order by id", what="id, v")


@pytest.mark.parametrize("asks", ["primary", "read-write", "any", "read-only", "standby", "prefer-standby"])
def test_a_whole_load_reads_the_server_that_was_asked_for(
    grounds: Grounds, servers: ReplicatedPostgres, asks: str
) -> None:
    flow = flow_over(grounds, servers, "asked", "replace", servers.hosts, asks)
    flow.ingest().require_success()
    assert flow.ids() == [1, 2, 3]
    assert flow.switchyard("diff", flow.name).succeeded


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_standby_is_no_source_by_cursor(grounds: Grounds, servers: ReplicatedPostgres, mode: str) -> None:
    """It does not show the transactions that are still open on the primary."""
    flow = flow_over(grounds, servers, "standby", mode, servers.hosts, "standby")
    flow.ingest().require_refusal("standby", "primary")
    assert flow.ids() == []


@pytest.mark.parametrize("mode", ["replace", "append", "merge"])
def test_a_failover_while_sqoop_starts_publishes_nothing(
    grounds: Grounds, servers: ReplicatedPostgres, mode: str, tmp_path: Path
) -> None:
    """The primary had a row more than the standby; what Sqoop was sent to is gone."""
    flow = flow_over(grounds, servers, "between", mode, servers.hosts, "primary")
    flow.ingest().require_success()
    servers.stop(STANDBY)
    servers.run("insert into t values (4, 'lost')")
    waits, may_go_on, program = tmp_path / "waits", tmp_path / "goes on", tmp_path / "sqoop.py"
    program.write_text(WAITING_SQOOP)
    environ = {
        "SWITCHYARD_SQOOP": shlex.join([sys.executable, str(program)]),
        "SQOOP_WAITS": str(waits),
        "SQOOP_MAY_GO_ON": str(may_go_on),
    }
    with ThreadPoolExecutor() as pool:
        running = pool.submit(flow.run, "run", "ingest", flow.name, **environ)
        while not waits.exists() and not running.done():
            time.sleep(0.1)
        servers.stop(PRIMARY)
        servers.start(STANDBY)
        servers.run("select pg_promote()", host=STANDBY)
        servers.run("insert into t values (4, 'of the standby')", host=STANDBY)
        may_go_on.touch()
        running.result().require_refusal(PRIMARY)
    assert values(flow) == [(1, "of both"), (2, "of both"), (3, "of both")]


def test_a_load_that_was_planned_before_a_failover_is_not_read_after_it(
    grounds: Grounds, servers: ReplicatedPostgres
) -> None:
    """Nothing was lost here, and even so the rows would be those of another server's snapshot."""
    flow = flow_over(grounds, servers, "planned", "replace", servers.hosts, "primary")
    planned = flow.switchyard("step", "ingest", "plan", "--flow", flow.name).require_success()
    load = json.loads(planned.lines[-1])["load_id"]
    servers.take_over()
    flow.run("step", "ingest", "land", "--load", load).require_refusal("another server", "a primary")
    flow.ingest().require_success()
    assert flow.ids() == [1, 2, 3]


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_rows_that_a_failover_lost_are_not_published_as_the_sources(
    grounds: Grounds, servers: ReplicatedPostgres, mode: str
) -> None:
    """The lake has a row that the new primary never had; its own row of that key is newer than the bookmark, or not."""
    flow = flow_over(grounds, servers, "lost", mode, servers.hosts, "primary")
    servers.stop(STANDBY)
    servers.run("insert into t values (4, 'lost'), (5, 'lost')")
    flow.ingest().require_success()
    assert flow.ids() == [1, 2, 3, 4, 5]
    servers.stop(PRIMARY)
    servers.start(STANDBY)
    servers.run("select pg_promote()", host=STANDBY)
    servers.run("insert into t values (4, 'of the standby')", host=STANDBY)
    flow.ingest().require_refusal("a standby took over the source", "--trust-bookmark", "switchyard diff")
    assert flow.ids() == [1, 2, 3, 4, 5]
    assert flow.switchyard("diff", flow.name, "--between", "postgres-hive").code == 3
    flow.switchyard("run", "ingest", flow.name, "--trust-bookmark").require_success()
    flow.ingest().require_success()


def test_a_ledger_of_two_hosts_goes_on_after_a_failover(grounds: Grounds, servers: ReplicatedPostgres) -> None:
    flow = grounds.flow("ledgers", "id int primary key")
    flow.sql("insert into {t} values (1)")
    before = dict(grounds.connections[LEDGER])
    address = {"host": servers.hosts, "port": servers.port, "login": "postgres", "password": "", "schema": "source"}
    grounds.connect(LEDGER, **address, extra={"target_session_attrs": "primary"})
    try:
        flow.ingest().require_success()
        servers.wait_for_replay()
        servers.take_over()
        flow.sql("insert into {t} values (2)")
        flow.ingest().require_success()
        assert flow.ids() == [1, 2]
        grounds.connect(LEDGER, extra={"target_session_attrs": "standby"})
        flow.ingest().require_refusal("ledger")
    finally:
        grounds.connections[LEDGER] = before
        grounds.connect(LEDGER)
