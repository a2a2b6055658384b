"""W10 and W11: a gate, a cached value, a Hive table belong to what they were made for, not to a flow's name alone."""

from pathlib import Path
from typing import Any

import pytest

from harness.outside.grounds import MONGO, FlowUnderTest, Grounds, given, new_name, require_refused
from harness.outside.readme_reader import read_through_cache

ROWS = "id int primary key, v text not null"


def loaded(grounds: Grounds, label: str, **spec: Any) -> FlowUnderTest:
    """A flow with one row, ingested."""
    flow = grounds.flow(label, ROWS, serve={}, **spec)
    flow.sql("insert into {t} values (1, 'of the lake')")
    flow.ingest().require_success()
    return flow


@pytest.fixture(scope="module")
def cached(grounds: Grounds) -> FlowUnderTest:
    """A flow with a cache, ingested once for the tests of this file."""
    return loaded(grounds, "cached", cache={})


def serve_as_before(flow: FlowUnderTest, directory: Path) -> Path:
    """Serve; then another value in that collection, to tell it from the next one. Returns the flow file's copy."""
    flow.serve().require_success()
    collection = flow.stores.mongo_client[flow.mongo_database][flow.collection]
    given(collection.update_one({"_id": 1}, {"$set": {"v": "of before"}}).modified_count, 1)
    (directory / f"{flow.name}.yaml").write_text((flow.write() / f"{flow.name}.yaml").read_text())
    return directory


def require_no_old_document(flow: FlowUnderTest, before: Path) -> None:
    """A reader with the old file reads first, which fills the cache; one with the new file gets its own document."""
    read_through_cache(flow, before)
    document = read_through_cache(flow, flow.write())
    assert document is not None and document["v"] == "of the lake"


def test_a_reader_of_another_collection_does_not_get_the_old_ones_documents(
    cached: FlowUnderTest, tmp_path: Path
) -> None:
    before = serve_as_before(cached, tmp_path)
    cached.change(serve={"collection": new_name("renamed")})
    ended = cached.serve()
    if not ended.succeeded:
        require_refused(ended, cached)
        return
    require_no_old_document(cached, before)


@pytest.mark.kin
def test_a_reader_of_another_mongodb_does_not_get_the_old_ones_documents(cached: FlowUnderTest, tmp_path: Path) -> None:
    before = serve_as_before(cached, tmp_path)
    elsewhere = new_name("mongo")
    cached.grounds.connect(elsewhere, like=MONGO, schema=elsewhere)
    cached.change(serve={"connection": elsewhere})
    ended = cached.serve()
    if not ended.succeeded:
        require_refused(ended, cached)
        return
    require_no_old_document(cached, before)


def test_a_flow_does_not_serve_another_flows_table(grounds: Grounds, cached: FlowUnderTest) -> None:
    flow = grounds.flow("thief", ROWS, serve={}, lake={"database": cached.name})
    flow.sql("insert into {t} values (1, 'its own')")
    ended = flow.serve()
    assert flow.documents() == [], ended.output
    require_refused(ended, flow, cached.name)


@pytest.mark.kin
def test_a_flow_is_not_compared_with_another_flows_table(grounds: Grounds, cached: FlowUnderTest) -> None:
    flow = grounds.flow("compared", ROWS, lake={"database": cached.name})
    flow.sql("insert into {t} values (1, 'its own')")
    ended = flow.switchyard("diff", flow.name, "--between", "postgres-hive", "--mode", "counts")
    require_refused(ended, flow, cached.name)


@pytest.mark.kin
def test_refused_rows_are_not_put_into_another_flows_table(grounds: Grounds) -> None:
    """Its lake table has the name that the quarantine of this one would have."""
    kept = grounds.flow("kept", ROWS, lake={"table": "t__quarantine"})
    kept.sql("insert into {t} values (1, 'its own')")
    kept.ingest().require_success()
    check = {"not_null": "v", "severity": "quarantine"}
    flow = grounds.flow("refusing", "id int primary key, v text", lake={"database": kept.name}, checks=[check])
    flow.change(contract={"quarantine_threshold": "90%"})
    flow.sql("insert into {t} values (1, null), (2, 'good')")
    require_refused(flow.ingest(), flow, kept.name)
    given(kept.hive(), [(1, "its own")])
