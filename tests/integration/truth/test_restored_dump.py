"""The metastore's whole database is restored from `pg_dump`, while its server runs: what docs/operations.md promises.

Every flow of the stack gets its older table back, so no other test may be at work meanwhile.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness.cases import Case
from harness.matrix import record
from harness.servers import Servers

pytestmark = [pytest.mark.kin, pytest.mark.outage]


def run_tool(servers: Servers, tool: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own tools on the metastore's database."""
    admin = urlsplit(servers.environ["POSTGRES_ADMIN_URL"])
    environ = {"PGHOST": admin.hostname, "PGPORT": str(admin.port), "PGUSER": admin.username, "PGDATABASE": "metastore"}
    password = {"PGPASSWORD": admin.password} if admin.password else {}
    subprocess.run([tool, *arguments], env={**os.environ, **environ, **password}, check=True, timeout=120)


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_dump_of_the_metastore_is_restored(
    new_case: Callable[..., Case], servers: Servers, tmp_path: Path, mode: str
) -> None:
    case = new_case(f"dump_{mode}", source={"cursor": "at", "cursor_clock": "database"}, lake={"mode": mode})
    case.sql(
        "create table t (id int primary key, at timestamptz not null default clock_timestamp())",
        "insert into t (id) values (1), (2)",
    )
    case.run("ingest")
    older = case.version()
    dump = str(tmp_path / "metastore.dump")
    run_tool(servers, "pg_dump", "--format=custom", f"--file={dump}")
    case.sql("insert into t (id) values (3)")
    case.run("ingest")
    run_tool(servers, "pg_restore", "--clean", "--if-exists", "--single-transaction", "--dbname=metastore", dump)
    assert case.version() == older
    case.sql("insert into t (id) values (4)")
    case.settle()
    code, output = case.switchyard("run", "ingest", case.name)
    assert (code, "the metastore is older than the ledger" in output) == (1, True), output
    code, output = case.switchyard("ledger", "rebuild", case.name, "--dags-paused")
    assert code == 0, output
    code, output = case.switchyard("run", "ingest", case.name)
    assert code == 0, output
    assert [row[0] for row in case.hive("order by id", what="id")] == [1, 2, 3, 4], "0 rows doubled or lost"
    record(f"ingest, {mode}", "recorded", "the metastore's database restored from a dump", "refused; rebuilt, right")
