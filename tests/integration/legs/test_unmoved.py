"""The source is changed between a load's plan and its reading, as while a task waits for its pool: nothing is read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.cases import Case
from switchyard.errors import ReconcileMismatch
from switchyard.legs.ingest import leg as ingest_leg

pytestmark = pytest.mark.kin

TABLE = "create table t (id int primary key, v real, at timestamptz not null default clock_timestamp())"
ROWS = "insert into t (id, v) select g, g from generate_series(1, 3) g"
BY_CURSOR = {"cursor": "at", "cursor_clock": "database"}
CHANGES = {
    "another type": ("alter table t alter v type double precision", "column v was real and is double precision"),
    "added again": ("alter table t drop v; alter table t add v real", "column v is not the same column any more"),
    "gone": ("alter table t drop v", "column v is gone"),
    "made anew": (f"drop table t; {TABLE}; {ROWS}", "it, or its table, was dropped and created again"),
    "a view's rows": ("create or replace view w as select * from t where id > 1", "the definition of the views"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_source_that_moved_after_the_plan_is_not_read(new_case: Callable[..., Case], what: str) -> None:
    change, sentence = CHANGES[what]
    case = new_case("moved", source=BY_CURSOR, lake={"mode": "merge"})
    case.sql(TABLE, "create view w as select * from t", ROWS)
    if what == "a view's rows":
        case.change(source={"table": f"{case.name}.w", "key": ["id"]})
    else:
        case.sql("drop view w")
    case.settle()
    load = ingest_leg.plan(case.runtime, case.flow())
    case.sql(*change.split("; "))
    with pytest.raises(ReconcileMismatch) as caught:
        ingest_leg.land(case.runtime, load.load_id)
    assert sentence in caught.value.what
    assert case.states("ingest") == ["planned"]
