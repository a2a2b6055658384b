"""The flow file names other connections while an ingest load is published: they reach the load, or are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.backups import back_up_table
from harness.cases import Case
from harness.matrix import record
from harness.stop_points import StopAt, kill_at
from switchyard.errors import SwitchyardError
from switchyard.legs.ingest import leg as ingest_leg
from switchyard.legs.tables import versions
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import HiveType

pytestmark = pytest.mark.kin

ALTER: StopAt = ("lake_metastore", b"alter_table_with_environment_context", "before")
RENAMED = {"metastore": "moved_metastore", "hdfs": "moved_hdfs", "hive": "moved_hive"}
"""The flow file's connections after the change; the old ones lead nowhere then."""

ELSEWHERE: dict[str, tuple[str, str, str]] = {
    "a metastore that does not answer": ("metastore", "dead_metastore", "cannot be asked"),
    "an HDFS that does not answer": ("hdfs", "dead_hdfs", "cannot be asked"),
    "a connection that nobody has": ("metastore", "no_such_connection", "cannot be asked"),
    "a metastore without the table": ("metastore", "moved_metastore", "has no table"),
    "a metastore whose table is of before": ("metastore", "moved_metastore", "that shows no version of this flow"),
}
"""A server of the flow file, its connection's new id, and what is wrong there."""


@pytest.fixture(scope="module", params=["append", "merge"])
def killed(request: pytest.FixtureRequest, module_case: Callable[..., Case]) -> Case:
    """A flow whose second load was killed as it was about to alter the table; of mode append, its partition shows."""
    by_cursor = {"cursor": "at", "cursor_clock": "database"}
    case: Case = module_case(f"moved_{request.param}", source=by_cursor, lake={"mode": request.param})
    case.sql(
        "create table t (id int primary key, at timestamptz not null default clock_timestamp())",
        "insert into t (id) select generate_series(1, 3)",
    )
    case.run("ingest")
    case.sql("insert into t (id) select generate_series(4, 6)")
    case.settle()
    kill_at(case, ALTER, "run", "ingest", case.name)
    for kind in ("metastore", "hdfs", "hive"):
        give(case, f"moved_{kind}", f"lake_{kind}")
        give(case, f"dead_{kind}", f"lake_{kind}", port=1)
    return case


def give(case: Case, conn_id: str, like: str, **over: Any) -> None:
    """A connection more, to the server of another one."""
    case.overridden[conn_id] = replace(case.connections.get(like), conn_id=conn_id, **over).fields()
    case.override(like)


@pytest.mark.parametrize("where", ELSEWHERE)
def test_nothing_is_published_where_the_load_is_not(killed: Case, where: str) -> None:
    server, conn_id, reason = ELSEWHERE[where]
    table = back_up_table(killed)
    if conn_id == "moved_metastore":
        drop_table(killed)
    if reason.startswith("that shows"):
        versions.ensure_table(killed.runtime, killed.flow(), "t", [HiveColumn("id", HiveType.parse("int"))])
    before = (killed.version(), [load.state for load in killed.loads("ingest")])
    with pytest.raises(SwitchyardError) as caught:
        ingest_leg.plan(killed.runtime, killed.flow(lake={server: conn_id}))
    assert all(part in caught.value.what for part in (f"lake_{server}", conn_id, reason)), caught.value.what
    assert caught.value.cure.startswith("nothing was changed; ")
    assert (killed.version(), [load.state for load in killed.loads("ingest")]) == before
    table()
    record("ingest", "publishing", where, "refused, names both connections")


def drop_table(case: Case) -> None:
    with case.runtime.metastore(case.flow()).client() as client:
        client.drop_table(case.name, "t", False)


def test_the_load_is_finished_by_the_connections_that_reach_it(killed: Case) -> None:
    """The old connections lead nowhere any more; the new ones lead to the same servers."""
    for kind in ("metastore", "hdfs", "hive"):
        killed.override(f"lake_{kind}", port=1)
    killed.change(lake=RENAMED)
    code, output = killed.switchyard("run", "ingest", killed.name)
    assert code == 0, output
    assert "is finished by moved_metastore, moved_hdfs, moved_hive" in output
    assert [row[0] for row in killed.hive("order by id", what="id")] == [1, 2, 3, 4, 5, 6]
    assert killed.states("ingest") == ["published", "published"]
    record("ingest", "publishing", "its connections renamed, the old ones gone", "finished by the new ones")
