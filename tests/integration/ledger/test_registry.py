"""What the ledger learns from elsewhere, on a real PostgreSQL."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

from harness.servers import Servers
from switchyard.ledger.registry import FlowRow, RegisteredLoad, replace_flow
from switchyard.legs.runtime import Runtime

TOGETHER = 8


def load(flow: str) -> RegisteredLoad:
    return RegisteredLoad(
        load_id=f"{flow}_1",
        flow=flow,
        seq=1,
        previous_seq=None,
        state="published",
        kind="load",
        low=None,
        high=None,
        spec={},
        spec_hash="",
        try_id=None,
        location=None,
        created_at=dt.datetime.now(dt.UTC),
        facts={},
    )


def test_flows_that_are_rebuilt_in_the_same_second_share_the_tables_of_what_is_set_aside(
    runtime: Runtime, servers: Servers
) -> None:
    stamp = uuid.uuid4().hex[:12]
    flows = [f"it_aside_{stamp}_{number}" for number in range(TOGETHER)]
    row = FlowRow(last_ingest_seq=1, last_serve_seq=0, bookmark=None, held=None)
    begin = threading.Barrier(TOGETHER)

    def replace(flow: str) -> tuple[str, ...]:
        with runtime.ledger() as ledger:
            ledger.migrate()
            replace_flow(ledger, flow, [load(flow)], row, stamp)  # the ledger had none: nothing is set aside
            begin.wait()
            return replace_flow(ledger, flow, [load(flow)], row, stamp)

    tables = (f"loads_set_aside_{stamp}", f"flows_set_aside_{stamp}")
    try:
        with ThreadPoolExecutor(TOGETHER) as threads:
            assert set(threads.map(replace, flows)) == {tables}
        for table in tables:
            rows = servers.postgres(f"select flow from {table} order by flow", url="LEDGER_URL")
            assert [flow for (flow,) in rows] == flows
    finally:
        for name in ("loads", "flows"):
            servers.postgres(f"delete from {name} where flow = any(%s)", [flows], url="LEDGER_URL")
        for table in tables:
            servers.postgres(f"drop table if exists {table}", url="LEDGER_URL")
