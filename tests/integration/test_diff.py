"""Diff by value on real servers: differences made at random are found, all of them, and nothing else."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable
from typing import Any

from bson import Decimal128, Int64, encode
from cases import Case
from servers import Servers

from switchyard.legs.diff import diff_stores
from switchyard.prove.digests import bucket_of

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
    assert digest.examples == []

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
    assert sum(values.facts["keys"].values()) == DIFFERENCES
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
