"""Diff by value on real servers: differences made at random are found, all of them, and nothing else."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128, Int64, encode

from harness.cases import Case
from harness.checkout import CHECKOUT
from harness.servers import Servers
from switchyard.compare.digests import bucket_of
from switchyard.errors import NothingToCompare, ReconcileMismatch, SwitchyardError
from switchyard.legs.diff.run import diff_stores
from switchyard.legs.serve import leg as serve_leg

NewCase = Callable[..., Case]
Differences = dict[int, tuple[str, frozenset[str]]]

ROWS = 6_000
DIFFERENCES = 1_000
TEXT_LISTS = {"tags": {"as": "string"}}
EVERY_TYPE = """
create table t (
  id int primary key, small smallint, whole bigint, price numeric(12,2), ratio double precision, single real,
  name text, fixed char(5), raw bytea, flag boolean, day date, at timestamp(3), seen timestamptz(3), tags text[])
"""
FILL = """
insert into t select g, g % 30000, g * 10000000000, g + 0.25, g / 7.0, g / 3.0::real, 'name ' || g, 'c' || g % 10,
  decode(md5(g::text), 'hex'), g % 3 = 0, date '1960-01-01' + g, timestamp '2020-01-01' + g * interval '1 ms',
  timestamptz '1969-12-31 23:59:59Z' + g * interval '1 ms', array['a' || g, null]
from generate_series(1, {rows}) g
"""


def read_table(case: Case, table: str = "t__diff") -> dict[str, set[tuple[str, Any]]]:
    """What the table of differences says, through HiveServer2: key → {(kind, column)}."""
    found: dict[str, set[tuple[str, Any]]] = {}
    for key, kind, column in case.hive(what="key, kind, column_name", table=table):
        found.setdefault(key, set()).add((kind, column))
    return found


def break_documents(case: Case, random_: random.Random, count: int) -> Differences:
    """Change, delete and add documents in every way the issue names; id → what was done, and to which columns."""
    collection, made = case.servers.mongo[case.name], {}
    ids = random_.sample(range(1, ROWS + 1), count)
    for number, i in enumerate(ids):
        document = collection.find_one({"_id": i})
        change: dict[str, Any] = {}
        match number % 10:
            case 0:
                change = {"name": document["name"] + random_.choice([" ", "x", "\u0301"])}
            case 1:
                collection.delete_one({"_id": i})
                made[i] = ("missing", frozenset())
            case 2:
                new = ROWS + i
                collection.insert_one({**document, "_id": new, "id": new})
                made[new] = ("extra", frozenset())
            case 3:
                change = {"id": Int64(i)}
            case 4:
                change = {"small": float(document["small"])}
            case 5:
                column = random_.choice(["at", "seen"])
                change = {column: document[column] + dt.timedelta(milliseconds=random_.choice([-1, 1]))}
            case 6:
                cents = document["price"].to_decimal() + random_.choice([-1, 1]) * Decimal128("0.01").to_decimal()
                change = {"price": Decimal128(cents)}
            case 7:
                change = {"flag": None, "tags": document["tags"][:1]}
            case 8:
                collection.update_one({"_id": i}, {"$unset": {"raw": 1}})
                made[i] = ("changed", frozenset({"raw"}))
            case 9:
                change = {"added": 1, "whole": int(document["small"])}
        if change:
            collection.update_one({"_id": i}, {"$set": change})
            made[i] = ("changed", frozenset(change))
    return made


def test_a_thousand_random_differences_in_mongodb_are_named_exactly(module_case: NewCase, servers: Servers) -> None:
    """Acceptance 3: values names exactly the keys and columns, digest exactly their buckets; heal, and it is equal."""
    case = module_case("diff", serve={}, cache={}, columns=TEXT_LISTS)
    case.sql(EVERY_TYPE, FILL.format(rows=ROWS))
    case.both()
    runtime, flow = case.runtime, case.flow()
    for mode in ("counts", "digest", "values"):
        assert diff_stores(runtime, flow, mode, "hive-mongodb").equal, mode
    made = break_documents(case, random.Random(20_261_121), DIFFERENCES)
    assert len(made) == DIFFERENCES

    digest = diff_stores(runtime, flow, "digest", "hive-mongodb")
    expected = {bucket_of(encode({"_id": i})[4:-1]) for i in made}
    assert set(digest.buckets) == expected
    assert digest.examples == ()

    code, said = case.switchyard("diff", case.name, "--format", "json")
    assert code == 3, said
    (facts,) = json.loads(said)
    assert sum(facts["keys"].values()) == DIFFERENCES
    assert set(map(int, facts["differing_buckets"])) == expected
    found = read_table(case)
    assert {int(key): frozenset(column for _, column in rows if column) for key, rows in found.items()} == {
        i: columns for i, (_, columns) in made.items()
    }
    assert {int(key): {kind for kind, _ in rows} for key, rows in found.items()} == {
        i: {kind} for i, (kind, _) in made.items()
    }

    code, said = case.switchyard("diff", case.name, "--heal")
    assert code == 3, said
    assert "healed by" in said, said
    code, said = case.switchyard("diff", case.name)
    assert (code, said.startswith("hive-mongodb equal: ")) == (0, True), said
    assert case.hive(what="count(*)", table="t__diff") == [(0,)]
    assert case.run("serve")["plan"]["nothing_to_do"]


def break_source(case: Case, random_: random.Random, count: int) -> Differences:
    """Change, delete and add rows of the source after the load; id → what was done, and to which columns."""
    made: Differences = {}
    statements = []
    for number, i in enumerate(random_.sample(range(1, ROWS + 1), count)):
        kind, columns = "changed", frozenset[str]()
        match number % 8:
            case 0:
                change = "name = name || ' '"
            case 1:
                kind, change = "missing", ""
                statements.append(f"insert into t select {ROWS + i}, small, whole from t where id = {i}")
                made[ROWS + i] = (kind, columns)
                continue
            case 2:
                statements.append(f"delete from t where id = {i}")
                made[i] = ("extra", columns)
                continue
            case 3:
                change = "at = at + interval '1 microsecond'"
            case 4:
                change = "seen = seen - interval '1 microsecond', price = price - 0.01"
            case 5:
                change = "ratio = ratio * (1 + 2.220446049250313e-16), flag = null"
            case 6:
                change = "single = -single, day = day + 1"
            case _:
                change = "raw = raw || '\\x00'::bytea, tags = tags || array['']"
        statements.append(f"update t set {change} where id = {i}")
        made[i] = (kind, frozenset(part.split(" = ")[0].strip() for part in change.split(", ")))
    case.sql(*statements)
    return made


def test_a_thousand_random_differences_in_the_source_are_named_exactly(new_case: NewCase) -> None:
    """The same between PostgreSQL and Hive, where one microsecond counts; the next load heals it."""
    case = new_case("diffpg", columns=TEXT_LISTS)
    case.sql(EVERY_TYPE.replace("(3)", ""), FILL.format(rows=ROWS).replace("'1 ms'", "'1 microsecond'"))
    case.run("ingest")
    runtime, flow = case.runtime, case.flow()
    for mode in ("counts", "digest", "values"):
        assert diff_stores(runtime, flow, mode, "postgres-hive").equal, mode
    made = break_source(case, random.Random(20_261_122), DIFFERENCES)
    assert len(made) == DIFFERENCES
    digest = diff_stores(runtime, flow, "digest", "postgres-hive")
    values = diff_stores(runtime, flow, "values", "postgres-hive")
    expected = {bucket_of(b"\1" + i.to_bytes(8, "little")) for i in made}
    assert set(digest.buckets) == set(values.buckets) == expected
    assert sum((values.compared.keys or {}).values()) == DIFFERENCES
    found = read_table(case, "t__source_diff")
    assert {int(key): frozenset(column for _, column in rows if column) for key, rows in found.items()} == {
        i: columns for i, (_, columns) in made.items()
    }
    assert {int(key): {kind for kind, _ in rows} for key, rows in found.items()} == {
        i: {kind} for i, (kind, _) in made.items()
    }
    code, said = case.switchyard("diff", case.name, "--between", "postgres-hive")
    assert code == 3
    case.run("ingest")
    code, said = case.switchyard("diff", case.name, "--between", "postgres-hive")
    assert (code, said.startswith("postgres-hive equal: ")) == (0, True), said


def test_what_is_no_difference_is_not_told(new_case: NewCase, servers: Servers) -> None:
    """Another order of fields, another exponent, a NaN of other bits, a pending version: equal in every mode."""
    case = new_case("same", serve={})
    case.sql(
        "create table t (id int primary key, x text, n numeric(10,2), f double precision)",
        "insert into t select g, 'a' || g, g, 'NaN' from generate_series(1, 50) g",
    )
    case.both()
    collection = servers.mongo[case.name]
    collection.update_many({"_id": {"$lt": 10}}, {"$unset": {"x": 1}})
    for i in range(1, 10):
        collection.update_one({"_id": i}, {"$set": {"x": f"a{i}", "n": Decimal128(f"{i}.0")}})
    assert list(collection.find_one({"_id": 1})) == ["_id", "id", "n", "f", "x"]
    case.sql("update t set x = 'newer'")
    case.run("ingest")
    for mode in ("digest", "values"):
        assert diff_stores(case.runtime, case.flow(), mode, "hive-mongodb").equal, mode


def test_a_product_its_key_of_two_columns_and_microseconds_beside(new_case: NewCase, servers: Servers) -> None:
    case = new_case("diffp", serve={"timestamps": "beside"})
    case.change(
        serve={
            "key": ["kind", "day"],
            "table": "per_day",
            "select": f"select kind, to_date(at) as day, sum(w) as w, max(at) as at from {case.name}.t"
            " group by kind, to_date(at)",
        }
    )
    case.sql(
        "create table t (id serial primary key, kind text, at timestamp, w numeric(12,3))",
        "insert into t (kind, at, w) select 'k' || g % 3,"
        " timestamp '2020-01-01 00:00:00.000001' + g * interval '1 day', g from generate_series(1, 30) g",
    )
    case.both()
    assert diff_stores(case.runtime, case.flow(), "values", "hive-mongodb").equal
    collection = servers.mongo[case.name]
    one, two, three = collection.find({}).sort([("day", 1)]).limit(3)
    collection.update_one({"_id": one["_id"]}, {"$inc": {"at_us": 1}})
    collection.delete_one({"_id": two["_id"]})
    moved = {"day": three["_id"]["day"], "kind": three["_id"]["kind"]}
    collection.delete_one({"_id": three["_id"]})
    collection.insert_one({**three, "_id": moved})
    result = diff_stores(case.runtime, case.flow(), "values", "hive-mongodb")
    assert result.compared.keys == {"changed": 1, "missing": 2, "extra": 1}
    assert result.compared.columns == {"at_us": 1}
    assert result.compared.table == f"{case.name}.per_day__diff"
    assert (None, "missing") in {row[:2] for row in case.hive(what="column_name, kind, key", table="per_day__diff")}


def test_the_serve_legs_own_diff_fails_on_a_difference_and_its_order_heals(new_case: NewCase, servers: Servers) -> None:
    """`serve.diff`: the publish stays, the step fails with the numbers; `diff.heal` makes the next run a snapshot."""
    case = new_case("diffs", serve={"diff": "values", "publish": "delta"}, cache={}, diff={"heal": True})
    case.sql("create table t (id int primary key, x text)", "insert into t select g, 'a' from generate_series(1, 40) g")
    assert case.both()["diff"]["equal"]
    cache = case.cache()
    assert cache.get(7)["x"] == "a"
    servers.mongo[case.name].update_one({"_id": 7}, {"$set": {"x": "tampered"}})
    case.sql("update t set x = 'b' where id = 1")
    with pytest.raises(
        ReconcileMismatch, match=r"hive-mongodb differ: 1 of 4,096 buckets of keys differ, keys: 1 changed"
    ):
        case.both()
    assert servers.mongo[case.name].find_one({"_id": 1})["x"] == "b", "the publish stays"
    assert case.loads("serve")[0].state == "served"
    report = case.run("serve")
    assert report["stage"]["changes_known"] is False
    assert report["diff"]["equal"]
    assert servers.mongo[case.name].find_one({"_id": 7})["x"] == "a"
    assert case.cache().get(7)["x"] == "a"
    assert case.run("serve")["plan"]["nothing_to_do"]


@pytest.mark.kin
@pytest.mark.parametrize("publish", ["delta", "snapshot"])
def test_a_heal_that_is_ordered_while_a_load_is_at_work_is_not_lost(
    new_case: NewCase, servers: Servers, publish: str
) -> None:
    """That load was planned before the order, and knows nothing of the document that somebody changed."""
    case = new_case("late", serve={"publish": publish})
    case.sql("create table t (id int primary key, x text)", "insert into t select g, 'a' from generate_series(1, 9) g")
    case.both()
    case.sql("insert into t values (10, 'b')")
    case.run("ingest")
    at_work = serve_leg.plan(case.runtime, case.flow())
    servers.mongo[case.name].update_one({"_id": 7}, {"$set": {"x": "tampered"}})
    assert diff_stores(case.runtime, case.flow(), "values", "hive-mongodb", heal=True).compared.heal_ordered
    for step in (serve_leg.stage, serve_leg.publish, serve_leg.refresh_cache):
        step(case.runtime, at_work.load_id)
    assert servers.mongo[case.name].count_documents({}) == 10
    case.run("serve")
    assert servers.mongo[case.name].find_one({"_id": 7})["x"] == "a"
    assert case.run("serve")["plan"]["nothing_to_do"]


def test_rows_that_changed_since_the_load_take_no_part(new_case: NewCase) -> None:
    """With a bookmark: rows that the cursor marks as newer are left out on both sides; a silent change is found."""
    case = new_case("diffm", source={"cursor": "changed"}, lake={"mode": "merge"})
    case.sql(
        "create table t (id int primary key, x text, changed timestamptz not null default clock_timestamp())",
        "create function touch() returns trigger language plpgsql as"
        " $$begin new.changed = clock_timestamp(); return new; end$$",
        "create trigger touch before update on t for each row execute function touch()",
        "insert into t select g, 'a' from generate_series(1, 30) g",
    )
    case.run("ingest")
    case.sql("update t set x = 'b' where id <= 5", "insert into t values (31, 'c')")
    result = diff_stores(case.runtime, case.flow(), "values", "postgres-hive")
    assert result.equal, result.compared
    assert result.compared.moved_since_load == 6
    case.sql(
        "alter table t disable trigger touch", "update t set x = 'silent' where id = 9", "delete from t where id = 10"
    )
    result = diff_stores(case.runtime, case.flow(), "values", "postgres-hive")
    assert (result.compared.keys, result.compared.columns) == ({"changed": 1, "extra": 1}, {"x": 1})


def test_without_a_key_there_are_counts_and_digests_only(new_case: NewCase) -> None:
    case = new_case("diffk")
    case.sql("create table t (x text, n int)", "insert into t select 'a', g / 2 from generate_series(1, 50) g")
    case.run("ingest")
    flow = case.flow()
    assert diff_stores(case.runtime, flow, "digest", "postgres-hive").equal
    case.sql("update t set x = 'b' where n = 3 and ctid in (select min(ctid) from t where n = 3)")
    assert diff_stores(case.runtime, flow, "counts", "postgres-hive").equal
    assert len(diff_stores(case.runtime, flow, "digest", "postgres-hive").buckets) == 2
    with pytest.raises(SwitchyardError, match="mode values needs a key"):
        diff_stores(case.runtime, flow, "values", "postgres-hive")


def test_nothing_to_compare_is_said(new_case: NewCase) -> None:
    case = new_case("diffn", serve={})
    for between in ("hive-mongodb", "postgres-hive"):
        with pytest.raises(NothingToCompare):
            diff_stores(case.runtime, case.flow(), "values", between)


def test_the_nightly_dag_tells_fails_and_orders(
    new_case: NewCase, servers: Servers, own_airflow: dict[str, str]
) -> None:
    """As Airflow runs it: the comparison's event carries both results, the verdict fails, the serve leg is woken."""
    case = new_case("nightly", serve={}, diff={"heal": True, "source": True})
    case.sql("create table t (id int primary key, x text)", "insert into t select g, 'a' from generate_series(1, 20) g")
    case.both()
    shutil.copy(CHECKOUT / "dags" / "diff.py", case.directory)
    case.write_file()
    folder = {"AIRFLOW__CORE__DAGS_FOLDER": str(case.directory)}
    airflow = partial(run_airflow, {**os.environ, **own_airflow, **folder, **case.environ})
    servers.mongo[case.name].update_one({"_id": 3}, {"$set": {"x": "b"}})
    said = airflow("dags", "test", "diff")
    assert "stores differ" in said, said[-4000:]
    assert "hive-mongodb: 1 of 4,096 buckets of keys differ, keys: 1 changed" in said
    assert "postgres-hive: equal; 20 rows in postgres, 20 in hive" in said
    assert "state=failed" in said
    assert case.run("serve")["stage"]["changes_known"] is False, "the order is there"
    assert servers.mongo[case.name].find_one({"_id": 3})["x"] == "a"


def run_airflow(environ: dict[str, str], *arguments: str) -> str:
    command = [str(Path(sys.executable).with_name("airflow")), *arguments]
    done = subprocess.run(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240
    )
    return done.stdout
