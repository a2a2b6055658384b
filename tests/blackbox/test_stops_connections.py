"""S1, S14, S17: a connection that says something odd, and one that changes while a load is being published."""

from __future__ import annotations

import os

import pytest

from harness.outside.grounds import CACHE, LEDGER, MONGO, FlowUnderTest, Grounds, Unprepared

COLUMNS = "id int primary key, v text"


@pytest.fixture(scope="module")
def ingested(grounds: Grounds) -> FlowUnderTest:
    """A flow that has something to serve."""
    flow = grounds.flow("extras", COLUMNS, serve={}, cache={})
    flow.sql("insert into {t} values (1, 'a')")
    flow.ingest().require_success()
    return flow


@pytest.mark.parametrize(
    ("conn_id", "extra"),
    [
        pytest.param(MONGO, "null", id="MongoDB, null"),
        pytest.param(CACHE, "[]", id="Redis, a list", marks=pytest.mark.kin),
        pytest.param("lake_hdfs", "5", id="HDFS, a number", marks=pytest.mark.kin),
        pytest.param(LEDGER, '"sslmode"', id="ledger, a text"),
    ],
)
def test_an_extra_that_is_no_object(grounds: Grounds, ingested: FlowUnderTest, conn_id: str, extra: str) -> None:
    """Nothing at all is nothing; anything else is refused by the connection's name.

    Every kind of connection and of extra is tried in tests/unit/connections and tests/behaviours.
    """
    before = dict(grounds.connections[conn_id])
    grounds.connect(conn_id, extra=extra)
    try:
        ended = ingested.serve()
        if not (ended.succeeded and extra in ("null", "[]")):
            ended.require_sentence(f"{conn_id}.*extra")
    finally:
        grounds.connections[conn_id] = before
        grounds.connect(conn_id)


def test_an_extra_that_is_no_object_in_a_uri(ingested: FlowUnderTest) -> None:
    """Airflow's other form, with `__extra__`."""
    ingested.change(source={"connection": "by_uri"})
    uri = os.environ["POSTGRES_URL"] + "?__extra__=%5B1%5D"
    ingested.run("preflight", ingested.name, AIRFLOW_CONN_BY_URI=uri).require_sentence("by_uri.*extra")


def stopped_at_the_gate(grounds: Grounds, label: str, **spec: object) -> FlowUnderTest:
    """A flow whose serve load stopped in `publishing`: the ACL of its Redis user names other keys."""
    user = grounds.cache_user("+@all", "~another_prefix:*")
    flow = grounds.flow(label, COLUMNS, serve={}, cache={"connection": user}, **spec)
    return ingested_and_refused(flow)


def ingested_and_refused(flow: FlowUnderTest) -> FlowUnderTest:
    """The same flow after both legs; Redis refused the second."""
    flow.sql("insert into {t} values (1, 'a'), (2, 'b')")
    flow.ingest().require_success()
    stopped = flow.serve()
    if stopped.succeeded or "no permissions" not in stopped.output:
        raise Unprepared(f"the load should have stopped at Redis:\n{stopped.output}")
    return flow


def require_way_out(flow: FlowUnderTest) -> None:
    """The next run serves with the connections of now; or its message names `abandon`, after which it does."""
    ended = flow.serve()
    if not ended.succeeded:
        ended.require_sentence(f"switchyard abandon {flow.name}")
        given_up = flow.run("abandon", flow.name, "--leg", "serve", "--why", "its server is gone")
        assert given_up.succeeded, given_up.output
        ended = flow.serve()
    assert ended.succeeded, ended.output
    assert [(d["_id"], d["v"]) for d in flow.documents()] == [(1, "a"), (2, "b")]


def test_redis_is_corrected_while_a_load_is_publishing(grounds: Grounds) -> None:
    """An ACL with a typo; then the flow names a user that may."""
    flow = stopped_at_the_gate(grounds, "typo")
    flow.change(cache={"connection": CACHE})
    require_way_out(flow)


@pytest.mark.kin
def test_the_namenode_moves_while_a_load_is_publishing(grounds: Grounds) -> None:
    """The same kind with another server: HDFS has a new address, and the old connection leads nowhere."""
    grounds.connect("old_hdfs", like="lake_hdfs")
    flow = stopped_at_the_gate(grounds, "namenode", lake={"hdfs": "old_hdfs"})
    grounds.connect("old_hdfs", port=9, extra={"webhdfs_port": 9})
    flow.change(cache={"connection": CACHE}, lake={"hdfs": "lake_hdfs"})
    require_way_out(flow)


def test_the_cache_is_decommissioned_while_a_load_is_refreshing(grounds: Grounds) -> None:
    """Redis leaves the flow file and the connections; the load had published and could not invalidate."""
    user = grounds.cache_user("+@all", "~*:gate")
    flow = ingested_and_refused(grounds.flow("uncached", COLUMNS, serve={}, cache={"connection": user, "warm": 10}))
    grounds.forget(user)
    flow.change(cache=None)
    require_way_out(flow)


@pytest.mark.kin
def test_mongodb_is_decommissioned_while_a_load_is_publishing(grounds: Grounds) -> None:
    """The flow serves to another MongoDB from now on."""
    grounds.connect("old_mongo", like=MONGO)
    user = grounds.cache_user("+@all", "~another_prefix:*")
    served = {"connection": "old_mongo"}
    flow = ingested_and_refused(grounds.flow("mongo", COLUMNS, serve=served, cache={"connection": user}))
    grounds.forget("old_mongo")
    flow.change(serve={"connection": MONGO}, cache={"connection": CACHE})
    require_way_out(flow)
