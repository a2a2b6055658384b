"""How many calls a plan costs: the partitions of an append table are listed once, and each is looked for once."""

from __future__ import annotations

from collections.abc import Callable

from harness.cases import Case
from harness.wires import put_behind_wires
from switchyard.ledger.reports import NothingNew
from switchyard.legs.ingest import leg as ingest_leg


def test_a_plan_lists_the_partitions_once(new_case: Callable[..., Case]) -> None:
    case = new_case("calls", source={"cursor": "at", "cursor_clock": "database"}, lake={"mode": "append"})
    case.sql("create table t (id int primary key, at timestamptz not null default clock_timestamp())")
    for row in (1, 2):
        case.sql(f"insert into t (id) values ({row})")
        case.settle()
        case.run("ingest")
    version = case.version()
    assert version is not None
    assert len(version.chain) == 2
    put_behind_wires(case, "lake_metastore", "lake_hdfs")
    metastore, hdfs = case.wires["lake_metastore"], case.wires["lake_hdfs"]
    metastore.listen()
    hdfs.listen()
    assert isinstance(ingest_leg.plan(case.runtime, case.flow()), NothingNew)
    assert metastore.count(b"get_partitions") == 1
    assert hdfs.count(b"getListing") == 2
