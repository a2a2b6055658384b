"""The flow file names other connections while a serve load is published: they reach the load, or are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.cases import Case
from harness.matrix import record
from harness.stop_points import StopAt, kill_at
from harness.two_versions import TwoVersions
from switchyard.errors import SwitchyardError
from switchyard.legs.serve import leg as serve_leg

pytestmark = pytest.mark.kin

UNWRITTEN: StopAt = ("powergrid_mongo", b"findAndModify", "before")
"""The ledger says `publishing`, and MongoDB has no record of the load yet."""

ELSEWHERE: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "a MongoDB that does not answer": (
        {"serve": {"connection": "dead_mongo"}},
        ("powergrid_mongo", "dead_mongo", "cannot be asked"),
    ),
    "a connection that nobody has": (
        {"serve": {"connection": "no_such_connection"}},
        ("powergrid_mongo", "no_such_connection", "cannot be asked"),
    ),
    "another MongoDB": (
        {"serve": {"connection": "empty_mongo"}},
        ("powergrid_mongo", "empty_mongo", "has no staging and no record of it"),
    ),
    "an HDFS that does not answer": (
        {"lake": {"hdfs": "dead_hdfs"}},
        ("lake_hdfs", "dead_hdfs", "cannot be asked"),
    ),
}
"""A change of the flow file, and what the error names: the connection before, the one now, what is wrong there."""


@pytest.fixture(scope="module", params=["snapshot", "delta"])
def killed(request: pytest.FixtureRequest, module_case: Callable[..., Case]) -> TwoVersions:
    """A flow that shows version `a`, whose load of version `b` was killed before it wrote anything that is visible."""
    two = TwoVersions.load(module_case(f"moved_{request.param}", serve={"publish": request.param}))
    two.flip("b")
    kill_at(two.case, UNWRITTEN, "run", "serve", two.case.name)
    give(two.case, "moved_mongo", "powergrid_mongo")
    give(two.case, "dead_mongo", "powergrid_mongo", port=1)
    give(two.case, "empty_mongo", "powergrid_mongo", schema=f"{two.case.name}_empty")
    give(two.case, "moved_hdfs", "lake_hdfs")
    give(two.case, "dead_hdfs", "lake_hdfs", port=1)
    return two


def give(case: Case, conn_id: str, like: str, **over: Any) -> None:
    """A connection more, to the server of another one."""
    case.overridden[conn_id] = replace(case.connections.get(like), conn_id=conn_id, **over).fields()
    case.override(like)


@pytest.mark.parametrize("where", ELSEWHERE)
def test_nothing_is_published_where_the_load_is_not(killed: TwoVersions, where: str) -> None:
    """Nor by the old connection, although it answers: the file does not name it any more."""
    change, named = ELSEWHERE[where]
    before = killed.case.states("serve")
    with pytest.raises(SwitchyardError) as caught:
        serve_leg.plan(killed.case.runtime, killed.case.flow(**change))
    assert all(part in caught.value.what for part in named), caught.value.what
    assert caught.value.cure.startswith("nothing was changed; ")
    assert killed.case.states("serve") == before
    assert before[-1] == "publishing"
    assert killed.shown() == "a"
    record("serve", "publishing", where, "refused, names both connections")


def test_the_load_is_finished_by_the_connections_that_reach_it(killed: TwoVersions) -> None:
    """The old connections lead nowhere any more; the new ones lead to the same servers."""
    case = killed.case
    case.override("powergrid_mongo", port=1)
    case.override("lake_hdfs", port=1)
    case.change(serve={"connection": "moved_mongo"}, lake={"hdfs": "moved_hdfs"})
    loads = len(case.states("serve"))
    code, output = case.switchyard("run", "serve", case.name)
    assert code == 0, output
    assert "planned with connections powergrid_mongo, lake_hdfs and is finished by moved_mongo, moved_hdfs" in output
    assert killed.shown() == "b"
    assert set(case.states("serve")) == {"served"}, "the killed load was finished, not given up"
    assert len(case.states("serve")) >= loads
    record("serve", "publishing", "its connections renamed, the old ones gone", "finished by the new ones")
