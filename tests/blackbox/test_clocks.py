"""Kin of W9: rows whose cursor lies below the bookmark when they are committed are never read."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from harness.outside.grounds import FlowUnderTest, Grounds, new_name, require_refused, require_right_or_refused

Session = psycopg.Connection[tuple[Any, ...]]
TOUCH = (
    "create function {t}_touch() returns trigger language plpgsql as "
    "$$ begin new.updated_at := now(); return new; end $$"
)
UPDATES = "create trigger x before update on {t} for each row execute function {t}_touch()"
WRONG = {
    "a default cut off": ("append", "timestamptz not null default date_trunc('hour', now())", ()),
    "few digits of the clock": ("append", "timestamptz not null default current_timestamp(0)", ()),
    "each session's own zone": ("append", "timestamp not null default now()", ()),
    "a trigger of some columns": (
        "merge",
        "timestamptz not null default now()",
        (UPDATES.replace("on", "of id on", 1),),
    ),
    "a trigger of some changes": (
        "merge",
        "timestamptz not null default now()",
        (UPDATES.replace("execute", "when (old.id <> new.id) execute"),),
    ),
    "an heir without a trigger": (
        "merge",
        "timestamptz not null default now()",
        (UPDATES, "create table {t}_heir () inherits ({t})"),
    ),
}


@pytest.fixture
def session(grounds: Grounds) -> Iterator[Callable[..., Session]]:
    """Opens sessions on the source, in which a transaction stays open."""
    with ExitStack() as sessions:

        def open_session(conn_id: str = "powergrid_postgres") -> Session:
            at = grounds.connections[conn_id]
            login = {"user": at["login"], "password": at["password"]}
            opened = psycopg.connect(host=at["host"], port=at["port"], dbname=grounds.database, **login)
            return sessions.enter_context(closing(opened))

        yield open_session


def appending(grounds: Grounds, label: str, kind: str) -> FlowUnderTest:
    """A flow of mode append with a row."""
    cursor = {"cursor": "updated_at", "cursor_clock": "database"}
    flow = grounds.flow(label, f"id int primary key, updated_at {kind}", source=cursor, lake={"mode": "append"})
    flow.sql("insert into {t} values (1)")
    return flow


@pytest.mark.parametrize(
    "kind", [next(iter(WRONG)), *(pytest.param(k, marks=pytest.mark.kin) for k in list(WRONG)[1:])]
)
def test_a_cursor_that_the_clock_does_not_set_is_refused(grounds: Grounds, kind: str) -> None:
    mode, column, statements = WRONG[kind]
    flow = grounds.flow(
        "clock", f"id int primary key, updated_at {column}", source={"cursor": "updated_at"}, lake={"mode": mode}
    )
    flow.sql(TOUCH, *statements)
    require_refused(flow.switchyard("preflight", flow.name), flow, "source.cursor 'updated_at'", "sweep: always")


@pytest.mark.kin
def test_a_materialized_view_brings_rows_of_long_before(grounds: Grounds) -> None:
    flow = appending(grounds, "refreshed", "timestamptz not null default now()")
    flow.sql("create materialized view {t}_m as select * from {t}")
    flow.change(source={"table": f"public.{flow.name}_m"})
    require_refused(flow.switchyard("preflight", flow.name), flow, "materialized view", "sweep: always")


@pytest.mark.kin
def test_a_replica_brings_rows_later_than_their_moment(grounds: Grounds) -> None:
    """A table of a subscription of logical replication, which has the publisher's moments."""
    flow = appending(grounds, "replica", "timestamptz not null default now()")
    name = new_name("subscription")
    grounds.stores.as_admin(
        f"create subscription {name} connection 'dbname=nowhere' publication p with (connect = false)", grounds.database
    )
    grounds.stores.as_admin(
        "insert into pg_subscription_rel (srsubid, srrelid, srsubstate) "
        f"select oid, '{flow.name}'::regclass, 'r' from pg_subscription where subname = '{name}'",
        grounds.database,
    )
    try:
        require_refused(flow.switchyard("preflight", flow.name), flow, "subscription", "sweep: always")
    finally:
        grounds.stores.as_admin(f"alter subscription {name} set (slot_name = none)", grounds.database)
        grounds.stores.as_admin(f"drop subscription {name}", grounds.database)


@pytest.mark.kin
def test_a_moment_that_is_rounded_down_is_not_below_the_bookmark(
    grounds: Grounds, session: Callable[..., Session]
) -> None:
    flow = appending(grounds, "rounded", "timestamptz(0) not null default now()")
    oldest = session()
    writer = session()
    # The two begin 0.1 and 0.3 s after a full second, to which both are rounded; row 1, which may have been rounded up,
    # is of an earlier one.
    time.sleep(2.1 - time.time() % 1)
    oldest.execute("select now()")
    time.sleep(0.2)
    writer.execute(f"insert into {flow.name} values (2)".encode())
    first = flow.ingest()
    require_right_or_refused(first, flow, flow.ids(), before=[], after=[1])
    writer.commit()
    oldest.commit()
    time.sleep(1)
    flow.sql("insert into {t} values (3)")
    ended = flow.ingest()
    require_right_or_refused(ended, flow, flow.ids(), before=[1], after=[1, 2, 3])


@pytest.mark.kin
def test_a_transaction_that_hides_its_beginning_holds_the_load_back(
    grounds: Grounds, session: Callable[..., Session]
) -> None:
    flow = appending(grounds, "hidden", "timestamptz not null default now()")
    role = grounds.role("track_activities = off")
    flow.sql(f'grant all on {{t}} to "{role}"')
    writer = session(role)
    writer.execute(f"insert into {flow.name} values (2)".encode())
    require_refused(flow.ingest(), flow, "track_activities")
    writer.commit()
    writer.close()
    flow.sql("insert into {t} values (3)")
    ended = flow.ingest()
    require_right_or_refused(ended, flow, flow.ids(), before=[], after=[1, 2, 3])


@pytest.mark.kin
@pytest.mark.parametrize(
    "command",
    ["run ingest {} --from-beginning", "backfill {} --from 2025-01-01 --to 2027-01-01"],
    ids=["from the beginning", "backfill"],
)
def test_a_row_whose_moment_was_set_back_comes_with_what_is_read_again(grounds: Grounds, command: str) -> None:
    """As after a correction, or in a source that was restored: the lake's row has the larger cursor, and is older."""
    columns = "id int primary key, v text, updated_at timestamptz not null default now()"
    cursor = {"cursor": "updated_at", "cursor_clock": "database"}
    flow = grounds.flow("set_back", columns, source=cursor, lake={"mode": "merge"})
    flow.sql("insert into {t} values (1, 'old')")
    flow.ingest().require_success()
    flow.sql("update {t} set v = 'right', updated_at = '2026-01-01'")
    ended = flow.switchyard(*command.format(flow.name).split())
    require_right_or_refused(ended, flow, flow.hive(what="v"), before=[("old",)], after=[("right",)])


@pytest.mark.kin
@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_clock_that_was_set_back_is_named(grounds: Grounds, mode: str) -> None:
    """The clock of the stack's server cannot be set; a bookmark that lies ahead of it is the same."""
    flow = appending(grounds, "behind", "timestamptz not null default now()")
    flow.change(lake={"mode": mode})
    flow.ingest().require_success()
    [(bookmark,)] = [row[1:] for row in flow.stores.hive(f"show tblproperties {flow.name}.t") if "bookmark" in row[0]]
    ahead = re.sub(r'"high": "[^"]*"', '"high": "2199-01-01 00:00:00+00"', bookmark)
    assert ahead != bookmark
    flow.stores.hive(f"alter table {flow.name}.t set tblproperties ('switchyard.bookmark' = '{ahead}')")
    flow.sql("insert into {t} values (2)")
    cure = "--from-beginning" if mode == "merge" else "set the cursor of the rows"
    flow.ingest().require_refusal("clock was set back", "2199-01-01", cure, "--trust-bookmark")
    assert flow.ids() == [1]
