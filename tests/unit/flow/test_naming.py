"""The names: one owner, no two things under one name."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchyard.flow import naming
from switchyard.flow.spec import Flow

SERVE = {"connection": "m", "collection": "c", "key": ["k"]}


def flow(**serve: object) -> Flow:
    return Flow.model_validate(
        {
            "flow": "f",
            "source": {"connection": "p", "table": "s.t"},
            "lake": {"database": "d", "table": "t"},
            "serve": {**SERVE, **serve} if serve else None,
        }
    )


scalars = st.one_of(
    st.text(max_size=8),
    st.integers(),
    st.booleans(),
    st.none(),
    st.dates(),
    st.datetimes(),
    st.binary(max_size=8),
    st.decimals(allow_nan=False, allow_infinity=False, places=2).filter(lambda d: d != 0 or not d.is_signed()),
)


@given(st.lists(st.lists(scalars, min_size=2, max_size=2), min_size=2, max_size=2))
def test_two_keys_never_share_a_cache_key(pair: list[list[object]]) -> None:
    one, other = (naming.encode_key(values) for values in pair)
    same = [[(type(value), value) for value in values] for values in pair]
    assert (one == other) == (same[0] == same[1])


def test_one_column_keys_are_readable() -> None:
    assert naming.cache_value("telemetry", naming.encode_key([7])) == "{telemetry}:v:7"
    assert naming.encode_key(["7"]) == '"7"'
    assert naming.encode_key([Decimal("1.50")]) == '{"$decimal":"1.50"}'
    assert naming.encode_key([dt.date(2016, 3, 27)]) == '{"$date":"2016-03-27"}'
    assert naming.encode_key(["H0-A", 3]) == '["H0-A",3]'


def test_a_value_that_cannot_be_a_key_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot be part of a key"):
        naming.encode_key([object()])


def test_cache_keys_of_a_flow_are_in_one_slot() -> None:
    assert naming.cache_gate("f").startswith("{f}:")
    assert naming.cache_value("f", "1").startswith("{f}:")


def test_every_try_has_its_own_directories() -> None:
    tries = {naming.new_try() for _ in range(1000)}
    assert len(tries) == 1000
    places = {naming.landing("/lake", "d", "t", "l1", try_id) for try_id in tries}
    places |= {naming.staging("/lake", "d", "t", "l1", try_id) for try_id in tries}
    places |= {naming.empty_version("/lake", "d", "t")}
    assert len(places) == 2001
    root = naming.table_root("/lake", "d", "t")
    assert naming.landing("/lake", "d", "t", "l1", "x").startswith(f"{root}/load=")
    assert not naming.staging("/lake", "d", "t", "l1", "x").startswith(f"{root}/")


def test_dag_ids_and_pools() -> None:
    assert naming.dag_id("ingest", "telemetry") == "ingest__telemetry"
    assert naming.pool("powergrid_postgres") == "connection__powergrid_postgres"


def test_what_is_served_is_the_lake_table_or_its_product() -> None:
    plain, product = flow(collection="c").serve, flow(select="select k from t").serve
    named = flow(select="select k from t", table="p").serve
    assert plain is not None
    assert product is not None
    assert named is not None
    lake = flow().lake
    assert naming.served_table(lake, plain) == ("d", "t")
    assert naming.served_table(lake, product) == ("d", "c")
    assert naming.served_table(lake, named) == ("d", "p")


def test_targets_say_which_key_of_the_file_names_them() -> None:
    lake = {("lake", "table"): "Hive table d.t", ("lake", "quarantine"): "Hive table d.t__quarantine"}
    assert naming.targets(flow()) == lake
    assert naming.targets(flow(select="select k from t", table="p")) == {
        **lake,
        ("serve", "select"): "Hive table d.p",
        ("serve", "collection"): "collection c of m",
    }
