"""What the chart makes of its values, compared with what was accepted, and with Kubernetes' own API."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from referencing import Registry, Resource

from harness.charts import CHART, case, case_names, changed, render, render_text, rendered_case, run_helm, tools

GOLDEN = Path(__file__).parent / "golden"
RELEASES = ("1.29", "1.34", "1.37")
"""Of Kubernetes: the oldest that Chart.yaml names, one of today's, the newest that is known here."""
PARTS = {
    "hdfs": {"namenode", "datanode"},
    "metastore": {"metastore", "metastore-schema"},
    "hive": {"hiveserver2"},
    "postgresql": {"postgresql"},
    "mongodb": {"mongodb"},
    "redis": {"redis"},
    "test": {"test"},
}
"""Component labels of what a part starts."""
ELSEWHERE: dict[str, dict[str, Any]] = {
    "hdfs": {"hdfs": {"enabled": False, "existing": {"host": "namenode.example.org"}}},
    "metastore": {"metastore": {"enabled": False, "existing": {"host": "metastore.example.org"}}},
    "hive": {"hive": {"enabled": False, "existing": {"host": "hive.example.org"}}},
    "postgresql": {
        "postgresql": {"enabled": False},
        "source": {"enabled": False, "existing": {"host": "pg.example.org"}},
        "ledger": {"enabled": False, "existing": {"host": "pg.example.org"}},
        "metastore": {"database": {"existing": {"host": "pg.example.org", "login": "hive"}}},
        "test": {"enabled": False},
    },
    "mongodb": {"mongodb": {"enabled": False, "existing": {"host": "mongo.example.org"}}},
    "redis": {"redis": {"enabled": False, "existing": {"host": "redis.example.org"}}},
    "test": {"test": {"enabled": False}},
}
"""Values by which a part is left out, and its server named as there already."""

each_case = pytest.mark.parametrize("name", case_names())
each_part = pytest.mark.parametrize("part", PARTS)


@each_case
def test_lint_is_strict_and_green(name: str) -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in run_helm("lint", "--strict", str(CHART), values=case(name))


@each_case
def test_a_render_is_as_accepted(name: str) -> None:
    """SWITCHYARD_ACCEPT=1 writes what is rendered; then read the difference before it is committed."""
    path = GOLDEN / f"{name}.yaml"
    text = render_text(case(name))
    if os.environ.get("SWITCHYARD_ACCEPT") == "1":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), "SWITCHYARD_ACCEPT=1 make test-helm writes it anew"


@cache
def kubernetes(release: str) -> tuple[dict[tuple[str, str], str], Registry]:
    """(apiVersion, kind) → its definition, of a release of Kubernetes."""
    definitions = json.loads((tools() / f"kubernetes-{release}.json").read_text(encoding="utf-8"))
    kinds = {}
    for name, definition in definitions["$defs"].items():
        for each in definition.get("x-kubernetes-group-version-kind", []):
            version = f"{each['group']}/{each['version']}" if each["group"] else each["version"]
            kinds[version, each["kind"]] = name
    resource: Resource[Any] = Resource.from_contents(definitions)
    return kinds, Registry().with_resource("/api/_definitions.json", resource)


def validator(release: str, api_version: str, kind: str) -> Validator:
    """Judges objects of a kind by the API's own schema, which knows all fields; raises KeyError for another kind."""
    kinds, registry = kubernetes(release)
    reference = {"$ref": f"/api/_definitions.json#/$defs/{kinds[api_version, kind]}"}
    return Draft202012Validator(reference, registry=registry)


@pytest.mark.parametrize("release", RELEASES)
@each_case
def test_kubernetes_knows_every_field_of_every_object(name: str, release: str) -> None:
    faults = [
        f"{each['kind']} {each['metadata']['name']} at {error.json_path}: {error.message[:200]}"
        for each in rendered_case(name).objects
        for error in validator(release, each["apiVersion"], each["kind"]).iter_errors(each)
    ]
    assert faults == []


def test_the_validation_sees_a_field_that_kubernetes_does_not_know() -> None:
    service = rendered_case("all").get("Service", "redis")
    wrong = {**service, "spec": {**service["spec"], "clusterIp": "None"}}
    assert [error.validator for error in validator("1.34", "v1", "Service").iter_errors(wrong)] == [
        "additionalProperties"
    ]


@each_part
def test_a_part_that_is_left_out_leaves_nothing_behind(part: str) -> None:
    values = {**case("all"), **ELSEWHERE[part]}
    if part != "test":
        values = {**values, "passwords": {**case("all")["passwords"], "metastore": "metastore-password"}}
    without = render(values)
    left = {each["metadata"]["labels"]["app.kubernetes.io/component"] for each in without.objects}
    assert left & PARTS[part] == set()


@each_part
def test_a_part_that_is_left_out_takes_no_other_with_it(part: str) -> None:
    gone = PARTS[part] | (PARTS["test"] if part == "postgresql" else set())
    all_parts = {each["metadata"]["labels"]["app.kubernetes.io/component"] for each in rendered_case("all").objects}
    left = render({**case("all"), **ELSEWHERE[part]})
    assert {each["metadata"]["labels"]["app.kubernetes.io/component"] for each in left.objects} == all_parts - gone


def test_a_chart_that_installs_nothing_makes_the_connections_alone() -> None:
    assert rendered_case("existing").names() == ["Secret/grid-connections"]


def test_every_object_is_in_the_releases_namespace_and_says_whose_it_is() -> None:
    for each in rendered_case("all").objects:
        labels = each["metadata"]["labels"]
        assert each["metadata"]["namespace"] == "data"
        assert each["metadata"]["name"].startswith("grid-")
        assert labels["app.kubernetes.io/instance"] == "grid"
        assert labels["helm.sh/chart"].startswith("switchyard-")


def test_two_renders_without_a_cluster_are_the_same_when_nothing_is_generated() -> None:
    assert render_text(case("gitops")) == render_text(case("gitops"))


def test_a_changed_configuration_restarts_the_servers_that_read_it_and_no_other() -> None:
    before = rendered_case("all")
    after = render(changed(case("all"), ["hdfs", "configuration"], {"dfs.blocksize": "256m"}))

    def checksum(renders: Any, kind: str, name: str) -> str:
        return str(renders.get(kind, name)["spec"]["template"]["metadata"]["annotations"]["checksum/configuration"])

    servers = {
        ("StatefulSet", "namenode"): True,
        ("StatefulSet", "datanode"): True,
        ("Deployment", "metastore"): True,
        ("Deployment", "hiveserver2"): True,
        ("StatefulSet", "postgresql"): False,
        ("StatefulSet", "mongodb"): False,
        ("Deployment", "redis"): False,
    }
    restarted = {server: checksum(before, *server) != checksum(after, *server) for server in servers}
    assert restarted == servers


def test_a_job_that_changes_has_another_name() -> None:
    """Kubernetes refuses to change a job that is there."""
    before = [each["metadata"]["name"] for each in rendered_case("all").kind("Job")]
    other = render(changed(case("all"), ["images", "hive", "tag"], "4.0.2"))
    assert len(before) == 1
    assert [each["metadata"]["name"] for each in other.kind("Job")] != before


def test_a_pods_labels_stay_when_the_chart_gets_another_version() -> None:
    """They are the selector's alone: a label with the chart's version would restart every server at each release."""
    for each in rendered_case("all").kind("StatefulSet", "Deployment"):
        assert each["spec"]["template"]["metadata"]["labels"] == each["spec"]["selector"]["matchLabels"]
