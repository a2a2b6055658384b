"""The catalog on real servers: what tasks name is what DataHub's sources ingest, and secrets stay where they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from harness.cases import Case, Facts
from harness.checkout import CHECKOUT
from harness.datahub_server import serve_datahub
from switchyard.catalog import chain, recipes, sync, urns
from switchyard.catalog.lineage import LineageStep
from switchyard.catalog.recipes import SourceKey
from switchyard.catalog.target import Target
from switchyard.catalog.walk import Catalog
from switchyard.errors import ServerUnavailable
from switchyard.flow import naming
from switchyard.flow.spec import Flow

DAGS = CHECKOUT / "dags"
SELECT = "select kind, count(*) as n, max(price) as dearest from `{name}`.`t` group by kind"


@pytest.fixture(scope="module")
def plain(module_case: Callable[..., Case]) -> Case:
    """A table with awkward names and types, served as it is, cached and warmed."""
    case = module_case("cat", serve={"timestamps": "string"}, cache={"warm": 10})
    case.sql(
        'create table t (id int primary key, "UnitPrice" numeric(10,2), kind text, at timestamp, ok boolean)',
        "insert into t values (1, 1.50, 'a', '2020-01-01 00:00:00.000001', true), (2, null, null, null, null)",
    )
    return case


@pytest.fixture(scope="module")
def product(module_case: Callable[..., Case]) -> Case:
    """A table of which an aggregate is served."""
    case = module_case("catp", serve={"key": ["kind"]})
    case.change(serve={"select": SELECT.format(name=case.name), "table": "product"})
    case.sql("create table t (id int primary key, kind text, price double precision)")
    case.sql("insert into t values (1, 'a', 1.5), (2, 'a', 2.5), (3, 'b', null)")
    return case


@pytest.fixture(scope="module")
def ingested(
    plain: Case, product: Case, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Catalog, Mapping[str, Facts]]:
    """Both flows run, then every server ingested; the catalog, and the reports of all steps."""
    reports = {case.name: {**case.run("ingest"), **_renamed(case.run("serve"))} for case in (plain, product)}
    target = Target("datahub", directory=tmp_path_factory.mktemp("catalog"))
    for key in recipes.list_sources(_flows(plain, product)):
        report = sync.ingest(recipes.build_recipe(key, _flows(plain, product), plain.connections), target)
        assert report.missing == (), report
    assert target.directory is not None
    return Catalog.load(target.directory), reports


def _flows(*cases: Case) -> list[Flow]:
    return [case.flow() for case in cases]


def _renamed(facts: Facts) -> Facts:
    return {f"serve {step}": fact for step, fact in facts.items()}


def _steps(reports: Facts) -> list[LineageStep]:
    return [LineageStep.from_json(facts["lineage"]) for facts in reports.values() if "lineage" in facts]


def test_every_dataset_and_column_that_steps_name_was_ingested(
    ingested: tuple[Catalog, Mapping[str, Facts]], plain: Case, product: Case
) -> None:
    catalog, reports = ingested
    for case, hops in ((plain, 4), (product, 4)):
        steps = _steps(reports[case.name])
        assert len(steps) == hops
        for urn in {urn for step in steps for urn in (*step.inputs, *step.outputs)}:
            assert catalog.fields(urn), urn
        for edge in (edge for step in steps for edge in step.columns):
            for dataset, column in (edge.downstream, *edge.upstreams):
                assert column in (catalog.fields(dataset) or {}), f"{dataset}: {column}"


def test_steps_join_to_the_chain_that_the_flow_promises(
    ingested: tuple[Catalog, Mapping[str, Facts]], plain: Case, product: Case
) -> None:
    for case in (plain, product):
        edges = {(step.inputs[0], step.outputs[0]) for step in _steps(ingested[1][case.name])}
        datasets = chain.flow_datasets(case.flow(), case.connections)
        assert edges == set(pairwise(datasets))


def test_types_are_those_of_each_server(ingested: tuple[Catalog, Mapping[str, Facts]], plain: Case) -> None:
    source, landing, lake, *_ = chain.flow_datasets(plain.flow(), plain.connections)
    catalog, _ = ingested
    assert (catalog.fields(source) or {})["UnitPrice"].startswith("NUMERIC(")
    assert "decimal128(10, 2)" in (catalog.fields(landing) or {}).values()
    assert "decimal(10,2)" in (catalog.fields(lake) or {}).values()


def test_an_empty_table_has_a_schema_everywhere(new_case: Callable[..., Case], tmp_path: Path) -> None:
    case = new_case("cate", serve={}, cache={}, reconcile={"allow_empty": True})
    case.sql("create table t (id int primary key, price numeric(10,2), name text)")
    steps = _steps({**case.run("ingest"), **_renamed(case.run("serve"))})
    target = Target("datahub", directory=tmp_path)
    for key in recipes.list_sources(_flows(case)):
        assert sync.ingest(recipes.build_recipe(key, _flows(case), case.connections), target).missing == ()
    catalog = Catalog.load(tmp_path)
    for urn in {urn for step in steps[:2] for urn in (*step.inputs, *step.outputs)}:
        assert list(catalog.fields(urn) or ()) == ["id", "price", "name"], urn


def test_names_that_need_encoding_are_spelled_as_datahubs_source_spells_them(plain: Case, tmp_path: Path) -> None:
    plain.sql('create table "Od,d (x)%" ("a,b (c)" int)')
    key = SourceKey("postgres", "powergrid_postgres")
    sync.ingest(recipes.build_recipe(key, _flows(plain), plain.connections), Target("datahub", directory=tmp_path))
    plain.sql('drop table "Od,d (x)%"')
    urn = urns.postgres_table("powergrid", plain.name, "Od,d (x)%")
    assert list(Catalog.load(tmp_path).fields(urn) or ()) == ["a,b (c)"]


def test_no_staging_collection_or_table_is_ingested(plain: Case, tmp_path: Path) -> None:
    staging = naming.staging_collection(plain.name, 9, naming.new_try())
    plain.servers.mongo[staging].insert_one({"_id": 1})
    try:
        key = SourceKey("mongodb", "powergrid_mongo")
        sync.ingest(recipes.build_recipe(key, _flows(plain), plain.connections), Target("datahub", directory=tmp_path))
    finally:
        plain.servers.mongo.drop_collection(staging)
    named = [urns.name_of(urn) for urn, aspect in Catalog.load(tmp_path).aspects if aspect == "schemaMetadata"]
    assert any(name.endswith(plain.name) for name in named)
    assert not any(staging in name for name in named)


@pytest.mark.parametrize(
    ("kind", "connection", "fault"),
    [
        ("postgres", "powergrid_postgres", {"port": 9}),
        ("postgres", "powergrid_postgres", {"password": "wr0ng,pa55"}),
        ("hdfs", "lake_hdfs", {"port": 9}),
        ("hive", "lake_metastore", {"port": 9}),
        ("mongodb", "powergrid_mongo", {"password": "wr0ng,pa55"}),
        ("redis", "powergrid_redis", {"port": 9}),
        ("redis", "powergrid_redis", {"password": "wr0ng,pa55"}),
    ],
)
def test_a_failed_source_names_the_connection_and_keeps_what_was_there(
    plain: Case, tmp_path: Path, kind: recipes.Kind, connection: str, fault: Mapping[str, object]
) -> None:
    key = SourceKey(kind, connection)
    before = tmp_path / f"ingested-{key.name}.json"
    before.write_text("[]")
    plain.override(connection, **fault)
    try:
        recipe = recipes.build_recipe(key, _flows(plain), plain.connections)
        with pytest.raises(ServerUnavailable, match=f"connection {connection}") as raised:
            sync.ingest(recipe, Target("datahub", directory=tmp_path))
    finally:
        plain.environ.clear()
    assert "pa55" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == [before.name]
    assert before.read_text() == "[]"


def test_the_ingesting_process_has_no_secret_in_its_arguments_or_environment(
    plain: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = tmp_path / "python"
    seen = tmp_path / "seen"
    spy.write_text(f'#!/bin/sh\n(echo "$@"; env) > {seen}\nexec {os.environ[sync.PYTHON_VARIABLE]} "$@"\n')
    spy.chmod(0o755)
    monkeypatch.setenv(sync.PYTHON_VARIABLE, str(spy))
    recipe = recipes.build_recipe(SourceKey("postgres", "powergrid_postgres"), _flows(plain), plain.connections)
    sync.ingest(recipe, Target("datahub", directory=tmp_path / "catalog"))
    written = [seen, *(tmp_path / "catalog").iterdir()]
    assert not [path for path in written for secret in recipe.secrets if secret in path.read_text()]
    assert "AIRFLOW" not in seen.read_text()


def test_dags_capture_the_chain_and_metadata_sync_agrees(
    plain: Case, tmp_path: Path, own_airflow: dict[str, str]
) -> None:
    """The acceptance itself: `airflow dags test` of both legs and metadata_sync, then the walk and DataHub's check."""
    environ = _airflow(plain, tmp_path) | own_airflow
    for dag in (f"ingest__{plain.name}", f"serve__{plain.name}", "metadata_sync"):
        said = _run(environ, "airflow", "dags", "test", dag)
        assert "state=success" in said, said[-4000:]
    exported = tmp_path / "all.json"
    walked = _run(environ, "switchyard", "lineage", plain.name, "--export", str(exported), "--format", "json")
    (found,) = json.loads(walked)
    assert found["missing"] == []
    assert [link["column_edges"] for link in found["links"]] == [5, 5, 6, 6]
    assert "all valid" in _run(environ, "datahub", "check", "metadata-file", str(exported))
    passwords = {found.password for found in map(plain.connections.get, _connections(plain)) if found.password}
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "connections.json"]
    assert not [path for path in kept for secret in passwords if secret in path.read_text(errors="replace")]


def _airflow(case: Case, directory: Path) -> dict[str, str]:
    """The stack's Airflow, with DAGs of the case only, and a catalog and logs of its own."""
    dags = directory / "dags"
    dags.mkdir()
    for path in DAGS.glob("*.py"):
        (dags / path.name).write_text(path.read_text())
    case.write_file().rename(dags / "flows")
    backend = json.loads(os.environ["AIRFLOW__SECRETS__BACKEND_KWARGS"])
    connections = json.loads(Path(backend["connections_file_path"]).read_text())
    connections["datahub"] = {"conn_type": "datahub-file", "host": str(directory / "catalog")}
    stored = directory / "connections.json"
    stored.write_text(json.dumps(connections))
    kwargs = json.dumps({"connections_file_path": str(stored)})
    return {
        **os.environ,
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(directory / "logs"),
        "AIRFLOW__SECRETS__BACKEND_KWARGS": kwargs,
        "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS": kwargs,
        "SWITCHYARD_FLOWS": str(dags / "flows"),
    }


def _run(environ: Mapping[str, str], program: str, *arguments: str) -> str:
    path = Path(sys.executable).with_name(program)
    command = [str(path)] if path.exists() else [sys.executable, "-m", program]
    done = subprocess.run(
        [*command, *arguments],
        env=dict(environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
    )
    return done.stdout


def _connections(case: Case) -> list[str]:
    return [key.connection for key in recipes.list_sources(_flows(case))]


@pytest.mark.parametrize("kind", ["postgres", "hdfs", "hive", "mongodb", "redis"])
def test_one_connection_sends_the_same_to_a_datahub_server(
    ingested: tuple[Catalog, Mapping[str, Facts]], plain: Case, kind: str
) -> None:
    with serve_datahub() as server:
        target = Target("datahub", server={"server": server.url, "token": "t0ken"})
        (key,) = [key for key in recipes.list_sources(_flows(plain)) if key.kind == kind]
        report = sync.ingest(recipes.build_recipe(key, _flows(plain), plain.connections), target)
    assert report.missing == ()
    assert server.tokens == {"Bearer t0ken"}
    for urn in recipes.build_recipe(key, _flows(plain), plain.connections).expected:
        sent = [field["fieldPath"] for field in server.aspects[urn, "schemaMetadata"]["fields"]]
        assert sorted(sent) == sorted(ingested[0].fields(urn) or ())
