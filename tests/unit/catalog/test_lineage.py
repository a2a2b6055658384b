"""Lineage of each step: exact URNs, column by column, and the form that DataHub's listener reads."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from switchyard.catalog import lineage, urns
from switchyard.catalog.lineage import LineageStep
from switchyard.flow.spec import Flow

LAKE = urns.hive_table("grid_db", "reading")
SPEC: dict[str, Any] = {
    "flow": "reading",
    "source": {"connection": "pg", "table": "public.reading"},
    "lake": {"database": "grid_db", "table": "reading"},
    "serve": {"connection": "mongo", "collection": "daily", "key": ["profile", "day"]},
    "cache": {"connection": "redis"},
}
COLUMNS = {"profile": "string", "at": "timestamp", "p": "double", "q": "double"}


def make_flow(**over: Any) -> Flow:
    return Flow.model_validate({**SPEC, **over})


def with_select(sql: str) -> Flow:
    return make_flow(serve={**SPEC["serve"], "select": sql})


def edges(step: LineageStep) -> dict[str, set[str]]:
    return {edge.downstream[1]: {column for _, column in edge.upstreams} for edge in step.columns}


def test_steps_survive_the_report_of_a_child_process() -> None:
    step = lineage.land_step(make_flow(), source_database="grid", hdfs_authority="nn:8020", columns=[("C,d", "c_d")])
    assert LineageStep.from_json(json.loads(json.dumps(step.to_json()))) == step


def test_the_chain_has_no_gap() -> None:
    flow = make_flow()
    steps = [
        lineage.land_step(flow, source_database="grid", hdfs_authority="nn:8020", columns=[("Id", "id")]),
        lineage.publish_step(flow, hdfs_authority="nn:8020", columns=["id"]),
        lineage.serve_step(flow, mongo_database="grid", columns=[("id", "id")]),
        lineage.cache_step(flow, mongo_database="grid", redis_database=0, fields=["id"]),
    ]
    for before, after in pairwise(steps):
        assert before.outputs == after.inputs
        written = {edge.downstream for edge in before.columns}
        read = {upstream for edge in after.columns for upstream in edge.upstreams}
        assert {column for _, column in read} - {"profile", "day"} <= {column for _, column in written}


@pytest.mark.parametrize(("key", "paths"), [(["id"], {"_id": {"id"}}), (["a", "b"], {"_id.a": {"a"}, "_id.b": {"b"}})])
def test_the_key_makes_the_identity(key: list[str], paths: dict[str, set[str]]) -> None:
    flow = make_flow(serve={"connection": "mongo", "collection": "c", "key": key})
    step = lineage.serve_step(flow, mongo_database="grid", columns=[])
    assert edges(step) == paths


def test_aggregates_of_a_product_have_column_lineage() -> None:
    step = lineage.select_step(
        with_select(
            "select profile, to_date(`at`) as day, avg(p) as mean, max(p + q) as peak, count(*) as n"
            " from grid_db.reading where q is not null group by profile, to_date(`at`)"
        ),
        lake_columns=COLUMNS,
    )
    assert step.inputs == (LAKE,)
    assert step.outputs == (urns.hive_table("grid_db", "daily"),)
    assert edges(step) == {"profile": {"profile"}, "day": {"at"}, "mean": {"p"}, "peak": {"p", "q"}}


def test_a_star_is_resolved_and_the_database_may_be_left_out() -> None:
    step = lineage.select_step(with_select("select r.*, p - q as gap from reading r"), lake_columns=COLUMNS)
    assert edges(step) == {**{name: {name} for name in COLUMNS}, "gap": {"p", "q"}}


def test_sql_that_cannot_be_read_still_gives_the_table_edge() -> None:
    step = lineage.select_step(with_select("select frob(a b c) from grid_db.reading lateral 1"), lake_columns=COLUMNS)
    assert (step.inputs, step.outputs) == ((LAKE,), (urns.hive_table("grid_db", "daily"),))


def test_a_query_names_its_tables_and_columns() -> None:
    flow = make_flow(
        source={
            "connection": "pg",
            "query": 'select n.id as "Id", upper(n.name) as nm, t.v from node n join grid.types t on t.id = n.type_id',
        }
    )
    step = lineage.land_step(
        flow, source_database="grid", hdfs_authority="nn:8020", columns=[("Id", "id"), ("nm", "nm"), ("v", "v")]
    )
    assert set(step.inputs) == {
        urns.postgres_table("grid", "public", "node"),
        urns.postgres_table("grid", "grid", "types"),
    }
    assert edges(step) == {"id": {"id"}, "nm": {"name"}, "v": {"v"}}


def test_the_listener_reads_tables_and_columns() -> None:
    from datahub.api.entities.datajob import DataJob
    from datahub.utilities.urns.data_flow_urn import DataFlowUrn
    from datahub_airflow_plugin.airflow3.datahub_listener import DataHubListener

    step = lineage.copy_step("urn:li:dataset:(urn:li:dataPlatform:postgres,a.b.c,PROD)", LAKE, [("C,d", "c_d")])
    job = DataJob(id="land", flow_urn=DataFlowUrn.create_from_ids("airflow", "ingest__reading", "PROD"))
    read = DataHubListener._process_sql_parsing_result(None, job, lineage.parsing_result(step))  # type: ignore[arg-type]
    inputs, outputs, columns = read
    assert (inputs, outputs) == (list(step.inputs), list(step.outputs))
    assert [(edge.upstreams, edge.downstreams) for edge in columns] == [
        ([urns.field(step.inputs[0], "C,d")], [urns.field(LAKE, "c_d")])
    ]
