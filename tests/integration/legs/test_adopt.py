"""switchyard adopt: a table that others made becomes a flow's first version, its data untouched; or why not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from harness.cases import Case
from harness.servers import Servers
from switchyard.errors import FlowHeld, PreflightRefused, PublishConflict, SwitchyardError
from switchyard.lake import adoption
from switchyard.legs.ingest.adopt import adopt
from switchyard.legs.ingest.release import release
from switchyard.legs.ingest.rollback import rollback
from switchyard.legs.tables import vacuum, versions

NewCase = Callable[..., Case]
EXACT = (
    "set hive.parquet.write.int64.timestamp=true",
    "set hive.parquet.timestamp.time.unit=micros",
    "set hive.parquet.date.proleptic.gregorian=true",
)


def make_table(case: Case, clauses: str = "stored as parquet", columns: str = "id int, x string, at timestamp") -> str:
    """A table of somebody else's, with two rows; its directory."""
    directory = f"/lake/{case.name}/elsewhere"
    servers = case.servers
    for statement in EXACT:
        servers.hive(statement)
    servers.hive(f"create database if not exists {case.name}")
    url = case.runtime.hdfs(case.flow()).url
    servers.hive(f"create external table {case.name}.t ({columns}) {clauses} location '{url}{directory}'")
    servers.hive(
        f"insert into {case.name}.t select 1, 'a', timestamp '2020-01-01 00:00:00.001' union all select 2, 'b', "
        "cast(null as timestamp)"
    )
    case.sql(
        "create table t (id int primary key, x text, at timestamp)",
        "insert into t values (1, 'a', '2020-01-01 00:00:00.001'), (2, 'b', null), (3, 'c', null)",
    )
    return directory


def test_adopted_served_loaded_rolled_back_and_never_deleted(new_case: NewCase, servers: Servers) -> None:
    case = new_case("adopt", serve={}, lake={"keep_loads": 1, "longest_query": "1s"})
    directory = make_table(case)
    files = servers.files_below(directory)
    rows = [(1, "a", dt.datetime(2020, 1, 1, 0, 0, 0, 1000)), (2, "b", None)]
    code, said = case.switchyard("adopt", case.name)
    assert code == 0, said
    version = case.version()
    assert (version.seq, version.flow, version.path, version.rows) == (1, case.name, directory, 2)
    assert case.hive("order by id") == rows
    assert servers.files_below(directory) == files, "no file was touched"
    assert [(load.kind, load.state) for load in case.loads("ingest")] == [("adopt", "published")]
    case.run("serve")
    assert [(d["_id"], d["x"], d["at"]) for d in case.documents()] == rows

    with pytest.raises(SwitchyardError, match="is this flow's already"):
        adopt(case.runtime, case.flow())
    case.both()
    assert [i for (i,) in case.hive("order by id", what="id")] == [1, 2, 3]
    rollback(case.runtime, case.flow())
    assert case.hive("order by id") == rows
    with pytest.raises(FlowHeld):
        case.run("ingest")
    release(case.runtime, case.flow())
    case.both()
    servers.postgres(
        "update loads set superseded_at = superseded_at - interval '1 day' where flow = %s",
        [case.name],
        url="LEDGER_URL",
    )
    with case.runtime.ledger() as ledger:
        vacuum.vacuum(case.runtime, ledger, case.flow(), "ingest")
    assert servers.files_below(directory) == files, "what others made is never deleted"
    servers.hive(f"drop table {case.name}.t")
    assert servers.files_below(directory) == files


WHY_NOT = {
    "partitioned": ("partitioned by (day string) stored as parquet", {}, "it is partitioned by day"),
    "format": ("stored as orc", {}, "its format is OrcSerde"),
    "buckets": ("clustered by (id) into 2 buckets stored as parquet", {}, "it is clustered by id"),
    "append": (
        "stored as parquet",
        {"source": {"cursor": "at", "cursor_clock": "database"}, "lake": {"mode": "append"}},
        "mode append makes a partition of each load",
    ),
}


@pytest.mark.parametrize("reason", WHY_NOT)
def test_why_not(new_case: NewCase, servers: Servers, reason: str) -> None:
    clauses, spec, message = WHY_NOT[reason]
    case = new_case("whynot", **spec)
    url = case.runtime.hdfs(case.flow()).url
    servers.hive(f"create database if not exists {case.name}")
    servers.hive(
        f"create external table {case.name}.t (id int, x string, at timestamp) {clauses} location "
        f"'{url}/lake/{case.name}/elsewhere'"
    )
    case.sql("create table t (id int primary key, x text, at timestamp not null)")
    refused(case, message)


def test_why_not_columns_and_places(new_case: NewCase, servers: Servers) -> None:
    case = new_case("whynot")
    case.sql("create table t (id int primary key, x text, more int)")
    servers.hive(f"create database if not exists {case.name}")
    servers.hive(
        f"create external table {case.name}.t (id bigint, x string, old int) stored as parquet"
        f" location '{case.runtime.hdfs(case.flow()).url}/lake/{case.name}/t'"
    )
    refused(
        case,
        "it has no column more, which the source has",
        "column old is not in the source",
        "column id is bigint, and a load would make it int",
        "lie one within the other: set another lake.root",
    )


def test_why_not_files(new_case: NewCase, servers: Servers) -> None:
    """INT96 says no zone; a file that Hive skips would be served all the same."""
    case = new_case("whynot")
    for statement in ("set hive.parquet.write.int64.timestamp=false",):
        servers.hive(statement)
    directory = f"/lake/{case.name}/elsewhere"
    servers.hive(f"create database if not exists {case.name}")
    servers.hive(
        f"create external table {case.name}.t (id int, at timestamp) stored as parquet location "
        f"'{case.runtime.hdfs(case.flow()).url}{directory}'"
    )
    servers.hive(f"insert into {case.name}.t select 1, timestamp '2020-01-01 00:00:00'")
    case.sql("create table t (id int primary key, at timestamp)")
    servers.hive("set hive.parquet.write.int64.timestamp=true")
    refused(case, "column at is INT96")


def refused(case: Case, *messages: str) -> None:
    before = case.version()
    with pytest.raises(PreflightRefused) as caught:
        adopt(case.runtime, case.flow())
    for message in messages:
        assert message in caught.value.whole()
    assert case.version() == before
    assert case.loads("ingest") == []


def test_somebody_alters_it_meanwhile(new_case: NewCase, servers: Servers, monkeypatch: Any) -> None:
    case = new_case("race")
    make_table(case)
    real = versions.adopt_version

    def late(*args: Any, **named: Any) -> Any:
        import time

        time.sleep(1.1)
        servers.hive(f"alter table {case.name}.t add columns (extra int)")
        return real(*args, **named)

    monkeypatch.setattr(versions, "adopt_version", late)
    with pytest.raises(PublishConflict, match="was altered during its adoption"):
        adopt(case.runtime, case.flow())
    assert case.version().seq == -1
    assert case.states("ingest") == ["abandoned"]


def test_the_call_itself_compares(new_case: NewCase, servers: Servers) -> None:
    """Two adopt at the same moment: one call wins."""
    case = new_case("cas")
    make_table(case)
    metastore = case.runtime.metastore(case.flow())
    found = adoption.read_table(metastore, case.name, "t")
    assert found is not None
    adoption.adopt_table(metastore, found, seq=1, load_id="first", flow="one", stats={})
    with pytest.raises(PublishConflict, match="was altered during its adoption"):
        adoption.adopt_table(metastore, found, seq=1, load_id="second", flow="two", stats={})
    assert (case.version().flow, case.version().load_id) == ("one", "first")
    with pytest.raises(SwitchyardError, match="belongs to flow 'one'"):
        adopt(case.runtime, case.flow())


def test_there_is_nothing_to_adopt(new_case: NewCase) -> None:
    case = new_case("none")
    case.sql("create table t (id int primary key)")
    with pytest.raises(SwitchyardError, match="there is no Hive table"):
        adopt(case.runtime, case.flow())
