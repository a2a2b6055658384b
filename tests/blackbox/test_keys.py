"""W1 and W6: the key of a row, as PostgreSQL has it: which columns it has, and when two values of it are equal."""

import json

import pytest

from harness.outside.grounds import Grounds, given, require_refused, require_right_or_refused

BY_CURSOR = {"cursor": "updated_at", "cursor_clock": "database"}
STAMPED = "updated_at timestamptz not null default now()"


def test_columns_that_a_primary_key_includes_are_no_part_of_it(grounds: Grounds) -> None:
    flow = grounds.flow("covering", f"id int not null, name text not null, {STAMPED}", source=BY_CURSOR)
    flow.change(lake={"mode": "merge"})
    flow.sql(
        "create unique index {t}_covering on {t} (id) include (name)",
        "alter table {t} add primary key using index {t}_covering",
        "insert into {t} values (1, 'one'), (2, 'two')",
    )
    flow.ingest().require_success()
    flow.sql("update {t} set name = 'zwei', updated_at = now() where id = 2")
    ended = flow.ingest()
    shown = flow.hive("order by id, name", what="id, name")
    require_right_or_refused(ended, flow, shown, before=[(1, "one"), (2, "two")], after=[(1, "one"), (2, "zwei")])


@pytest.mark.kin
def test_a_diff_names_a_changed_row_by_its_key_alone(grounds: Grounds) -> None:
    flow = grounds.flow("compared", "id int not null, name text not null, primary key (id) include (name)")
    flow.sql("insert into {t} values (1, 'one'), (2, 'two')")
    flow.ingest().require_success()
    flow.sql("update {t} set name = 'zwei' where id = 2")
    ended = flow.switchyard("diff", flow.name, "--between", "postgres-hive", "--mode", "values", "--format", "json")
    given(ended.code, 3)
    (result,) = json.loads(ended.output)
    differing = [(example["kind"], example["column_name"]) for example in result["examples"]]
    assert differing == [("changed", "name")], result


def test_one_row_stays_one_row_when_the_case_of_its_citext_key_changes(grounds: Grounds) -> None:
    grounds.stores.as_admin("create extension if not exists citext", grounds.database)
    flow = grounds.flow("citext", f"email citext primary key, v int not null, {STAMPED}", source=BY_CURSOR)
    flow.change(lake={"mode": "merge"})
    flow.sql("insert into {t} values ('Ann@example.com', 1)")
    first = flow.ingest()
    if not first.succeeded:
        require_refused(first, flow, "email")
        return
    flow.sql("update {t} set email = 'ann@example.com', v = 2, updated_at = now()")
    ended = flow.ingest()
    shown = flow.hive(what="email, v")
    require_right_or_refused(ended, flow, shown, before=[("Ann@example.com", 1)], after=[("ann@example.com", 2)])


@pytest.mark.kin
def test_one_row_stays_one_row_when_the_text_of_its_interval_key_changes(grounds: Grounds) -> None:
    flow = grounds.flow("interval", f"period interval primary key, v int not null, {STAMPED}", source=BY_CURSOR)
    flow.change(lake={"mode": "merge"}, columns={"period": {"as": "string"}})
    flow.sql("insert into {t} values ('1 day', 1)")
    first = flow.ingest()
    if not first.succeeded:
        require_refused(first, flow, "period")
        return
    flow.sql("update {t} set period = '24 hours', v = 2, updated_at = now()")
    ended = flow.ingest()
    shown = flow.hive(what="period, v")
    require_right_or_refused(ended, flow, shown, before=[("1 day", 1)], after=[("24:00:00", 2)])


@pytest.mark.kin
def test_a_key_of_fewer_columns_is_refused_with_a_cure_that_holds(grounds: Grounds) -> None:
    flow = grounds.flow("narrow", f"id int, r int, v text, {STAMPED}, primary key (id, r)", source=BY_CURSOR)
    flow.change(lake={"mode": "merge"})
    flow.sql("insert into {t} values (1, 1, 'a'), (1, 2, 'b')")
    flow.ingest().require_success()
    flow.sql("delete from {t} where r = 1", "alter table {t} drop constraint {t}_pkey, add primary key (id)")
    flow.ingest().require_refusal("r was in it", "lake.table to a new name")
    given(len(flow.hive()), 2)
    flow.sql(
        "alter table {t} drop constraint {t}_pkey, add primary key (id, r, v)", "insert into {t} values (3, 1, 'c')"
    )
    flow.ingest().require_success()
    assert flow.hive("order by id, r", what="id, r, v") == [(1, 1, "a"), (1, 2, "b"), (3, 1, "c")]


@pytest.mark.kin
def test_one_row_stays_one_row_when_its_array_key_has_a_null(grounds: Grounds) -> None:
    flow = grounds.flow("array", f"k int[] primary key, v int not null, {STAMPED}", source=BY_CURSOR)
    flow.change(lake={"mode": "merge"})
    flow.sql("insert into {t} values ('{NULL}', 1), ('{1,NULL}', 1), ('{}', 1)")
    refused = flow.ingest()
    if not refused.succeeded:
        require_refused(refused, flow, "two NULLs in an array")
        flow.change(columns={"k": {"as": "string"}})
        flow.ingest().require_success()
    flow.sql("update {t} set v = 2, updated_at = now()")
    ended = flow.ingest()
    after = [("[1,null]", 2), ("[]", 2), ("[null]", 2)]
    shown = flow.hive("order by k", what="k, v")
    require_right_or_refused(ended, flow, shown, before=[(k, 1) for k, _ in after], after=after)


@pytest.mark.kin
def test_a_key_that_is_padded_otherwise_doubles_nothing(grounds: Grounds) -> None:
    flow = grounds.flow("padded", f"k char(3) primary key, v int not null, {STAMPED}", source=BY_CURSOR)
    flow.change(lake={"mode": "merge"})
    flow.sql("insert into {t} values ('ab', 1), ('cd', 1)")
    flow.ingest().require_success()
    flow.sql("alter table {t} alter k type char(5)", "update {t} set v = 2, updated_at = now() where k = 'ab'")
    flow.ingest().require_refusal("'k' was character(3)", "lake.table to a new name")
    assert flow.hive("order by k", what="k, v") == [("ab ", 1), ("cd ", 1)]
    flow.sql("alter table {t} alter k type char(3)")
    flow.ingest().require_success()
    assert flow.hive("order by k", what="k, v") == [("ab ", 2), ("cd ", 1)]


@pytest.mark.kin
def test_rows_of_mode_replace_that_share_a_key_are_no_ground_for_a_merge(grounds: Grounds) -> None:
    flow = grounds.flow("shared_key", f"id int not null, v text, {STAMPED}", lake={"mode": "replace"})
    flow.sql("insert into {t} values (1, 'a'), (2, 'b'), (2, 'c')")
    flow.ingest().require_success()
    flow.sql("delete from {t} where v = 'c'", "alter table {t} add primary key (id)")
    flow.change(source=BY_CURSOR, lake={"mode": "merge"})
    flow.ingest().require_sentence("1 keys .id. have several rows each in Hive table.*lake.mode: replace")
    flow.change(lake={"mode": "replace"})
    flow.ingest().require_success()
    flow.change(lake={"mode": "merge"})
    flow.ingest().require_success()
    assert flow.hive("order by id", what="id, v") == [(1, "a"), (2, "b")]
