"""Hostile names and values on the real servers: refused before anything runs, or carried as the text that they are."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from bson import Decimal128

from harness.cases import Case
from harness.servers import Servers
from switchyard.errors import PreflightRefused
from switchyard.legs.ingest.replay import find_replay
from switchyard.legs.steps import run_leg

NewCase = Callable[..., Case]
TEXTS = [
    "'); drop table canary; --",
    '"; drop table canary; --',
    "`; drop table canary; --`",
    "') or 1=1 --",
    "\\'); drop table canary; --",
    "$CONDITIONS",
    "${hiveconf:hive.metastore.warehouse.dir}",
    "${system:user.name}",
    "$(touch /tmp/canary)",
    "`touch /tmp/canary`",
    '{"$where": "sleep(1000)"}',
    '{"$gt": ""}',
    "$where",
    "a.$b",
    "../../etc/passwd",
    "*",
    "[a-z]*",
    "?",
    "{t}:gate",
    "a\nb\r\n\tc",
    "\\u0027",
    "-- ",
    "/* ",
    "\u2028\u202e💡",
    "x" * 200,
]


@dataclass
class Canaries:
    """Something on every server that an injection would take away."""

    servers: Servers
    name: str

    def __post_init__(self) -> None:
        self.servers.postgres(f'create schema "{self.name}"')
        self.servers.postgres(f'create table "{self.name}".canary as select 1 as sings')
        self.servers.hive(f"create database `{self.name}`")
        self.servers.hive(f"create table `{self.name}`.canary (sings int) stored as parquet")
        self.servers.mongo[self.name].insert_one({"_id": 1})
        self.servers.redis.set(self.name, 1)

    def assert_alive(self) -> None:
        assert self.servers.postgres(f'select * from "{self.name}".canary') == [(1,)]
        assert self.servers.hive(f"show tables in `{self.name}`") == [("canary",)]
        assert self.servers.mongo[self.name].find_one() == {"_id": 1}
        assert self.servers.redis.get(self.name) == b"1"

    def end(self) -> None:
        self.servers.postgres(f'drop schema if exists "{self.name}" cascade')
        self.servers.hive(f"drop database if exists `{self.name}` cascade")
        self.servers.mongo.drop_collection(self.name)
        self.servers.redis.delete(self.name)


@pytest.fixture(scope="module")
def canaries(servers: Servers) -> Iterator[Canaries]:
    made = Canaries(servers, f"it_canary_{uuid.uuid4().hex[:8]}")
    try:
        yield made
    finally:
        made.end()


TABLE = 'a"b.c; drop table canary; --'
NAMES = ['a"; drop table canary; --', "a b", "a.b", "$where", "_id", "a`b", "é'", "${hiveconf:x}", "a\nb"]


def test_hostile_names_of_the_source(new_case: NewCase, canaries: Canaries) -> None:
    """The table's name is quoted; columns that no store can name are refused by name, or left out by the flow."""
    quoted = TABLE.replace('"', '""')
    case = new_case("names")
    case.change(source={"table": f'{case.name}."{quoted}"', "key": ["id"]}, engine={"mappers": 2, "split_by": "id"})
    columns = ", ".join('"' + name.replace('"', '""') + '" text' for name in NAMES)
    case.sql("create table canary (sings int)", f'create table "{quoted}" (id int, v text, {columns})')
    case.sql(f"insert into \"{quoted}\" (id, v) values (1, 'one'), (2, 'two')")
    with pytest.raises(PreflightRefused) as refused:
        case.run("ingest")
    shown = refused.value.whole()
    assert [name for name in NAMES if f"column {name!r}" not in shown] == ["é'"] or all(
        f"column {name!r}" in shown for name in NAMES
    )
    assert case.loads("ingest") == []
    for part in ({"key": [NAMES[0]]}, {"cursor": "x\"'; drop table canary; --"}):
        with pytest.raises(PreflightRefused):
            case.run(
                "ingest", source={**part, "columns": None}, lake={"mode": "merge" if "cursor" in part else "replace"}
            )
    case.run("ingest", source={"columns": ["id", "v"]})
    assert sorted(case.hive()) == [(1, "one"), (2, "two")]
    assert case.sql("select count(*) from canary") == [(0,)]
    canaries.assert_alive()


def test_hostile_values_stay_what_they_are(new_case: NewCase, canaries: Canaries) -> None:
    """In rows, keys, checks, patterns, descriptions: through both legs, the cache and a delta."""
    case = new_case("values", serve={"key": ["k"], "publish": "delta"}, cache={"warm": 0})
    description, about_the_key = "".join(TEXTS).replace("x" * 200, ""), "it's \"`\\ ${x} 💡" + "y" * 3_900
    case.change(
        columns={"v": {"description": description}, "k": {"description": about_the_key}},
        description=description,
        checks=[
            {"accepted_values": {"column": "k", "values": TEXTS}},
            {"accepted_values": {"column": "k", "values": TEXTS[1:]}, "severity": "warn"},
            {"between": {"column": "v", "min": "') or 1=1 --", "max": "'; drop table canary; --"}, "severity": "warn"},
            {"regex": {"column": "k", "pattern": '^(\'|\\$|\\\\|"|`|\\{"|a|\\.|\\*|\\[|\\?|\\{t|-|/|\u2028|x)'}},
            {"regex": {"column": "k", "pattern": "'\\); drop table canary; --"}, "severity": "warn"},
            {"sql": "k <> '`; drop' and v = \"k\\\"'\" or length(v) > 0"},
            {"unique": "k", "name": "every key once"},
        ],
    )
    case.sql("create table t (k text primary key, v text, j jsonb)")
    with case.servers.session(autocommit=True) as session:
        for text in TEXTS:
            row = [text, text, json.dumps({"$where": text, "a.b": {"$gt": ""}})]
            session.execute(f'insert into "{case.name}".t values (%s, %s, %s)'.encode(), row)
    facts = case.run("ingest")
    warned = " ".join(facts["prove"]["warnings"])
    assert f"1 of {len(TEXTS)} rows break it" in warned
    assert f"{len(TEXTS) - 2} of {len(TEXTS)} rows break it" in warned, "the pattern found two texts"
    case.run("serve")
    assert {row[0]: row[1] for row in case.hive(what="k, v")} == {text: text for text in TEXTS}
    version = case.version()
    assert version is not None
    comments = {column.name: column.comment for column in version.columns}
    assert (comments["k"], comments["v"]) == (about_the_key, description)
    documents = {document["_id"]: document for document in case.documents()}
    assert set(documents) == set(TEXTS)
    for text, document in documents.items():
        assert document["v"] == text
        assert isinstance(document["j"], str)
        assert json.loads(document["j"])["$where"] == text
    cache = case.cache()
    assert [cache.get(text)["v"] for text in TEXTS] == TEXTS  # type: ignore[index]
    case.sql("update t set v = 'changed' where k = '*'")
    case.both()
    before = cache.counters().hits
    assert [cache.get(text)["v"] for text in TEXTS] == ["changed" if text == "*" else text for text in TEXTS]  # type: ignore[index]
    assert cache.counters().hits - before == len(TEXTS) - 1, "a key that looks like a glob is one key"
    canaries.assert_alive()


def test_a_replay_by_hostile_keys(new_case: NewCase, canaries: Canaries) -> None:
    case = new_case(
        "replay",
        source={"cursor": "at", "cursor_clock": "database"},
        lake={"mode": "merge"},
        contract={"quarantine_threshold": "100%"},
    )
    case.sql("create table t (k text primary key, n numeric(10,2), at timestamptz not null default clock_timestamp())")
    with case.servers.session(autocommit=True) as session:
        for i, text in enumerate(TEXTS):
            row = [text, "NaN" if i % 2 else str(i)]
            session.execute(f'insert into "{case.name}".t (k, n) values (%s, %s)'.encode(), row)
    facts = case.run("ingest")
    assert facts["prove"]["quarantined_rows"] == len(TEXTS) // 2
    case.sql("update t set n = 7 where n = 'NaN'")
    replay = find_replay(case.runtime, case.flow(), None)
    assert replay.rows == len(TEXTS) // 2
    reports = {r.step: r.facts for r in run_leg(case.runtime, "ingest", case.flow(), replay.request)}
    assert reports["prove"]["source_rows"] == len(TEXTS) // 2
    assert {row[0] for row in case.hive(what="k")} == set(TEXTS)
    assert {
        row[1] for i, row in enumerate(sorted(case.hive(what="k, n"), key=lambda r: TEXTS.index(r[0]))) if i % 2
    } == {Decimal128("7.00").to_decimal()}
    canaries.assert_alive()


UNKNOWN = [
    "../../etc/passwd",
    "x; touch /tmp/canary",
    "$(id)",
    "*",
    "-h",
    "--help",
    "'; drop table loads; --",
    "",
    "a" * 5_000,
]


@pytest.mark.parametrize("name", UNKNOWN)
def test_hostile_names_on_the_command_line(new_case: NewCase, name: str) -> None:
    """Each command takes the name for a name, and says by its own message that nothing has it."""
    case = new_case("cli")
    no_flow = f"error: {case.in_files()['SWITCHYARD_FLOWS']}: no flow has the name {name!r}"
    no_load = f"no load {name!r} in the ledger"
    for expected, message, *arguments in [
        (1, no_flow, "plan", "--", name),
        (1, no_flow, "loads", "--", name),
        (2, no_load, "step", "ingest", "land", "--load", name),  # 2 tells the parent process not to try again
    ]:
        code, output = case.switchyard(*arguments)
        assert (code, message[:LONGEST_SHOWN] in output) == (expected, True), output
        assert "Traceback" not in output
    code, output = case.switchyard("loads", "--", case.name)
    assert (code, "nothing here yet" in output) == (0, True), output


LONGEST_SHOWN = 500
"""Characters of an error that are shown in any case; a longer line is cut in its middle."""
SQL: list[dict[str, Any]] = [
    {"checks": [{"sql": "true) or (true"}]},
    {"checks": [{"sql": "true; drop table canary"}]},
    {"checks": [{"sql": "true -- "}]},
    {"checks": [{"sql": "k = 'a\\'"}]},
    {"checks": [{"sql": "${hiveconf:x} = 1"}]},
    {"source": {"where": "true) union all (select 1"}},
    {"source": {"where": "true; drop table canary"}},
    {"source": {"where": "$CONDITIONS or true"}},
]


@pytest.mark.parametrize("part", SQL, ids=str)
def test_sql_that_leaves_its_brackets_is_refused_with_its_line(new_case: NewCase, part: dict[str, Any]) -> None:
    case = new_case("sql")
    case.change(**part)
    code, said = case.ask("plan", case.name)
    assert code != 0
    assert f"{case.name}.yaml:" in said
