"""W8 and W9: a memory that outlives what it remembers. A table, a collection or a filter changed under it."""

from typing import Any

import pytest

from harness.outside.grounds import FlowUnderTest, Grounds, given, require_right_or_refused

EVENTS = "id int primary key, v text not null, deleted boolean not null, updated_at timestamptz not null default now()"
BY_CURSOR = {"cursor": "updated_at", "cursor_clock": "database"}


def insert(flow: FlowUnderTest, first: int, last: int, deleted: str = "false") -> None:
    flow.sql(f"insert into {{t}} select n, 'v' || n, {deleted} from generate_series({first}, {last}) n")


def test_a_dropped_hive_table_is_not_taken_for_loaded(grounds: Grounds) -> None:
    flow = grounds.flow("dropped", EVENTS, source=BY_CURSOR, lake={"mode": "merge"})
    insert(flow, 1, 100)
    flow.ingest().require_success()
    flow.stores.hive(f"drop table `{flow.name}`.t")

    insert(flow, 101, 101)
    ended = flow.ingest()
    require_right_or_refused(ended, flow, flow.ids(), before=[], after=list(range(1, 102)))


@pytest.mark.kin
def test_another_lake_table_does_not_begin_at_the_bookmark_of_the_first(grounds: Grounds) -> None:
    flow = grounds.flow("moved", EVENTS, source=BY_CURSOR, lake={"mode": "append"})
    insert(flow, 1, 10)
    flow.ingest().require_success()
    flow.change(lake={"table": "elsewhere"})

    insert(flow, 11, 11)
    ended = flow.ingest()
    require_right_or_refused(ended, flow, flow.ids(), before=[], after=list(range(1, 12)))


@pytest.mark.kin
def test_a_collection_restored_from_a_backup_is_not_taken_for_served(grounds: Grounds) -> None:
    flow = grounds.flow("restored", "id int primary key, v text not null", serve={})
    flow.sql("insert into {t} values (1, 'v1'), (2, 'v2'), (3, 'v3')")
    flow.ingest().require_success()
    flow.serve().require_success()
    backup = flow.documents()
    flow.sql("update {t} set v = 'new' where id = 2")
    flow.ingest().require_success()
    flow.serve().require_success()
    given(values(flow), {1: "v1", 2: "new", 3: "v3"})

    collection = flow.stores.mongo_client[flow.mongo_database][flow.collection]
    collection.drop()
    collection.insert_many(backup)
    ended = flow.serve()
    before = {1: "v1", 2: "v2", 3: "v3"}
    require_right_or_refused(ended, flow, values(flow), before=before, after={**before, 2: "new"})


def values(flow: FlowUnderTest) -> dict[Any, Any]:
    return {document["_id"]: document["v"] for document in flow.documents()}


def test_a_wider_filter_brings_the_rows_that_the_narrow_one_left_out(grounds: Grounds) -> None:
    flow = grounds.flow("wider", EVENTS, source={**BY_CURSOR, "where": "id % 2 = 0"}, lake={"mode": "append"})
    insert(flow, 1, 10)
    flow.ingest().require_success()
    given(flow.ids(), [2, 4, 6, 8, 10])

    flow.change(source={"where": None})
    insert(flow, 11, 11)
    ended = flow.ingest()
    require_right_or_refused(ended, flow, flow.ids(), before=[2, 4, 6, 8, 10], after=list(range(1, 12)))


@pytest.mark.kin
def test_a_tombstone_that_is_added_deletes_the_rows_that_were_dead_before(grounds: Grounds) -> None:
    flow = grounds.flow("tombstone", EVENTS, source=BY_CURSOR, lake={"mode": "merge"})
    insert(flow, 1, 3, "n = 2")
    flow.ingest().require_success()
    given(flow.ids(), [1, 2, 3])

    flow.change(source={"tombstone": "deleted"})
    insert(flow, 4, 4)
    ended = flow.ingest()
    require_right_or_refused(ended, flow, flow.ids(), before=[1, 2, 3], after=[1, 3, 4])
