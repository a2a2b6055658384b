"""W7: names that Switchyard adds to somebody's columns. A column of such a name keeps its values, or is refused."""

import pytest

from harness.outside.grounds import Grounds, require_refused, require_right_or_refused


def test_a_key_column_of_the_name_of_the_operation_is_served(grounds: Grounds) -> None:
    flow = grounds.flow("op", "__op text primary key, v int not null", serve={"key": ["__op"]})
    flow.sql("insert into {t} values ('a', 1), ('b', 2)")
    flow.ingest().require_success()
    first = flow.serve()
    if not first.succeeded:
        require_refused(first, flow, "__op")
        return
    flow.sql("update {t} set v = v + 10")
    flow.ingest().require_success()
    ended = flow.serve()
    shown = {document["_id"]: document["v"] for document in flow.documents()}
    require_right_or_refused(ended, flow, shown, before={"a": 1, "b": 2}, after={"a": 11, "b": 12})


@pytest.mark.kin
def test_a_column_of_the_name_of_the_row_number_is_published_in_place(grounds: Grounds) -> None:
    columns = "id int primary key, file_row_number int not null"
    flow = grounds.flow("rownumber", columns, serve={"publish": "delta"})
    flow.sql("insert into {t} values (1, 2), (2, 1), (3, 3)")
    flow.ingest().require_success()
    flow.serve().require_success()
    flow.sql("update {t} set file_row_number = 0 where id = 2")
    flow.ingest().require_success()
    ended = flow.serve()
    shown = {document["_id"]: document["file_row_number"] for document in flow.documents()}
    require_right_or_refused(ended, flow, shown, before={1: 2, 2: 1, 3: 3}, after={1: 2, 2: 0, 3: 3})


@pytest.mark.kin
def test_a_column_of_the_name_of_the_microseconds_is_served(grounds: Grounds) -> None:
    columns = "id int primary key, ts timestamp not null, ts_us text not null"
    flow = grounds.flow("beside", columns, serve={"timestamps": "beside"})
    flow.sql("insert into {t} values (1, '2026-01-02 03:04:05.678901', 'mine')")
    flow.ingest().require_success()
    ended = flow.serve()
    shown = [document.get("ts_us") for document in flow.documents()]
    require_right_or_refused(ended, flow, shown, before=[], after=["mine"])


@pytest.mark.kin
def test_a_column_of_the_name_of_the_partition_is_loaded(grounds: Grounds) -> None:
    columns = "id int primary key, load_seq bigint not null, updated_at timestamptz not null default now()"
    flow = grounds.flow("partition", columns, source={"cursor": "updated_at"}, lake={"mode": "append"})
    flow.sql("insert into {t} values (1, 4711)")
    ended = flow.ingest()
    shown = [row[0] for row in flow.hive(what="load_seq")] if ended.succeeded else []
    require_right_or_refused(ended, flow, shown, before=[], after=[4711])
