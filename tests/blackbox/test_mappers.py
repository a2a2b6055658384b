"""Several mappers share no snapshot: rows that move between two of them are seen, though their number stays."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.outside.grounds import FlowUnderTest, Grounds, given

READS = """
select count(*) from pg_stat_activity where datname = current_database() and state = 'active'
and pid <> pg_backend_pid() and query like '%json_build_object(''m''%' and query not like '%(1 = 0)%'
and query_start < clock_timestamp() - interval '0.2 seconds'
"""
"""Mappers that have been reading for a while, so that their snapshot is taken; `(1 = 0)` is Sqoop's look at columns."""
_PATIENCE = 120


def wait_for_a_mapper(flow: FlowUnderTest) -> None:
    end = time.monotonic() + _PATIENCE
    while flow.stores.as_admin(READS, flow.grounds.database)[0][0] == 0:
        assert time.monotonic() < end, "no mapper began to read"
        time.sleep(0.05)


@pytest.mark.kin
def test_a_row_that_moves_between_two_mappers_is_neither_lost_nor_doubled(grounds: Grounds) -> None:
    """The first mapper has read row 5; where it is now, the second does not look: 40 rows before, between and after."""
    flow = grounds.flow("mappers", "id int primary key, v text", engine={"mappers": 2, "split_by": "id"})
    flow.sql(
        "insert into {t} select n, 'v' || n from generate_series(1, 40) n",
        "create view {t}_slow as select *, pg_sleep(0.05) is null as slept from {t}",
    )
    flow.change(source={"table": f"public.{flow.name}_slow", "key": ["id"]})
    with ThreadPoolExecutor(1) as runner:
        run = runner.submit(flow.ingest)
        wait_for_a_mapper(flow)
        flow.sql("update {t} set id = 105 where id = 5")
        ended = run.result()
    ended.require_refusal("several mappers")
    flow.ingest().require_success()
    given(flow.ids(), [*range(1, 5), *range(6, 41), 105])
