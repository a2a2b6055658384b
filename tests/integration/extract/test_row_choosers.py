"""What chooses rows without being in the source's text, and partitions that come with rows, on a real server."""

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from switchyard.extract.origin import read_origin
from switchyard.extract.postgres import read_shape
from switchyard.extract.since_bookmark import find_attached, find_switched, take_snapshot, unread_rows
from switchyard.flow.bookmark import Origin
from switchyard.flow.spec import Source

OLD = "'2020-01-01'"
LOW = "2024-01-01"


@dataclass
class Ground:
    """A database of a test's own: `admin` changes it, `reader` is a session of a login that may only read."""

    url: str
    login: str
    admin: psycopg.Connection[tuple[object, ...]]
    reader: psycopg.Connection[tuple[object, ...]]

    def change(self, *statements: str) -> None:
        for statement in statements:
            self.admin.execute(statement.replace("{login}", self.login).encode())

    def origin(self, source: Source) -> Origin:
        try:
            return read_origin(self.reader, source, read_shape(self.reader, source, "f"))
        finally:
            self.reader.rollback()

    def snapshot(self) -> str:
        try:
            return take_snapshot(self.reader)
        finally:
            self.reader.rollback()

    def attached(self, snapshot: str, **over: str) -> list[str]:
        try:
            return find_attached(self.reader, source(**over), snapshot, LOW)
        finally:
            self.reader.rollback()


@pytest.fixture
def ground() -> Iterator[Ground]:
    name = f"choosers_{secrets.token_hex(4)}"
    whole = urlsplit(os.environ["POSTGRES_ADMIN_URL"])
    url = whole._replace(path=f"/{name}").geturl()
    identifier = sql.Identifier(name)
    with psycopg.connect(whole.geturl(), autocommit=True) as server:
        server.execute(sql.SQL("create database {}").format(identifier))
        create = sql.SQL("create role {} login password {} in role pg_read_all_data")
        server.execute(create.format(identifier, sql.Literal(name)))
        read = urlsplit(url)._replace(netloc=f"{name}:{name}@{whole.hostname}:{whole.port}").geturl()
        try:
            with psycopg.connect(url, autocommit=True) as admin, psycopg.connect(read) as reader:
                reader.read_only = True
                yield Ground(url, name, admin, reader)
        finally:
            server.execute(sql.SQL("drop database {} with (force)").format(identifier))
            server.execute(sql.SQL("drop role {}").format(identifier))


def source(**over: str) -> Source:
    key = {"key": ["id"]} if "query" in over else {}
    named = {} if "query" in over else {"table": "public.t"}
    return Source.model_validate({"connection": "c", "cursor": "at", **named, **key, **over})


IS_ANY = "create or replace function f(n int) returns boolean language sql as 'select true'"
IS_NONE = "create or replace function f(n int) returns boolean language sql as 'select false'"
PLAIN = "create table t (id int primary key, v text, at timestamptz)"
RULES: dict[str, tuple[dict[str, str], list[str], str]] = {
    "a function in where": ({"where": "f(id)"}, [IS_ANY], IS_NONE),
    "a function in a query, with its schema": ({"query": "select * from t where public.F (id)"}, [IS_ANY], IS_NONE),
    "a function below a function": (
        {"where": "g(id)"},
        [
            IS_ANY,
            "create function g(n int) returns boolean language sql begin atomic select f(n); end",
        ],
        IS_NONE,
    ),
    "the function of an operator": (
        {"where": "id ~~~ 5"},
        [
            "create function o(a int, b int) returns boolean language sql as 'select a > b'",
            "create operator ~~~ (leftarg = int, rightarg = int, function = o)",
        ],
        "create or replace function o(a int, b int) returns boolean language sql as 'select a < b'",
    ),
    "a policy": (
        {"query": "select * from t"},
        ["alter table t enable row level security", "create policy p on t using (id > 5)"],
        "alter policy p on t using (true)",
    ),
    "a function of a policy": (
        {"query": "select * from t"},
        [IS_ANY, "alter table t enable row level security", "create policy p on t using (f(id))"],
        IS_NONE,
    ),
    "a policy that begins": ({"query": "select * from t"}, [], "alter table t enable row level security"),
}


@pytest.mark.parametrize("rule", RULES)
def test_another_rule_is_seen_and_the_same_one_is_not(ground: Ground, rule: str) -> None:
    over, before, after = RULES[rule]
    ground.change(PLAIN, *before)
    read = source(**over)
    first = ground.origin(read)
    ground.change("create function other(n int) returns boolean language sql as 'select true'", "analyze t")
    assert first.changes_to(ground.origin(read)) == []
    ground.change(after)
    [change] = first.changes_to(ground.origin(read))
    assert "what else chooses its rows" in change


def test_a_setting_and_the_login_are_seen_where_a_view_asks_for_them(ground: Ground) -> None:
    ground.change(
        PLAIN,
        "create view by_tenant as select * from t where v = current_setting('app.tenant', true)",
        "create view by_login as select * from t where v = current_user",
    )
    for table, other in (("by_tenant", "set local app.tenant = 'b'"), ("by_login", "set local role pg_monitor")):
        ground.change("grant select on all tables in schema public to pg_monitor", "grant pg_monitor to {login}")
        read = source(table=f"public.{table}")
        first = ground.origin(read)
        ground.reader.execute(other.encode())
        assert len(first.changes_to(ground.origin(read))) == 1
        ground.reader.execute(other.encode())
        assert ground.origin(source()).rules == "", "a plain table asks for neither"


BY_RANGE = "create table t (id int not null, v text, at timestamptz not null default now()) partition by range (id)"


def part(name: str, at: str = OLD, number: int = 15) -> list[str]:
    return [
        f"create table {name} (id int not null, v text, at timestamptz not null)",
        f"insert into {name} values ({number}, 'x', {at})",
    ]


def attach(name: str, low: int = 10) -> str:
    return f"alter table t attach partition {name} for values from ({low}) to ({low + 10})"


def test_a_partition_that_comes_with_rows_is_named_once_and_one_that_gets_new_rows_never(ground: Ground) -> None:
    ground.change(BY_RANGE, "create table t1 partition of t for values from (0) to (10)")
    before = ground.snapshot()
    ground.change(*part('"O ld"'), attach('"O ld"'))
    assert ground.attached(before) == ["public.O ld"]
    assert ground.attached(ground.snapshot()) == []
    ground.change("create table t3 partition of t for values from (20) to (30)", "insert into t values (25)")
    ground.change(*part("newer", "now()", 35), attach("newer", 30), "vacuum freeze pg_inherits")
    assert ground.attached(before) == ["public.O ld"]
    assert ground.attached(before, where="t.id > 20") == [], "the flow does not read its rows"


def test_a_part_of_a_part_and_an_heir_are_seen(ground: Ground) -> None:
    ground.change(BY_RANGE, *part("heir"), "create table p (id int not null, v text, at timestamptz not null)")
    ground.change(
        "create table below (id int not null, v text, at timestamptz not null) partition by range (id)",
        "create table below_1 partition of below for values from (60) to (65)",
        f"insert into below values (61, 'x', {OLD})",
    )
    before = ground.snapshot()
    ground.change(attach("below", 60), "alter table heir inherit p")
    assert ground.attached(before) == ["public.below_1"]
    assert ground.attached(before, table="public.p") == ["public.heir"]


def test_a_login_that_may_read_the_table_alone_is_enough(ground: Ground) -> None:
    ground.change(BY_RANGE, *part("old"), *part("new", "now()", 25))
    ground.change("revoke pg_read_all_data from {login}", "grant select on t to {login}")
    before = ground.snapshot()
    ground.change(attach("old"), attach("new", 20))
    assert ground.attached(before, where="t.id > 0") == ["public.old"]


def test_it_is_the_plans_snapshot_that_counts_not_who_else_is_at_work(ground: Ground) -> None:
    ground.change(BY_RANGE, *part("seen"), *part("later", number=25))
    with psycopg.connect(ground.url) as longest, psycopg.connect(ground.url) as attacher:
        longest.execute("select txid_current()")
        ground.change(attach("seen"))
        attacher.execute(attach("later", 20).encode())
        before = ground.snapshot()
        assert ground.attached(before) == []
        attacher.commit()
        assert ground.attached(before) == ["public.later"]


SET_AT = "create function set_at() returns trigger language plpgsql as $$ begin new.at := now(); return new; end $$"
BEFORE = "create trigger a_set before insert or update on t for each row execute function set_at()"
TRIGGERS: dict[str, tuple[list[str], list[str]]] = {
    "switched off and on": (["alter table t disable trigger a_set", "alter table t enable trigger a_set"], ["a_set"]),
    "all switched off and on": (["alter table t disable trigger all", "alter table t enable trigger all"], ["a_set"]),
    "replaced": (["drop trigger a_set on t", BEFORE], ["a_set"]),
    "a second one": ([BEFORE.replace("a_set", "b_set")], ["b_set"]),
    "one for inserts": ([BEFORE.replace("a_set", "b_set").replace(" or update", "")], ["b_set"]),
    "one after the row": ([BEFORE.replace("a_set", "b_set").replace("before", "after")], []),
    "the table altered": (["alter table t add column x int default 1", "create index on t (v)", "analyze t"], []),
    "a partition made": (["create table t2 partition of t for values from (10) to (20)"], []),
    "rows written": (["insert into t values (1), (2)", "update t set v = 'x'", "truncate t", "vacuum full t"], []),
}


@pytest.mark.parametrize("done", TRIGGERS)
def test_a_trigger_that_was_off_for_a_while_is_named(ground: Ground, done: str) -> None:
    statements, expected = TRIGGERS[done]
    ground.change(BY_RANGE, "create table t1 partition of t for values from (0) to (10)", SET_AT, BEFORE)
    before = ground.snapshot()
    ground.change(*statements)
    assert find_switched(ground.reader, source(), before, "update") == expected
    assert [reason.split()[1] for reason in unread_rows(ground.reader, source(), before, LOW, "update")] == expected
    ground.reader.rollback()
    assert find_switched(ground.reader, source(), ground.snapshot(), "update") == []


def test_mode_append_asks_for_triggers_on_insert_only(ground: Ground) -> None:
    ground.change(PLAIN, SET_AT)
    before = ground.snapshot()
    ground.change(BEFORE.replace("insert or ", ""))
    assert find_switched(ground.reader, source(), before, "insert") == []
    assert find_switched(ground.reader, source(), before, "update") == ["a_set"]
    assert unread_rows(ground.reader, source(query="select * from t"), before, LOW, "update") == []
