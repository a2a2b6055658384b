"""What every MongoDB server has to do for the serve leg: stage, publish, remember, read back, and say what is wrong.

The servers are the stack's stand-in and, when SWITCHYARD_TEST_MONGO_URL names one, a real mongod.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import bson
import pyarrow as pa
import pytest
from bson import Int64
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from harness.serve_servers import Secantus, free_port
from switchyard.connections import Connection
from switchyard.errors import ConnectionUnusable, PublishConflict, ServerUnavailable, StepFailed, ValueRefused
from switchyard.serve.documents.encoder import DocumentEncoder
from switchyard.serve.mongo.form import require_fit, require_replaceable
from switchyard.serve.mongo.marker import Marker
from switchyard.serve.mongo.read import read_retrying
from switchyard.serve.mongo.record import ServedRecord, State, read_shown, write_record
from switchyard.serve.mongo.target import MongoTarget

pytest_plugins = ["harness.serve_servers"]


def documents(version: int, count: int, **more: object) -> list[bytes]:
    return [bson.encode({"_id": Int64(i), "version": version, **more}) for i in range(count)]


def test_stage_publish_and_what_is_left(serve_mongo: MongoTarget) -> None:
    serve_mongo.ping()
    report = serve_mongo.stage("t__s1_a", [documents(1, 3), [], documents(1, 0)], [["version"], ["version", "x"]])
    assert report.documents == serve_mongo.count("t__s1_a") == 3
    assert report.bytes == 3 * len(documents(1, 1)[0])
    serve_mongo.publish_snapshot("t__s1_a", "t")
    assert not serve_mongo.exists("t__s1_a")
    state = serve_mongo.state("t")
    assert (state.exists, state.documents) == (True, 3)
    assert sorted(state.indexes) == [("version",), ("version", "x")]
    assert not serve_mongo.state("nothing").exists


def republish(mongo: MongoTarget, batches: list[list[bytes]], indexes: list[list[str]]) -> None:
    """A second snapshot of collection `t`, made like the first."""
    mongo.stage("t__s2_b", batches, indexes, like=mongo.form("t"))
    mongo.publish_snapshot("t__s2_b", "t")


def test_a_publish_replaces_the_documents_alone(serve_mongo: MongoTarget) -> None:
    """The indexes that somebody made stay, with their options."""
    live = serve_mongo.collection("t")
    live.create_index([("by_hand", 1), ("down", -1)], name="mine", unique=True, sparse=True)
    live.create_index([("version", 1)], name="partly", partialFilterExpression={"version": {"$gt": 1}})
    before = serve_mongo.form("t")
    assert before is not None
    republish(serve_mongo, [documents(2, 4)], [["version"], ["other"]])
    after = serve_mongo.form("t")
    assert after is not None
    assert {index["name"]: index for index in after.indexes if index["name"] != "other_1"} == {
        index["name"]: index for index in before.indexes
    }
    assert {"mine", "partly", "other_1"} == {index["name"] for index in after.indexes}, "version has an index already"
    assert {d["version"] for d in serve_mongo.collection("t").find()} == {2}
    assert serve_mongo.form("none_yet") is None


@pytest.mark.parametrize(
    ("create", "index", "why"),
    [
        ({"viewOn": "other", "pipeline": []}, None, "is a view"),
        ({"timeseries": {"timeField": "at"}}, None, "is a time-series collection"),
        ({"capped": True, "size": 4096}, None, "is capped"),
        ({}, {"expireAfterSeconds": 60}, "has the TTL index at_1"),
    ],
)
def test_a_collection_that_would_not_keep_the_documents_is_refused(
    serve_mongo: MongoTarget, create: dict[str, object], index: dict[str, object] | None, why: str
) -> None:
    serve_mongo.collection("other").insert_one({"_id": 1})
    serve_mongo.database.command({"create": "t", **create})
    if index is not None:
        serve_mongo.collection("t").create_index("at", **index)
    form = serve_mongo.form("t")
    assert form is not None
    with pytest.raises(StepFailed, match=why):
        require_fit(form, "collection t")
    assert list(serve_mongo.form("other").faults()) == []  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "option", [{"validator": {"version": {"$gte": 0}}}, {"collation": {"locale": "de", "strength": 2}}], ids=str
)
def test_a_collection_with_options_of_somebodys_is_not_replaced(
    serve_mongo: MongoTarget, option: dict[str, object]
) -> None:
    serve_mongo.database.command({"create": "t", **option})
    form = serve_mongo.form("t")
    assert form is not None
    require_fit(form, "collection t")
    with pytest.raises(StepFailed, match=f"made with {next(iter(option))}.* a snapshot .*would put"):
        require_replaceable(form, "collection t")


def test_documents_that_a_validator_or_a_unique_index_does_not_let_in_say_so(serve_mongo: MongoTarget) -> None:
    serve_mongo.database.command({"create": "t", "validator": {"version": {"$gte": 5}}})
    with pytest.raises(StepFailed, match="a validator, and 2 or more documents do not pass it, those with _id 0, 1"):
        serve_mongo.replace("t", [RawBSONDocument(document) for document in documents(4, 2)])
    serve_mongo.collection("t").create_index("version", unique=True, name="mine")
    with pytest.raises(StepFailed, match="do not fit the index mine"):
        republish(serve_mongo, [documents(5, 2)], [])
    live = serve_mongo.collection("t")
    live.insert_one({"_id": 9, "version": 7})
    with pytest.raises(StepFailed, match=r"a unique index that is not one of serve.indexes.* with _id 0"):
        serve_mongo.replace("t", [RawBSONDocument(document) for document in documents(7, 1)])
    assert [document["_id"] for document in live.find()] == [9]


def test_an_empty_version_is_published_as_an_empty_collection(serve_mongo: MongoTarget) -> None:
    serve_mongo.stage("t__s1_a", [documents(1, 2)])
    serve_mongo.publish_snapshot("t__s1_a", "t")
    assert serve_mongo.stage("t__s2_b", []).documents == 0
    serve_mongo.publish_snapshot("t__s2_b", "t")
    assert serve_mongo.state("t").exists
    assert serve_mongo.count("t") == 0


def test_every_byte_is_read_back_as_written(serve_mongo: MongoTarget) -> None:
    batch = pa.record_batch(
        {
            "id": pa.array([1, 2, 3]),
            "small": pa.array([1, None, -(2**31)], pa.int32()),
            "f": [-0.0, float("nan"), float("inf")],
            "d": pa.array(["1.50", None, "-0.01"]).cast(pa.decimal128(30, 2)),
            "l": [[[1, None], []], None, []],
            "s": [{"x": "é\0"}, None, {"x": None}],
            "b": [b"\0\xff", None, b""],
            "t": pa.array([-62_135_596_800_000_000, 253_402_300_799_999_000, None], pa.timestamp("us")),
        }
    )
    encoded = DocumentEncoder(batch.schema, ["id"]).encode(batch)
    report = serve_mongo.stage("t__s1_a", [encoded])
    serve_mongo.publish_snapshot("t__s1_a", "t")
    assert [d.raw for d in serve_mongo.raw("t").find().sort("_id")] == encoded
    found = serve_mongo.digest("t")
    assert (found.documents, found.hex) == (report.documents, report.digest)
    serve_mongo.collection("t").update_one({"_id": 1}, {"$set": {"f": 0.0}})
    assert serve_mongo.digest("t").hex != report.digest


def test_a_repeated_key_is_refused_by_name(serve_mongo: MongoTarget) -> None:
    with pytest.raises(ValueRefused, match=r"2 or more rows have the key of another row, e\.g\. _id 0, 1") as caught:
        serve_mongo.stage("t__s1_a", [documents(1, 5), documents(1, 2)])
    assert "test_mongo" in caught.value.where
    assert "serve.key" in caught.value.cure


def test_staging_again_starts_anew(serve_mongo: MongoTarget) -> None:
    serve_mongo.stage("t__s1_a", [documents(1, 5)], [["version"]])
    assert serve_mongo.stage("t__s1_a", [documents(1, 2)]).documents == serve_mongo.count("t__s1_a") == 2


def test_a_dropped_staging_makes_a_zombies_rename_fail(serve_mongo: MongoTarget) -> None:
    for name in ("t__s1_a", "t__s2_b", "t__s2_c", "t__s10_d", "t__summary_x", "t__s", "t__s3", "tt__s1_a"):
        serve_mongo.stage(name, [documents(1, 1)])
    assert serve_mongo.stagings("t") == ["t__s10_d", "t__s1_a", "t__s2_b", "t__s2_c"]
    assert serve_mongo.drop_stagings("t", older_than_seq=2) == ["t__s1_a"]
    assert sorted(serve_mongo.drop_stagings("t", keep="t__s2_c")) == ["t__s10_d", "t__s2_b"]
    with pytest.raises(PublishConflict, match="t__s1_a no longer exists"):
        serve_mongo.publish_snapshot("t__s1_a", "t")
    assert not serve_mongo.exists("t")
    assert serve_mongo.exists("t__summary_x")


def test_readers_see_one_version_whole_and_count_the_killed_cursors(serve_mongo: MongoTarget) -> None:
    rows, versions, done = 1500, 8, threading.Event()
    serve_mongo.stage("t__s0_a", [documents(0, rows, pad="x" * 50)])
    serve_mongo.publish_snapshot("t__s0_a", "t")
    seen: list[tuple[int, int, int]] = []
    live = serve_mongo.collection("t")
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                # small batches keep the cursor open across a publish
                whole = read_retrying(lambda: [d["version"] for d in live.find({}, batch_size=200)])
                seen.append((len(whole.value), len(set(whole.value)), whole.retries))
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for version in range(1, versions):
        serve_mongo.stage(f"t__s{version}_a", [documents(version, rows, pad="x" * 50)])
        serve_mongo.publish_snapshot(f"t__s{version}_a", "t")
    done.set()
    for reader in readers:
        reader.join()
    assert not failures
    assert {(count, kinds) for count, kinds, _ in seen} == {(rows, 1)}
    print(f"{len(seen)} whole reads, {sum(retries for *_, retries in seen)} killed cursors retried")


def test_a_cursor_killed_by_a_publish_is_read_again_from_the_start(serve_mongo: MongoTarget) -> None:
    serve_mongo.stage("t__s1_a", [documents(1, 500)])
    serve_mongo.publish_snapshot("t__s1_a", "t")
    publishes = iter([2, 3])

    def read() -> set[int]:
        cursor = serve_mongo.collection("t").find({}, batch_size=10)
        found = {next(cursor)["version"]}
        if version := next(publishes, None):
            serve_mongo.stage(f"t__s{version}_a", [documents(version, 500)])
            serve_mongo.publish_snapshot(f"t__s{version}_a", "t")
        return found | {d["version"] for d in cursor}

    whole = read_retrying(read, pause_seconds=0)
    assert (whole.value, whole.retries) == ({3}, 2)


def test_a_server_that_is_down_is_named_with_its_connection() -> None:
    down = Connection(
        "grid_mongo", "mongo", "127.0.0.1", free_port(27110, 27199), schema="d", password="hidden", login="u"
    )
    with MongoTarget(down, timeout_seconds=0.3) as target, pytest.raises(ServerUnavailable) as caught:
        target.ping()
    assert "connection grid_mongo" in str(caught.value)
    assert "does not answer" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_connection_without_database_or_with_a_bad_option_is_refused() -> None:
    with pytest.raises(ConnectionUnusable, match="names no database"):
        MongoTarget(Connection("m", "mongo", "127.0.0.1"))
    with pytest.raises(ConnectionUnusable, match="cannot be used for MongoDB"):
        MongoTarget(Connection("m", "mongo", "127.0.0.1", schema="d", extra={"nonsense": 1, "tls": "perhaps"}))


def test_a_wrong_password_and_a_server_lost_in_the_middle(tmp_path: Path) -> None:
    server = Secantus(tmp_path, free_port(27110, 27150)).start()
    client: MongoClient = MongoClient(port=server.port)
    client.shop.command("createUser", "writer", pwd="right", roles=["readWrite"])
    client.close()
    server.process.terminate()
    server.process.wait()
    server.start("--auth")
    right = Connection("shop", "mongo", "127.0.0.1", server.port, "writer", "right", "shop")
    try:
        with MongoTarget(replace(right, password="wr0ng")) as target, pytest.raises(ConnectionUnusable) as caught:
            target.ping()
        assert "refused user writer" in str(caught.value)
        assert "wr0ng" not in str(caught.value)
        with MongoTarget(replace(right, login="", password="")) as target, pytest.raises(ConnectionUnusable):
            target.ping()
        with MongoTarget(right, timeout_seconds=0.5) as target:
            target.ping()

            def batches() -> object:
                yield documents(1, 10)
                server.kill()
                yield documents(1, 10)

            with pytest.raises(ServerUnavailable, match="does not answer"):
                target.stage("t__s1_a", batches())
    finally:
        server.kill()


def record(seq: int, *, load: str = "", state: State = "writing") -> ServedRecord:
    return ServedRecord("t", "f", "db.t", seq, load or f"load{seq}", seq + 10, "ingested", "snapshot", state)


def test_the_marker_travels_with_the_rename_and_is_not_copied(serve_mongo: MongoTarget) -> None:
    first, second = Marker(1, 11, "load1"), Marker(2, 12, "load2")
    for marker in (first, second):
        staging = f"t__s{marker.serve_seq}_a"
        serve_mongo.stage(staging, [documents(marker.serve_seq, 3)], [["version"]], marker)
        serve_mongo.publish_snapshot(staging, "t")
        assert serve_mongo.marker("t") == marker
    form = serve_mongo.form("t")
    assert form is not None
    assert [index["name"] for index in form.indexes] == ["version_1"]
    serve_mongo.mark("t", third := Marker(3, 13, "load3"))
    serve_mongo.mark("t", third)
    names = [index["name"] for index in serve_mongo.collection("t").list_indexes()]
    assert [name for name in names if name.startswith("switchyard|")] == ["switchyard|3|13|load3"]
    assert serve_mongo.count("t") == 3
    assert serve_mongo.marker("nothing") is None


def test_a_record_changes_from_the_expected_one_only(serve_mongo: MongoTarget) -> None:
    write_record(serve_mongo, record(1), after=None)
    write_record(serve_mongo, record(1, state="served"), after=None)
    assert read_shown(serve_mongo, "t").record == record(1, state="served")
    write_record(serve_mongo, record(2), after=1)
    for late in (record(3, load="zombie"), record(2, load="other")):
        with pytest.raises(
            PublishConflict, match=r"another run recorded serve seq 2 after this load was planned on serve seq 1"
        ):
            write_record(serve_mongo, late, after=1)
    with pytest.raises(PublishConflict):
        write_record(serve_mongo, record(4), after=None)
    assert read_shown(serve_mongo, "t").record == record(2)


def test_of_many_that_expect_the_same_record_one_wins(serve_mongo: MongoTarget) -> None:
    write_record(serve_mongo, record(1), after=None)
    won: list[str] = []
    lost: list[str] = []
    begin = threading.Barrier(6)

    def claim(load: str) -> None:
        begin.wait()
        try:
            write_record(serve_mongo, record(2, load=load), after=1)
            won.append(load)
        except PublishConflict:
            lost.append(load)

    rivals = [threading.Thread(target=claim, args=(f"rival{i}",)) for i in range(6)]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join()
    assert (len(won), len(lost)) == (1, 5)
    shown = read_shown(serve_mongo, "t").record
    assert shown is not None
    assert shown.load_id == won[0]


def test_whole_documents_are_replaced_inserted_and_deleted_by_id(serve_mongo: MongoTarget) -> None:
    serve_mongo.stage("t__s1_a", [documents(1, 4, old="field")])
    serve_mongo.publish_snapshot("t__s1_a", "t")
    changed = [RawBSONDocument(bson.encode({"_id": Int64(i), "version": 2})) for i in (2, 9)]
    for _ in range(2):
        serve_mongo.replace("t", changed)
        serve_mongo.delete("t", [Int64(0), Int64(77)])
    assert {d["_id"]: (d["version"], d.get("old")) for d in serve_mongo.collection("t").find()} == {
        1: (1, "field"),
        2: (2, None),
        3: (1, "field"),
        9: (2, None),
    }
    assert [d.raw for d in serve_mongo.find_raw("t", [Int64(9), Int64(0)])] == [changed[1].raw]


def test_every_write_asks_for_a_majority(serve_mongo: MongoTarget) -> None:
    """A server that does not know write concerns, or not this one, would refuse what is sent."""
    assert serve_mongo.collection("t").write_concern.document == {"w": "majority"}
    assert serve_mongo.raw("t").write_concern.document == {"w": "majority"}
    result = serve_mongo.collection("t").insert_one({"_id": 1})
    assert result.acknowledged
    command = {"insert": "t", "documents": [{"_id": 2}], "writeConcern": {"w": "majority"}}
    reply = serve_mongo.database.command(command)
    assert reply["n"] == 1
    assert "writeConcernError" not in reply
