"""One cache key for every Python value that MongoDB takes for the same _id; none for what has no exact form."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from bson import Binary, Decimal128, Int64
from hypothesis import given
from hypothesis import strategies as st
from pymongo import MongoClient

from switchyard.connections import Connection
from switchyard.errors import ValueRefused
from switchyard.flow.naming import served_identity
from switchyard.serve.cache.gate import Gate, script, value, value_seq
from switchyard.serve.cache.keys import cache_key, id_values
from switchyard.serve.mongo.connection import server_of_client, server_of_connection

UTC_PLUS_2 = dt.timezone(dt.timedelta(hours=2))


@pytest.mark.parametrize(
    "alike",
    [
        [1, Int64(1), Decimal(1), Decimal("1.00"), Decimal128("1.0"), Decimal("1E0")],
        [Decimal("0.50"), Decimal("0.5"), Decimal128("5E-1")],
        [0, Decimal("-0.0"), Decimal128("0E+3")],
        [10**33, Decimal("1E33")],
        [dt.date(2024, 1, 1), dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, 2, tzinfo=UTC_PLUS_2)],
        [b"x", Binary(b"x")],
    ],
)
def test_what_mongodb_takes_for_one_id_is_one_cache_key(alike: list[object]) -> None:
    assert len({cache_key("f", [same]) for same in alike}) == 1


def test_what_mongodb_tells_apart_is_told_apart() -> None:
    different = [
        1,
        True,
        "1",
        "true",
        b"1",
        Decimal("1.1"),
        "1.1",
        dt.date(2024, 1, 1),
        "2024-01-01",
        '{"$binary":"MQ=="}',
    ]
    assert len({cache_key("f", [one]) for one in different}) == len(different)
    assert len({cache_key("f", k) for k in ([1, 2], ["1,2"], ["[1,2]"], [12])}) == 4


@given(st.lists(st.tuples(st.text(), st.integers() | st.text()), min_size=2, max_size=2, unique=True))
def test_different_keys_have_different_texts(keys: list[tuple[object, ...]]) -> None:
    assert cache_key("f", keys[0]) != cache_key("f", keys[1])


@pytest.mark.parametrize("bad", [1.0, None, [1], {"a": 1}, Decimal("NaN"), dt.datetime(2024, 1, 1, microsecond=1)])
def test_what_cannot_be_a_key_is_refused(bad: object) -> None:
    with pytest.raises(ValueRefused):
        cache_key("f", [bad])


def test_a_subdocument_gives_its_values_in_order() -> None:
    assert id_values({"b": 1, "a": 2}) == [1, 2]
    assert id_values(7) == [7]


@pytest.mark.parametrize(
    "text", [b"", b"1|2", b"1|2|ajar", b"x|1|open", b"1|2|open ", b"-1|0|open", b"1|2|open|", b"1|2|open|x"]
)
def test_what_is_no_gate_counts_as_lost(text: bytes) -> None:
    assert Gate.parse(text) is None


@pytest.mark.parametrize("text", [b"7|5|open|0123456789abcdef", b"7|5|closed|ff", b"7|5|open", b"7|7|closed"])
def test_a_gate_is_written_as_it_was_read(text: bytes) -> None:
    gate = Gate.parse(text)
    assert gate is not None
    assert gate.text() == text


@pytest.mark.parametrize(
    ("gate", "admits", "is_of_another"),
    [
        (Gate(7, 5, True, "aa"), True, False),
        (Gate(7, 5, False, "aa"), False, False),
        (Gate(7, 5, True, "bb"), False, True),
        (Gate(7, 5, False, "bb"), False, True),
        (Gate(7, 5, True), False, False),  # of an earlier release: it does not say
    ],
)
def test_a_gate_admits_the_readers_of_its_own_collection_only(gate: Gate, admits: bool, is_of_another: bool) -> None:
    assert gate.admits("aa") is admits
    assert gate.is_of_another("aa") is is_of_another


def test_the_identity_of_a_collection_changes_with_each_of_its_parts() -> None:
    parts = ["mongo:27017", "grid", "telemetry"]
    known = {served_identity(*parts)}
    for at in range(3):
        changed = [*parts]
        changed[at] += "x"
        known.add(served_identity(*changed))
    known.add(served_identity("mongo:27017", "gridt", "elemetry"))
    assert len(known) == 5
    assert served_identity(*parts) == "13f4936b159d8450", "readers in other languages compute it, too"


@pytest.mark.parametrize(
    ("connection", "client", "name"),
    [
        (Connection("m", "mongo", "Mongo.Example", 27018), "mongodb://mongo.example:27018", "mongo.example:27018"),
        (Connection("m", "mongo", "mongo"), "mongo", "mongo:27017"),
        (Connection("m", "mongo"), "localhost", "localhost:27017"),
        (Connection("m", "mongo", "b:1,a"), "mongodb://a,b:1", "a:27017,b:1"),
    ],
)
def test_a_client_and_a_connection_name_the_server_alike(connection: Connection, client: str, name: str) -> None:
    assert server_of_connection(connection) == name
    assert server_of_client(MongoClient(client, connect=False)) == name


def test_a_server_behind_an_srv_record_is_named_by_the_record() -> None:
    srv = Connection("m", "mongo", "Cluster0.example.net", extra={"srv": "true"})
    assert server_of_connection(srv) == "cluster0.example.net"


def test_only_values_between_floor_and_seq_of_an_open_gate_are_used() -> None:
    gate = Gate.parse(b"7|5|open")
    assert gate is not None
    assert gate.text() == b"7|5|open"
    used = {seq: gate.payload(value(seq, b"p|q")) for seq in (4, 5, 6, 7, 8)}
    assert used == {4: None, 5: b"p|q", 6: b"p|q", 7: b"p|q", 8: None}
    assert gate.payload(value(7, b"")) == b""
    assert gate.payload(b"rubbish") is None
    assert Gate(7, 5, False).payload(value(6, b"p")) is None
    assert value_seq(value(12, b"x" * 50)[:21]) == 12


def test_the_scripts_ship_with_the_package() -> None:
    assert all("KEYS[1]" in script(name) for name in ("close", "open", "floor", "fill"))
