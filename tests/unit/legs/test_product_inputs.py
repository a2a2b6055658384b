"""What a product is made from besides its lake table."""

import json

import pytest

from switchyard.legs.serve.inputs import depends_on_the_moment, input_partitions, input_tables, input_views


def answer(*tables: tuple[str, str]) -> str:
    listed = [{"tablename": name, "tabletype": kind} for name, kind in tables]
    return json.dumps({"input_tables": listed, "input_partitions": []})


def test_a_view_is_known_by_the_tables_below_it() -> None:
    shown = answer(("d@v", "VIRTUAL_VIEW"), ("d@t", "EXTERNAL_TABLE"), ("other@t", "MANAGED_TABLE"))
    assert input_tables(shown) == ["d.t", "other.t"]
    assert input_views(shown) == ["d.v"], "what it says can change while these tables do not"


MOMENTS = {
    "select id, current_date as day from t": True,
    "select id from t where at > CURRENT_TIMESTAMP - interval '1' day": True,
    "select id, unix_timestamp() as now from t": True,
    "select id, rand() as r from t": True,
    "select id from t": False,
    "select id, my_current_date from t": False,
    "select brand from t": False,
}


@pytest.mark.parametrize("select", MOMENTS)
def test_a_query_that_says_something_else_later(select: str) -> None:
    assert depends_on_the_moment(select) == MOMENTS[select]


def test_the_partitions_that_a_query_reads_are_listed_by_their_table() -> None:
    names = ["d@t@day=2024-01-31/hour=7", "d@t@day=2024-01-31/hour=8", "other@u@seq=1"]
    shown = json.dumps({"input_tables": [], "input_partitions": [{"partitionName": name} for name in names]})
    hours = ["day=2024-01-31/hour=7", "day=2024-01-31/hour=8"]
    assert input_partitions(shown) == {"d.t": hours, "other.u": ["seq=1"]}
    assert input_partitions(answer(("d@t", "EXTERNAL_TABLE"))) == {}
