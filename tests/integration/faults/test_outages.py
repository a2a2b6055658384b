"""Acceptance 7: a server that is down, a wrong password, a full disk: an error that names the connection and the cure.

Wrong ports and passwords come in a secrets file of one run, so that nobody else's server is stopped. What only a real
stop can show is in test_stopped_servers.py.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.cases import Case
from harness.matrix import members, record
from harness.servers import Servers

pytestmark = pytest.mark.fault

WRONG = "hunter2-wrong"
NOBODY = {"port": 1}
FAULTS: dict[str, tuple[str, str, dict[str, Any], list[str]]] = {
    "PostgreSQL down": ("ingest", "powergrid_postgres", NOBODY, ["refused", "check that the server runs"]),
    "PostgreSQL, wrong password": (
        "ingest", "powergrid_postgres", {"password": WRONG}, ["password authentication failed", "login and password"],
    ),
    "PostgreSQL, no such database": ("ingest", "powergrid_postgres", {"schema": "nope"}, ['"nope" does not exist']),
    "PostgreSQL, no such host": ("ingest", "powergrid_postgres", {"host": "nohost.invalid"}, ["nohost.invalid"]),
    "ledger down": ("ingest", "switchyard_ledger", NOBODY, ["the ledger", "refused", "start the server"]),
    "ledger, wrong password": (
        "ingest", "switchyard_ledger", {"password": WRONG}, ["the ledger", "password authentication failed"],
    ),
    "metastore down": ("ingest", "lake_metastore", NOBODY, ["does not answer", "check that the metastore runs"]),
    "HDFS down": ("ingest", "lake_hdfs", NOBODY, ["could not write to HDFS at 127.0.0.1:1", "check that NameNode"]),
    "HiveServer2 down": ("ingest", "lake_hive", NOBODY, ["does not answer", "check that HiveServer2 runs"]),
    "ledger down ": ("serve", "switchyard_ledger", NOBODY, ["the ledger", "refused"]),
    "metastore down ": ("serve", "lake_metastore", NOBODY, ["does not answer", "check that the metastore runs"]),
    "HDFS down ": ("serve", "lake_hdfs", NOBODY, ["the NameNode at 127.0.0.1:1 does not answer", "start it"]),
    "MongoDB down": ("serve", "powergrid_mongo", NOBODY, ["does not answer", "start it, or correct host and port"]),
    "MongoDB, wrong password": (
        "serve", "powergrid_mongo", {"password": WRONG}, ["refused user", "correct login, password"],
    ),
    "Redis down": ("serve", "powergrid_redis", NOBODY, ["Redis", "start it"]),
    "Redis, wrong password": ("serve", "powergrid_redis", {"password": WRONG}, ["Redis", "password"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def loaded(module_case: Callable[..., Case]) -> Iterator[Case]:
    """Published and served once; the source has changed since; at the end, all is well again."""
    case = module_case("outage", serve={}, cache={})
    case.sql("create table t (id int primary key, x text)", "insert into t values (1, 'old')")
    case.both()
    assert case.cache().get(1) == {"_id": 1, "id": 1, "x": "old"}
    case.sql("update t set x = 'new'")
    yield case
    case.both()
    assert case.hive() == [(1, "new")]
    assert case.documents() == [{"_id": 1, "id": 1, "x": "new"}]
    assert case.cache().get(1) == {"_id": 1, "id": 1, "x": "new"}


@pytest.fixture
def wants_serving(loaded: Case) -> Case:
    """A version of the table waits to be served."""
    if loaded.version().seq == 1:
        loaded.sql("update t set x = 'newer'")
        loaded.run("ingest")
        loaded.sql("update t set x = 'new'")
    return loaded


def assert_untouched(case: Case, leg: str, before: Any) -> None:
    assert (case.version(), case.documents()) == before
    assert case.cache().get(1) == case.documents()[0]


AGAIN = ("ledger down ", "metastore down ", "HDFS down ", "PostgreSQL, no such host")
"""The server's other leg, or another way to reach nobody."""


@pytest.mark.parametrize("fault", members(FAULTS, [fault for fault in FAULTS if fault not in AGAIN]))
def test_a_fault_names_its_connection_and_its_cure(loaded: Case, request: pytest.FixtureRequest, fault: str) -> None:
    leg, conn_id, fields, said_of_it = FAULTS[fault]
    if leg == "serve":
        request.getfixturevalue("wants_serving")
    before = loaded.version(), loaded.documents()
    loaded.override(conn_id, **fields)
    try:
        code, said = loaded.switchyard("run", leg, loaded.name)
    finally:
        loaded.restore(conn_id)
    assert code == 1, said
    error = said[said.index("error: ") :]
    assert f"connection {conn_id}" in error.split("\n")[0]
    assert [part for part in said_of_it if part not in error] == [], error
    assert re.search(r"\n  → ", error), "what to do next"
    assert "Traceback" not in said
    assert WRONG not in said
    assert_untouched(loaded, leg, before)
    record(leg, "any", fault.strip(), error.split("\n")[0][7:110])


def test_a_connection_that_is_not_there_is_named(new_case: Callable[..., Case]) -> None:
    case = new_case("noconn", source={"connection": "nowhere_postgres"})
    code, said = case.switchyard("run", "ingest", case.name)
    assert code == 1
    assert "connection nowhere_postgres: it is neither in the secrets file nor in AIRFLOW_CONN_" in said
    assert "set AIRFLOW_CONN_NOWHERE_POSTGRES" in said, "a shell does not see what Airflow's database has"


@pytest.mark.parametrize(
    ("step", "directory"),
    [("land", "/lake/_staging/{}"), pytest.param("convert", "/lake/{}/t", marks=pytest.mark.kin)],
)
def test_a_full_disk(loaded: Case, servers: Servers, step: str, directory: str) -> None:
    """A space quota is a disk that is full for one directory; HDFS refuses the block in the same way."""
    before = loaded.version(), loaded.documents()
    path = directory.format(loaded.name)
    servers.webhdfs("MKDIRS", path, "PUT")
    servers.webhdfs("SETQUOTA", path, "PUT", storagespacequota=2_000_000)
    try:
        code, said = loaded.switchyard("run", "ingest", loaded.name)
    finally:
        servers.webhdfs("SETQUOTA", path, "PUT", storagespacequota=-1)
    assert code == 1, said
    error = said[said.index("error: ") :]
    assert "DiskSpace quota" in error
    assert "connection lake_h" in error
    assert "space" in error[error.index("→") :]
    assert_untouched(loaded, "ingest", before)
    record("ingest", step, "HDFS has no space", error.split("\n")[0][7:110])


def test_no_port_of_the_tests_is_in_use() -> None:
    """Port 1 must be nobody's, or the faults above prove nothing."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 1), 1)
