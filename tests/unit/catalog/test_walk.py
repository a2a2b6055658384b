"""Walking captured metadata: edges, schemas, and what is missing or spelled differently."""

from __future__ import annotations

from typing import Any

from switchyard.catalog import lineage, urns
from switchyard.catalog.chain import flow_datasets, walk_flow
from switchyard.catalog.lineage import LineageStep
from switchyard.catalog.walk import Catalog
from switchyard.connections import GivenConnections
from switchyard.flow.spec import Flow

CONNECTIONS = GivenConnections(
    {
        "pg": {"conn_type": "postgres", "host": "db", "schema": "grid"},
        "lake_hdfs": {"conn_type": "hdfs", "host": "nn"},
        "mongo": {"conn_type": "mongo", "host": "m", "schema": "grid"},
        "redis": {"conn_type": "redis", "host": "r", "extra": {"db": 2}},
    }
)
FLOW = Flow.model_validate(
    {
        "flow": "telemetry",
        "source": {"connection": "pg", "table": "public.telemetry"},
        "lake": {"database": "db", "table": "telemetry"},
        "serve": {"connection": "mongo", "collection": "telemetry", "key": ["id"]},
        "cache": {"connection": "redis"},
    }
)


def job_record(job: str, step: LineageStep) -> dict[str, Any]:
    columns = [
        {"upstreams": [urns.field(*up) for up in edge.upstreams], "downstreams": [urns.field(*edge.downstream)]}
        for edge in step.columns
    ]
    value = {"inputDatasets": list(step.inputs), "outputDatasets": list(step.outputs), "fineGrainedLineages": columns}
    return {"entityUrn": job, "aspectName": "dataJobInputOutput", "aspect": {"json": value}}


def schema_record(urn: str, *fields: str) -> dict[str, Any]:
    value = {"fields": [{"fieldPath": path, "nativeDataType": "text"} for path in fields]}
    return {"entityUrn": urn, "aspectName": "schemaMetadata", "aspect": {"json": value}}


def steps() -> list[LineageStep]:
    return [
        lineage.land_step(FLOW, source_database="grid", hdfs_authority="nn:8020", columns=[("id", "id")]),
        lineage.publish_step(FLOW, hdfs_authority="nn:8020", columns=["id"]),
        lineage.serve_step(FLOW, mongo_database="grid", columns=[("id", "id")]),
        lineage.cache_step(FLOW, mongo_database="grid", redis_database=2, fields=["id"]),
    ]


def records() -> list[dict[str, Any]]:
    jobs = [job_record(urns.data_job("dag", str(n)), step) for n, step in enumerate(steps())]
    return jobs + [schema_record(urn, "id", "_id") for urn in flow_datasets(FLOW, CONNECTIONS)]


def test_a_whole_chain_lacks_nothing() -> None:
    chain = walk_flow(Catalog(records()), FLOW, CONNECTIONS)
    assert not chain.missing
    assert not chain.mismatched
    assert [link.column_edges for link in chain.links] == [1, 1, 2, 2]
    assert [urns.platform_of(urn) for urn in chain.datasets] == ["postgres", "hdfs", "hive", "mongodb", "redis"]


def test_columns_can_be_followed_from_source_to_cache() -> None:
    first, *_, last = flow_datasets(FLOW, CONNECTIONS)
    path = Catalog(records()).column_path(urns.field(first, "id"), urns.field(last, "_id"))
    assert path is not None
    assert [urns.path_of(hop.target) for hop in path] in (["id", "id", "_id", "_id"], ["id", "id", "id", "_id"])


def test_a_leg_that_never_ran_is_missing_but_no_mismatch() -> None:
    chain = walk_flow(Catalog(records()[:2] + records()[4:7]), FLOW, CONNECTIONS)
    assert len(chain.missing) == 2
    assert not chain.mismatched


def test_a_dataset_that_ingestion_spells_differently_is_a_mismatch() -> None:
    other = [
        schema_record(urns.dataset("hive", "DB.telemetry"), "id") if "hive" in r["entityUrn"] else r for r in records()
    ]
    assert walk_flow(Catalog(other), FLOW, CONNECTIONS).mismatched == [
        f"no schema of {urns.hive_table('db', 'telemetry')}"
    ]


def test_a_column_that_ingestion_spells_differently_is_a_mismatch() -> None:
    hive = urns.hive_table("db", "telemetry")
    other = [schema_record(hive, "[version=2.0].[type=int].id") if r["entityUrn"] == hive else r for r in records()]
    mismatched = walk_flow(Catalog(other), FLOW, CONNECTIONS).mismatched
    assert set(mismatched) == {f"no such column: {urns.field(hive, 'id')}"}


def test_later_records_win_and_removed_entities_are_gone() -> None:
    job = urns.data_job("dag", "0")
    again = [*records(), job_record(job, LineageStep(("urn:a",), ("urn:b",)))]
    assert walk_flow(Catalog(again), FLOW, CONNECTIONS).links[0].hops == ()
    removed = {"entityUrn": job, "aspectName": "status", "aspect": {"json": {"removed": True}}}
    assert walk_flow(Catalog([*records(), removed]), FLOW, CONNECTIONS).links[0].hops == ()


def test_snapshots_are_read_as_well_as_proposals() -> None:
    urn = urns.mongodb_collection("grid", "telemetry")
    snapshot = {
        "proposedSnapshot": {
            "com.linkedin.pegasus2avro.metadata.snapshot.DatasetSnapshot": {
                "urn": urn,
                "aspects": [{"com.linkedin.pegasus2avro.schema.SchemaMetadata": {"fields": [{"fieldPath": "_id"}]}}],
            }
        }
    }
    assert Catalog([snapshot]).fields(urn) == {"_id": ""}
