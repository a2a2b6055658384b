"""A load taken back: Hive, MongoDB and cache show the old version again, and nobody loads until somebody says so."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from harness.cases import Case
from harness.matrix import record
from harness.readers import Reader, cache_reader, hive_reader, mongo_reader
from harness.servers import Servers
from harness.two_versions import ROWS, TwoVersions
from switchyard.errors import FlowHeld, PublishConflict, ReconcileMismatch, SwitchyardError
from switchyard.ledger.flow_state import read_state
from switchyard.legs.ingest.release import release
from switchyard.legs.ingest.rollback import rollback
from switchyard.legs.serve import leg as serve_leg
from switchyard.legs.tables import vacuum

NewCase = Callable[..., Case]


def held(case: Case) -> str | None:
    with case.runtime.ledger() as ledger:
        return read_state(ledger, case.name).held


def let_go(case: Case) -> None:
    release(case.runtime, case.flow())


def load(case: Case, value: str) -> None:
    case.sql("truncate t", f"insert into t select g, '{value}-' || g from generate_series(1, 5) g")
    case.run("ingest")


def shown(case: Case) -> set[str]:
    return {x.partition("-")[0] for (x,) in case.hive(what="x")}


def test_a_bad_load_is_rolled_back_on_every_hop(new_case: NewCase) -> None:
    case = new_case("undo", serve={}, cache={"warm": 10})
    case.sql("create table t (id int primary key, x text)")
    for value in ("v1", "v2", "bad"):
        load(case, value)
    case.run("serve")
    cache = case.cache()
    assert [cache.get(g)["x"] for g in range(1, 6)] == [f"bad-{g}" for g in range(1, 6)]

    code, said = case.switchyard("rollback", case.name, "--why", "the substation lied")
    assert code == 0, said
    assert f"flow {case.name} is on hold; when the reason is gone: switchyard release {case.name}" in said
    assert (shown(case), case.version().seq) == ({"v2"}, 4)
    assert [d["x"] for d in case.documents()] == [f"v2-{g}" for g in range(1, 6)]
    assert [cache.get(g)["x"] for g in range(1, 6)] == [f"v2-{g}" for g in range(1, 6)], "the undone load is not cached"
    newest = case.loads("ingest")[0]
    assert (newest.kind, newest.state, newest.seq, newest.location) == (
        "rollback", "published", 4, case.loads("ingest")[2].location,
    )  # fmt: skip
    assert "the substation lied" in held(case)
    assert case.version().load_id == newest.load_id

    with pytest.raises(FlowHeld, match=r"rolled back from seq 3 to seq 2.*the substation lied") as caught:
        case.run("ingest")
    assert f"switchyard release {case.name}" in caught.value.cure
    assert (shown(case), case.version().seq) == ({"v2"}, 4), "held: nothing is loaded"
    assert "nothing_to_do" in case.run("serve")["plan"], "a hold does not stop serve"

    code, said = case.switchyard("rollback", case.name)
    assert code == 0, said
    assert (shown(case), case.version().seq) == ({"v1"}, 5), "again: further back, never forth"
    assert [cache.get(g)["x"] for g in range(1, 6)] == [f"v1-{g}" for g in range(1, 6)]
    with pytest.raises(SwitchyardError, match="version before the current one is not among") as caught:
        rollback(case.runtime, case.flow())
    assert "(seq 3, 5 rows, published" in caught.value.cure
    assert "(seq 2, 5 rows, published" in caught.value.cure

    assert _switchyard(case, "loads", case.name).count("rollback") == 2
    assert "rolled back from seq" in _switchyard(case, "status", "--flows", str(case.write_file()))

    for expected in (f"flow {case.name} is released; it was on hold: rolled back from seq 4", "was not on hold"):
        assert expected in _switchyard(case, "release", case.name, "--flows", str(case.write_file()))
    load(case, "good")
    case.run("serve")
    assert (shown(case), case.version().seq) == ({"good"}, 6)
    assert cache.get(1)["x"] == "good-1"
    assert rollback(case.runtime, case.flow()).facts["to_seq"] == 5, "the version before, as it was shown"
    assert shown(case) == {"v1"}


def _switchyard(case: Case, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "switchyard", *arguments],
        env={**os.environ, **case.environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_across_drift_columns_and_location_change_in_one_step(new_case: NewCase) -> None:
    """Narrower again, and a column fewer: what Hive itself refuses, comparing columns by their position."""
    case = new_case("drift", serve={}, cache={}, contract={"columns": "evolve", "types": "evolve"})
    case.sql("create table t (id int primary key, x int, y numeric(9,2))", "insert into t values (1, 7, 1.25)")
    case.both()
    old = case.version()
    case.sql("alter table t alter x type bigint, alter y type numeric(20,2), add added timestamp", "update t set x = 8")
    case.both()
    assert [str(c.type) for c in case.version().columns] == ["int", "bigint", "decimal(20,2)", "timestamp"]
    rollback(case.runtime, case.flow())
    now = case.version()
    assert (now.columns, now.location, now.rows) == (old.columns, old.location, old.rows)
    assert [(i, x, str(y)) for i, x, y in case.hive()] == [(1, 7, "1.25")]
    case.run("serve")
    assert [(sorted(d), d["x"]) for d in case.documents()] == [(["_id", "id", "x", "y"], 7)]
    let_go(case)
    case.both()
    assert [(i, x, str(y), added) for i, x, y, added in case.hive()] == [(1, 8, "1.25", None)]


def test_an_append_table_drops_the_partitions_of_what_is_undone(new_case: NewCase) -> None:
    case = new_case(
        "unappend",
        source={"cursor": "at", "cursor_clock": "database"},
        lake={"mode": "append"},
        serve={"publish": "delta", "timestamps": "beside"},
        cache={},
    )
    case.sql("create table t (id int primary key, x text, at timestamptz not null default clock_timestamp())")

    def add(value: str) -> None:
        case.sql(
            f"insert into t (id, x) select coalesce((select max(id) from t), 0) + g, '{value}' "
            "from generate_series(1, 3) g"
        )
        case.run("ingest")

    for value in ("v1", "v2", "bad", "worse"):
        add(value)
    case.run("serve")
    bookmarks = {load.seq: load.high for load in case.loads("ingest")}
    rollback(case.runtime, case.flow(), to="2")
    assert case.hive("order by id", what="id, x") == [(i, "v1" if i < 4 else "v2") for i in range(1, 7)]
    assert (case.version().seq, len(case.version().paths)) == (5, 2)
    case.run("serve")
    assert [d["x"] for d in sorted(case.documents(), key=lambda d: d["id"])] == ["v1"] * 3 + ["v2"] * 3
    with case.runtime.ledger() as ledger:
        assert read_state(ledger, case.name).bookmark == bookmarks[2]
    with pytest.raises(SwitchyardError, match=r"lake\.mode append goes back to older versions only"):
        rollback(case.runtime, case.flow(), to="4")
    let_go(case)
    case.sql("update t set x = 'good' where x in ('bad', 'worse')")
    case.both()
    assert [x for (x,) in case.hive("order by id", what="x")] == ["v1"] * 3 + ["v2"] * 3 + ["good"] * 6, "read again"
    assert len(case.documents()) == 12
    assert rollback(case.runtime, case.flow()).facts["to_seq"] == 5
    assert rollback(case.runtime, case.flow()).facts["to_seq"] == 1
    assert [x for (x,) in case.hive(what="x")] == ["v1"] * 3


def test_to_names_a_load_or_a_seq_and_says_which_are_there(new_case: NewCase, servers: Servers) -> None:
    case = new_case("to", lake={"keep_loads": 2, "longest_query": "1s"})
    case.sql("create table t (id int primary key, x text)")
    for value in ("v1", "v2", "v3"):
        load(case, value)
    loads = list(reversed(case.loads("ingest")))
    for wrong, what in (("7", "load 7 is not among"), (loads[2].load_id, "is what Hive shows now, seq 3")):
        with pytest.raises(SwitchyardError, match=what) as caught:
            rollback(case.runtime, case.flow(), to=wrong)
        assert f"{loads[1].load_id} (seq 2" in caught.value.cure
    assert rollback(case.runtime, case.flow(), to="2").facts["to_load"] == loads[1].load_id
    assert rollback(case.runtime, case.flow(), to=loads[2].load_id).facts["to_seq"] == 3
    assert shown(case) == {"v3"}
    _age(case, servers)
    let_go(case)
    load(case, "v4")
    _age(case, servers)
    load(case, "v5")
    with pytest.raises(SwitchyardError, match=r"load 1, seq 1, is no longer in HDFS: .*keep_loads") as caught:
        rollback(case.runtime, case.flow(), to="1")
    assert "(seq 1" not in caught.value.cure
    assert held(case) is None
    assert shown(case) == {"v5"}


def _age(case: Case, servers: Servers) -> None:
    """As if everything superseded so far had been superseded long ago."""
    servers.postgres(
        "update loads set superseded_at = superseded_at - interval '1 day' where flow = %s",
        [case.name],
        url="LEDGER_URL",
    )


def test_vacuum_keeps_what_a_rollback_shows_again(new_case: NewCase, servers: Servers) -> None:
    """The old load is long superseded, its directory is the current one: by seq it would go, by need it stays."""
    case = new_case("keep", lake={"keep_loads": 1, "longest_query": "1s"})
    case.sql("create table t (id int primary key, x text)")
    load(case, "v1")
    load(case, "v2")
    rollback(case.runtime, case.flow())
    _age(case, servers)
    with case.runtime.ledger() as ledger:
        vacuum.vacuum(case.runtime, ledger, case.flow(), "ingest")
    assert shown(case) == {"v1"}
    assert {path.rsplit("/", 1)[0] for path in case.files()} == {case.version().path}, "the undone one went"


def test_a_version_that_somebody_wrote_into_is_not_shown_again(new_case: NewCase, servers: Servers) -> None:
    case = new_case("foul")
    case.sql("create table t (id int primary key, x text)")
    load(case, "v1")
    load(case, "v2")
    first = case.loads("ingest")[1].location
    file = next(path for path in servers.files_below(first) if "_manifest" not in path)
    servers.webhdfs("DELETE", file, "DELETE")
    with pytest.raises(ReconcileMismatch, match="have 0 rows now, and had 5"):
        rollback(case.runtime, case.flow())
    assert (shown(case), held(case)) == ({"v2"}, None)
    load(case, "v3")
    assert case.states("ingest") == ["published", "published", "abandoned", "published"]


def test_an_undone_version_that_waits_to_be_served_is_not_served(new_case: NewCase) -> None:
    case = new_case("late", serve={}, cache={})
    case.sql("create table t (id int primary key, x text)")
    load(case, "v1")
    case.run("serve")
    load(case, "bad")
    staged = serve_leg.plan(case.runtime, case.flow())
    serve_leg.stage(case.runtime, staged.load_id)
    rollback(case.runtime, case.flow())
    with pytest.raises(PublishConflict, match="seq 2, was rolled back to seq 1 meanwhile"):
        serve_leg.publish(case.runtime, staged.load_id)
    assert {d["x"] for d in case.documents()} == {f"v1-{g}" for g in range(1, 6)}
    case.run("serve")
    assert case.states("serve") == ["served", "abandoned", "served"]
    assert {d["x"] for d in case.documents()} == {f"v1-{g}" for g in range(1, 6)}


def test_every_reader_sees_whole_versions_while_loads_are_rolled_back(new_case: NewCase, servers: Servers) -> None:
    """Acceptance 7."""
    two = TwoVersions.load(new_case("undoing", serve={"indexes": [["x"]]}, cache={}))
    case, cache = two.case, two.case.cache()
    table = f"{case.name}.t"
    counts = {(ROWS, sum(d["_id"] for d in documents)): name for name, documents in two.documents.items()}
    readers: dict[str, Reader] = {
        "Hive, rows": hive_reader(servers, f"select id, x from {table}", two.name_rows),
        "Hive, aggregate": hive_reader(
            servers, f"select count(*), sum(id) from {table}", lambda rows: counts.get(tuple(rows[0]), str(rows))
        ),
        "MongoDB": mongo_reader(servers, case.name, two.name),
        "cache": cache_reader(two),
    }
    turns = 6
    with contextlib.ExitStack() as stack:
        for reader in readers.values():
            stack.enter_context(reader)
        for turn in range(turns):
            letter = "b" if turn % 2 == 0 else "a"
            rollback(case.runtime, case.flow(), to=two.versions[letter].load_id)
            case.run("serve")
            assert two.shown() == letter
            truth: dict[int, Any] = {document["_id"]: document for document in two.documents[letter]}
            assert [cache.get(key) for key in range(ROWS + 2)] == [truth.get(key) for key in range(ROWS + 2)]
            for reader in readers.values():
                reader.wait_for(letter)
    for name, reader in readers.items():
        assert set(reader.seen) <= {"a", "b"}, f"{name}: a query saw what was never published"
        record("both", f"{turns} rollbacks in a loop", f"reader: {name}", f"{reader.seen.total()} reads, no mixture")
    assert case.version().seq == turns + 2
    assert dt.datetime.now(dt.UTC) > case.loads("ingest")[0].published_at
