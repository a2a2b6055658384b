"""A source that keeps its name and becomes another one: a view, a table, a column, the database behind a connection."""

from __future__ import annotations

from typing import Any

import pytest

from harness.outside.grounds import SOURCE, FlowUnderTest, Grounds, given, new_name, require_right_or_refused

ROWS = "id int primary key, v text not null, updated_at timestamptz not null default now()"
BY_CURSOR: dict[str, Any] = {"cursor": "updated_at", "cursor_clock": "database", "key": ["id"]}
EVEN = [2, 4, 6, 8, 10]


def insert(flow: FlowUnderTest, first: int, last: int) -> None:
    flow.sql(f"insert into {{t}} select n, 'v' || n from generate_series({first}, {last}) n")


def over_views(grounds: Grounds, mode: str, source: str, *views: str) -> FlowUnderTest:
    """A flow that reads even rows through views, and has loaded five. `{v}` is a view's name, `{t}` the table's."""
    flow = grounds.flow("view", ROWS, lake={"mode": mode})
    view = f"{flow.name}_v"
    flow.sql(*(statement.replace("{v}", view) for statement in views))
    key, text = source.split(": ", 1)
    flow.change(source={**BY_CURSOR, "table": None, key: text.replace("{v}", view)})
    insert(flow, 1, 10)
    flow.ingest().require_success()
    given(flow.ids(), EVEN)
    return flow


def trust(flow: FlowUnderTest) -> Any:
    return flow.switchyard("run", "ingest", flow.name, "--trust-bookmark")


VIEW = "create view {v} as select * from {t} where id % 2 = 0"
NARROW = "create view {v}_below as select * from {t} where id % 2 = 0"
FUNCTION = "create or replace function {v}_f(n int) returns boolean language sql immutable as 'select n % 2 = 0'"
KINDS: dict[str, tuple[str, list[str], list[str]]] = {
    "the view itself": ("table: public.{v}", [VIEW], ["create or replace view {v} as select * from {t}"]),
    "a view below it": (
        "table: public.{v}",
        [NARROW, "create view {v} as select * from {v}_below"],
        ["create or replace view {v}_below as select * from {t}"],
    ),
    "a view below a query": ("query: select * from {v}", [VIEW], ["create or replace view {v} as select * from {t}"]),
    "a function in it": (
        "table: public.{v}",
        [FUNCTION, "create view {v} as select * from {t} where {v}_f(id)"],
        [FUNCTION.replace("% 2", "% 1")],
    ),
}
KIN = [
    pytest.param(kind, mode, marks=[] if (kind, mode) == ("the view itself", "append") else pytest.mark.kin)
    for kind in KINDS
    for mode in ("append", "merge")
]


@pytest.mark.parametrize(("kind", "mode"), KIN)
def test_rows_that_a_view_left_out_come_when_it_is_widened(grounds: Grounds, kind: str, mode: str) -> None:
    source, before, after = KINDS[kind]
    flow = over_views(grounds, mode, source, *before)
    insert(flow, 11, 11)
    flow.sql(*(statement.replace("{v}", f"{flow.name}_v") for statement in after))
    ended = flow.ingest()
    require_right_or_refused(ended, flow, flow.ids(), before=EVEN, after=list(range(1, 12)))


@pytest.mark.kin
def test_a_widened_view_is_read_from_the_bookmark_on_once_somebody_vouched_for_it(grounds: Grounds) -> None:
    flow = over_views(grounds, "append", "table: public.{v}", VIEW)
    flow.sql(f"create or replace view {flow.name}_v as select * from {{t}}")
    flow.ingest().require_refusal("definition", "--trust-bookmark")
    trust(flow).require_success()
    flow.ingest().require_success()
    assert flow.switchyard("ledger", "check").succeeded
    insert(flow, 11, 11)
    flow.ingest().require_success()
    insert(flow, 12, 12)
    flow.ingest().require_success()
    given(flow.ids(), [*EVEN, 11, 12])


@pytest.mark.parametrize("mode", [pytest.param("append", marks=pytest.mark.kin), pytest.param("merge")])
def test_rows_of_a_table_that_was_made_anew_come(grounds: Grounds, mode: str) -> None:
    flow = grounds.flow("anew", ROWS, source=BY_CURSOR, lake={"mode": mode})
    insert(flow, 1, 3)
    flow.ingest().require_success()
    flow.sql("drop table {t}", f"create table {{t}} ({ROWS})")
    flow.sql("insert into {t} values (7, 'older', now() - interval '1 day'), (8, 'newer', default)")
    ended = flow.ingest()
    require_right_or_refused(ended, flow, flow.ids(), before=[1, 2, 3], after=[7, 8])


@pytest.mark.kin
@pytest.mark.parametrize("mode", ["append", "merge"])
def test_everyday_changes_of_a_table_stop_nothing(grounds: Grounds, mode: str) -> None:
    flow = grounds.flow("daily", source=BY_CURSOR, lake={"mode": mode})
    rows = ROWS.replace(" primary key", "")
    flow.sql(f"create table {{t}} ({rows}, primary key (id)) partition by range (id)")
    flow.sql("create table {t}_1 partition of {t} for values from (0) to (100)")
    insert(flow, 1, 1)
    flow.ingest().require_success()
    changes = (
        "alter table {t} add column added int",
        "vacuum full {t}",
        "create table {t}_2 partition of {t} for values from (100) to (200)",
        "alter table {t} detach partition {t}_2",
        "create index on {t} (v)",
        "truncate {t}",
        "alter table {t} alter column v type varchar(50)",
        "analyze {t}",
    )
    for number, change in enumerate(changes, 2):
        flow.sql(change)
        insert(flow, number, number)
        flow.ingest().require_success()
    given(flow.ids(), list(range(1, 2 + len(changes))))


@pytest.mark.kin
def test_a_sweep_and_mode_replace_take_what_is_there(grounds: Grounds) -> None:
    sweep: dict[str, Any] = {**BY_CURSOR, "sweep": "always"}
    for source, lake in ((sweep, {"mode": "merge"}), ({}, {"mode": "replace"})):
        flow = grounds.flow("sweep", ROWS, source=source, lake=lake)
        insert(flow, 1, 3)
        flow.ingest().require_success()
        flow.sql("drop table {t}", f"create table {{t}} ({ROWS})")
        flow.sql("insert into {t} values (3, 'older', now() - interval '1 day'), (4, 'newer', default)")
        flow.ingest().require_success()
        given(flow.ids(), [3, 4])


def values(flow: FlowUnderTest) -> list[Any]:
    return flow.hive("order by id", what="id, v")


def put_again(flow: FlowUnderTest) -> None:
    flow.sql("alter table {t} drop column v", "alter table {t} add column v text not null default 'second'")
    flow.sql("insert into {t} (id) values (3)")


def test_a_column_that_was_dropped_and_added_again_is_read_in_every_row(grounds: Grounds) -> None:
    flow = grounds.flow("again", ROWS, source=BY_CURSOR, lake={"mode": "merge"})
    insert(flow, 1, 2)
    flow.ingest().require_success()
    put_again(flow)
    ended = flow.ingest()
    right = [(1, "second"), (2, "second"), (3, "second")]
    require_right_or_refused(ended, flow, values(flow), before=[(1, "v1"), (2, "v2")], after=right)
    assert ended.succeeded, ended.output


@pytest.mark.kin
def test_a_column_that_was_added_again_leaves_the_partitions_of_append_as_they_were_read(grounds: Grounds) -> None:
    flow = grounds.flow("again", ROWS, source=BY_CURSOR, lake={"mode": "append"})
    insert(flow, 1, 2)
    flow.ingest().require_success()
    put_again(flow)
    flow.ingest().require_success()
    given(values(flow), [(1, "v1"), (2, "v2"), (3, "second")])


@pytest.mark.kin
@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_cursor_that_was_dropped_and_added_again_doubles_nothing(grounds: Grounds, mode: str) -> None:
    flow = grounds.flow("cursor", ROWS, source=BY_CURSOR, lake={"mode": mode})
    insert(flow, 1, 2)
    flow.ingest().require_success()
    flow.sql("alter table {t} drop column updated_at")
    flow.sql("alter table {t} add column updated_at timestamptz not null default now()")
    insert(flow, 3, 3)
    ended = flow.ingest()
    require_right_or_refused(ended, flow, flow.ids(), before=[1, 2], after=[1, 2, 3])


@pytest.mark.kin
def test_a_key_that_was_dropped_and_added_again_keeps_no_row_of_the_old_numbers(grounds: Grounds) -> None:
    flow = grounds.flow("key", ROWS, source=BY_CURSOR, lake={"mode": "merge"})
    insert(flow, 1, 3)
    flow.ingest().require_success()
    flow.sql("alter table {t} drop column id")
    flow.sql("alter table {t} add column id int generated always as identity (start 101) primary key")
    ended = flow.ingest()
    require_right_or_refused(ended, flow, flow.ids(), before=[1, 2, 3], after=[101, 102, 103])


@pytest.mark.parametrize("change", [pytest.param("connection"), pytest.param("where", marks=pytest.mark.kin)])
def test_a_backfill_of_another_source_mixes_nothing(grounds: Grounds, change: str) -> None:
    flow = grounds.flow("range", ROWS, source={**BY_CURSOR, "where": "id <> 2"}, lake={"mode": "merge"})
    insert(flow, 1, 3)
    flow.ingest().require_success()
    given(flow.ids(), [1, 3])
    if change == "where":
        flow.change(source={"where": None})
    else:
        database, connection = new_name("other"), new_name("connection")
        grounds.create_database(database)
        grounds.connect(connection, like=SOURCE, schema=database)
        flow.stores.postgres(f"create table {flow.name} ({ROWS})", database)
        flow.stores.postgres(f"insert into {flow.name} values (3, 'other'), (4, 'other')", database)
        flow.change(source={"connection": connection})
    backfill = ("backfill", flow.name, "--from", "2020-01-01", "--to", "2099-01-01")
    flow.switchyard(*backfill).require_refusal("written for other rows", "--trust-bookmark")
    assert values(flow) == [(1, "v1"), (3, "v3")]
    flow.ingest().require_refusal("written for other rows")


@pytest.mark.kin
def test_a_label_that_was_renamed_is_read_in_every_row(grounds: Grounds) -> None:
    kind = new_name("kind")
    flow = grounds.flow("enum", source=BY_CURSOR, lake={"mode": "merge"})
    flow.sql(f"create type {kind} as enum ('a', 'b')", f"create table {{t}} ({ROWS.replace('v text', f'v {kind}')})")
    flow.sql("insert into {t} (id, v) values (1, 'a'), (2, 'b')")
    flow.ingest().require_success()
    given(values(flow), [(1, "a"), (2, "b")])
    flow.sql(f"alter type {kind} rename value 'a' to 'A'", f"alter type {kind} add value 'c' before 'b'")
    ended = flow.ingest()
    require_right_or_refused(ended, flow, values(flow), before=[(1, "a"), (2, "b")], after=[(1, "A"), (2, "b")])
    assert ended.succeeded, ended.output


@pytest.mark.kin
def test_a_column_of_another_type_is_read_in_every_row(grounds: Grounds) -> None:
    """ALTER changes rows and moves no cursor; PostgreSQL's text of a value is not Hive's."""
    flow = grounds.flow("retyped", source=BY_CURSOR, lake={"mode": "merge"}, columns={"pair": {"as": "string"}})
    columns = "id int primary key, c char(3), at timestamp, price int, seen timestamptz, pair {t}_pair, v int"
    values = "n, 'ab', '2024-01-01 00:00:00.6', 5, '2024-01-01 00:00+00', row(1)::{t}_pair, 0"
    flow.sql(
        "create type {t}_pair as (a int)",
        f"create table {{t}} ({columns}, updated_at timestamptz not null default now())",
        f"insert into {{t}} select {values} from generate_series(1, 2) n",
    )
    flow.ingest().require_success()
    flow.sql(
        "alter table {t} alter c type char(5), alter at type timestamp(0), alter price type bigint using price * 100",
        "alter type {t}_pair rename attribute a to b",
        "update {t} set v = 1, updated_at = now() where id = 2",
    )
    flow.change(columns={"seen": {"as": "string"}})
    flow.ingest().require_success()
    shown = flow.hive("order by id", what="id, c, cast(at as string), price, seen, pair, v")
    same = ("ab   ", "2024-01-01 00:00:01", 500, "2024-01-01 00:00:00+00", '{"b":1}')
    assert shown == [(1, *same, 0), (2, *same, 1)]


@pytest.mark.kin
def test_an_array_that_became_wider_is_lost_in_no_row(grounds: Grounds) -> None:
    flow = grounds.flow("wider_list", f"{ROWS}, list int[]", source=BY_CURSOR, lake={"mode": "merge"})
    flow.sql("insert into {t} (id, v, list) values (1, 'x', '{7}'), (2, 'x', '{8,NULL}')")
    flow.ingest().require_success()
    flow.sql("alter table {t} alter list type bigint[]", "delete from {t} where id = 1")
    flow.ingest().require_refusal("list was ARRAY<INT> and is ARRAY<BIGINT>", "lake.table to a new name")
    assert flow.hive("order by id", what="id, size(list)") == [(1, 1), (2, 2)]


IS_EVEN = "create function {t}_f(n int) returns boolean language sql immutable as 'select n % 2 = 0'"
IS_ANY = "create or replace function {t}_f(n int) returns boolean language sql immutable as 'select true'"
GUARDED = ["alter table {t} enable row level security", "create policy {t}_p on {t} using (id % 2 = 0)"]
BY_TENANT = "select * from {t} where id % 2 = 0 or current_setting('app.every') = 'yes'"
CHOOSERS: dict[str, tuple[dict[str, str], list[str], list[str]]] = {
    "a function in source.where": ({"where": "{t}_f(id)"}, [IS_EVEN], [IS_ANY]),
    "a function in source.query": ({"query": "select * from {t} where {t}_f(id)"}, [IS_EVEN], [IS_ANY]),
    "a policy below a query": ({"query": "select * from {t}"}, GUARDED, ["alter policy {t}_p on {t} using (true)"]),
    "a setting that a query asks for": ({"query": BY_TENANT}, [], ["alter role {login} set app.every = 'yes'"]),
}
"""What chooses rows beside tables, views and the filter's text: the source, what makes it, what widens it."""


@pytest.mark.parametrize("mode", ["append", pytest.param("merge", marks=pytest.mark.kin)])
@pytest.mark.parametrize(
    "chooser",
    [pytest.param(name, marks=[] if name == "a function in source.where" else pytest.mark.kin) for name in CHOOSERS],
)
def test_rows_come_when_what_chooses_them_is_widened(grounds: Grounds, chooser: str, mode: str) -> None:
    source, before, after = CHOOSERS[chooser]
    login = grounds.role("app.every = 'no'")
    flow = grounds.flow("chooser", ROWS, source={**BY_CURSOR, "connection": login}, lake={"mode": mode})
    written = {key: text.replace("{t}", flow.name) for key, text in source.items()}
    flow.change(source={"table": None, **written} if "query" in written else written)
    flow.sql(*before)
    insert(flow, 1, 10)
    flow.ingest().require_success()
    given(flow.ids(), EVEN)
    for statement in after:
        named = statement.replace("{t}", flow.name).replace("{login}", login)
        flow.stores.as_admin(named, grounds.database)
    insert(flow, 11, 11)
    ended = flow.ingest()
    require_right_or_refused(ended, flow, flow.ids(), before=EVEN, after=list(range(1, 12)))
    trust(flow).require_success()
    given(flow.ids(), [*EVEN, 11])


@pytest.mark.kin
@pytest.mark.parametrize("mode", ["append", "merge"])
def test_rows_that_come_with_an_attached_partition_are_left_out_by_no_load(grounds: Grounds, mode: str) -> None:
    flow = grounds.flow("attached", source=BY_CURSOR, lake={"mode": mode})
    columns = ROWS.replace("primary key", "not null")
    flow.sql(f"create table {{t}} ({columns}, primary key (id)) partition by range (id)")
    flow.sql("create table {t}_1 partition of {t} for values from (0) to (100)")
    flow.sql(f"create table {{t}}_2 ({columns}, primary key (id))", "insert into {t}_2 values (150, 'old')")
    insert(flow, 1, 3)
    flow.ingest().require_success()
    flow.sql("alter table {t} attach partition {t}_2 for values from (100) to (200)")
    insert(flow, 4, 4)
    ended = flow.ingest()
    require_right_or_refused(ended, flow, flow.ids(), before=[1, 2, 3], after=[1, 2, 3, 4, 150])
    if mode == "append":
        ended.require_refusal(f"{flow.name}_2 was attached to", "--trust-bookmark")
        flow.sql("update {t} set updated_at = now() where id = 150")
        trust(flow).require_success()
    insert(flow, 5, 5)
    flow.ingest().require_success()
    assert flow.ids() == [1, 2, 3, 4, 5, 150]
