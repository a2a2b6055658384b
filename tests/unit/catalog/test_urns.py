"""URNs equal DataHub's own builders, whatever the name holds."""

from __future__ import annotations

import pytest
from datahub.emitter import mce_builder
from hypothesis import given
from hypothesis import strategies as st

from harness.awkward_names import AWKWARD
from switchyard.catalog import urns

NAMES = st.text(
    st.one_of(st.sampled_from("aZ9_.-,()␟%{}/ \"'é漢"), st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])),
    min_size=1,
    max_size=20,
)


@given(name=NAMES, path=NAMES)
def test_dataset_and_field_urns_are_datahubs(name: str, path: str) -> None:
    urn = urns.dataset("postgres", name)
    assert urn == mce_builder.make_dataset_urn("postgres", name, "PROD")
    assert urns.field(urn, path) == mce_builder.make_schema_field_urn(urn, path)


@given(name=NAMES, path=NAMES)
def test_a_field_urn_comes_apart_again(name: str, path: str) -> None:
    urn = urns.dataset("hive", name)
    column = urns.field(urn, path)
    assert urns.dataset_of(column) == urn
    assert urns.field(urn, "x").replace("x)", urns.path_of(column) + ")") == column
    assert urns.platform_of(urn) == "hive"
    assert urns.dataset("hive", "x").replace(",x,", f",{urns.name_of(urn)},") == urn


def test_jobs_are_named_as_the_plugin_names_them() -> None:
    flow = mce_builder.make_data_flow_urn("airflow", "ingest__telemetry", "PROD")
    assert urns.data_flow("ingest__telemetry") == flow
    assert urns.data_job("ingest__telemetry", "publish") == mce_builder.make_data_job_urn_with_flow(flow, "publish")


@pytest.mark.parametrize(
    ("written", "schema", "table"),
    [
        ("telemetry", "public", "telemetry"),
        ("grid.Node", "grid", "Node"),
        ('"Grid"."No de"', "Grid", "No de"),
        ('public."We,ird (x)"', "public", "We,ird (x)"),
        ('"a.b"."c""d"', "a.b", 'c"d'),
    ],
)
def test_table_names_are_read_as_postgres_spells_them(written: str, schema: str, table: str) -> None:
    assert urns.split_table(written) == (schema, table)


@pytest.mark.parametrize("written", ["a.b.c", ""])
def test_other_names_are_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"not schema\.table"):
        urns.split_table(written)


def test_names_of_the_five_platforms() -> None:
    assert urns.name_of(urns.postgres_table("powergrid", "public", "telemetry")) == "powergrid.public.telemetry"
    assert urns.name_of(urns.hdfs_landing("nn:8020", "/lake/db/t")) == "nn:8020/lake/db/t"
    assert urns.name_of(urns.hive_table("Db", "T")) == "db.t"
    assert urns.name_of(urns.mongodb_collection("powergrid", "Telemetry")) == "powergrid.Telemetry"
    assert urns.name_of(urns.redis_keyspace(3, "telemetry")) == "3.{telemetry}"


@pytest.mark.parametrize("name", AWKWARD)
def test_an_awkward_column_has_a_urn_that_comes_apart_again(name: str) -> None:
    urn = urns.postgres_table("db", "s", "t")
    assert urns.dataset_of(urns.field(urn, name)) == urn
