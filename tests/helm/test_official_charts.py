"""The values for the official charts of Airflow and DataHub: names and types by the charts' own schemas, and our side.

The schemas are copies (see NOTICE). DataHub's prerequisites have none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.configuration import conf
from jsonschema import Draft7Validator

from harness.charts import CHART, Values, rendered_case
from harness.checkout import CHECKOUT

HELM = CHECKOUT / "helm"
SCHEMAS = Path(__file__).parent / "charts"
Schema = dict[str, Any]
AIRFLOW = "airflow-1.22.0"
DATAHUB = "datahub-1.1.0"
CHOICES = {
    "LocalExecutor": (AIRFLOW, ["airflow/values.yaml"]),
    "KubernetesExecutor": (AIRFLOW, ["airflow/values.yaml", "airflow/values-kubernetes-executor.yaml"]),
    "DAGs by Git": (AIRFLOW, ["airflow/values.yaml", "airflow/values-git.yaml"]),
    "DataHub": (DATAHUB, ["datahub/values.yaml"]),
    "DataHub as in the case": (DATAHUB, ["datahub/values.yaml", "datahub/values-case.yaml"]),
}
"""Values files in the order in which helm is given them."""


def load(*files: str) -> Values:
    """Values files, merged as helm merges them: lists are replaced, objects are not."""
    merged: Values = {}
    for file in files:
        merged = merge(merged, yaml.safe_load((HELM / file).read_text(encoding="utf-8")))
    return merged


def merge(one: Values, other: Values) -> Values:
    both = dict(one)
    for name, value in other.items():
        below = both.get(name)
        both[name] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return both


def schema_of(chart: str) -> Schema:
    """The chart's schema; what it requires, its own defaults give."""
    schema: Schema = json.loads((SCHEMAS / f"{chart}.values.schema.json").read_text(encoding="utf-8"))
    return drop_required(schema)


def drop_required(node: Any) -> Any:
    if isinstance(node, list):
        return [drop_required(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {name: drop_required(below) for name, below in node.items() if name != "required" or isinstance(below, dict)}


def unknown(values: Any, schema: Schema, root: Schema, path: str = "") -> Iterator[str]:
    """Yield each name that the schema lacks, also where it lets unknown ones pass: a misspelt one does nothing."""
    if "$ref" in schema:
        schema = root[schema["$ref"].split("/")[1]][schema["$ref"].split("/")[2]]
    properties = schema.get("properties")
    others = schema.get("additionalProperties")
    if isinstance(values, list) and isinstance(schema.get("items"), dict):
        for each in values:
            yield from unknown(each, schema["items"], root, f"{path}[]")
    if not isinstance(values, Mapping) or not properties:
        return
    for name, value in values.items():
        if name in properties:
            yield from unknown(value, properties[name], root, f"{path}.{name}")
        elif not isinstance(others, dict) and others is not True:
            yield f"{path}.{name}"


@pytest.mark.parametrize("choice", CHOICES)
def test_values_fit_the_charts_own_schema(choice: str) -> None:
    chart, files = CHOICES[choice]
    values = load(*files)
    schema = schema_of(chart)
    assert [f"{error.json_path}: {error.message}" for error in Draft7Validator(schema).iter_errors(values)] == []
    assert list(unknown(values, schema, schema)) == []


def test_a_name_that_a_chart_does_not_have_is_seen() -> None:
    schema = schema_of(AIRFLOW)
    values = merge(load("airflow/values.yaml"), {"scheduler": {"extraVolume": []}, "extraEnvFroms": ""})
    assert sorted(unknown(values, schema, schema)) == [".extraEnvFroms", ".scheduler.extraVolume"]
    wrong = merge(load("airflow/values.yaml"), {"workers": {"persistence": {"enabled": "yes"}}})
    assert [error.json_path for error in Draft7Validator(schema).iter_errors(wrong)] == [
        "$.workers.persistence.enabled"
    ]


def test_every_values_file_is_in_a_choice() -> None:
    """Or is for a chart that has no schema."""
    files = {
        path.relative_to(HELM).as_posix() for name in ("airflow", "datahub") for path in (HELM / name).glob("*.yaml")
    }
    chosen = {file for _, choice in CHOICES.values() for file in choice}
    assert files - chosen == {"datahub/prerequisites-values.yaml", "datahub/prerequisites-values-case.yaml"}


def environment() -> dict[str, str]:
    return {each["name"]: each["value"] for each in load("airflow/values.yaml")["env"]}


def test_airflow_gets_the_connections_of_our_chart_and_is_let_in() -> None:
    values = load("airflow/values.yaml")
    ours = {each["metadata"]["name"] for each in rendered_case("all").kind("Secret")}
    (source,) = yaml.safe_load(values["extraEnvFrom"])
    assert source["secretRef"]["name"] == "grid-connections"
    assert source["secretRef"]["name"] in ours
    clients = yaml.safe_load((CHART / "values.yaml").read_text())["networkPolicy"]["clients"]
    assert {"podSelector": {"matchLabels": values["labels"]}} in clients


def test_airflow_is_the_locks() -> None:
    lock = (CHECKOUT / "requirements.txt").read_text(encoding="utf-8")
    assert f"apache-airflow=={load('airflow/values.yaml')['airflowVersion']}" in lock
    missing = re.findall(r"apache-airflow-providers-(?:git|fab)==", lock)
    assert missing == [], "then values.yaml and values-git.yaml need not do without it"


def test_variables_are_those_that_the_package_reads() -> None:
    known = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
    ours = [name for name in environment() if name.startswith("SWITCHYARD_")]
    assert len(ours) == 3
    assert [name for name in ours if f"| `{name}` |" not in known] == []


def test_airflow_knows_every_setting() -> None:
    """A setting that Airflow does not know does nothing, without a word. DataHub's are its plugin's."""
    named = [re.fullmatch(r"AIRFLOW__([A-Z_]+?)__(\w+)", name) for name in environment()]
    settings = [(match[1].lower(), match[2].lower()) for match in named if match]
    settings += [(section, key) for section, keys in load("airflow/values.yaml")["config"].items() for key in keys]
    known = conf.configuration_description
    unknown_settings = [
        (section, key)
        for section, key in settings
        if section != "datahub" and key not in known.get(section, {}).get("options", {})
    ]
    assert unknown_settings == []


def test_pods_are_as_restricted_wants_them() -> None:
    contexts = load("airflow/values.yaml")["securityContexts"]
    assert contexts["pod"]["runAsNonRoot"] is True
    assert contexts["pod"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert contexts["containers"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_only_an_executor_that_starts_pods_may_start_them() -> None:
    assert load("airflow/values.yaml")["allowPodLaunching"] is False
    assert load(*CHOICES["KubernetesExecutor"][1])["allowPodLaunching"] is True


@pytest.mark.parametrize("suffix", ["", "-case"])
def test_datahub_asks_for_what_its_prerequisites_install(suffix: str) -> None:
    prerequisites = load("datahub/prerequisites-values.yaml", f"datahub/prerequisites-values{suffix}.yaml")
    values = load("datahub/values.yaml", f"datahub/values{suffix}.yaml")["global"]
    installed = {name for name, part in prerequisites.items() if part.get("enabled")}
    assert values["sql"]["datasource"]["password"]["secretRef"] == prerequisites["mysql"]["auth"]["existingSecret"]
    host = values["elasticsearch"]["host"]
    if suffix:
        assert installed == {"mysql", "kafka", "elasticsearch", "neo4j"}
        assert (host, values["graph_service_impl"]) == ("elasticsearch-master", "neo4j")
        assert values["neo4j"]["password"]["secretRef"] == prerequisites["neo4j"]["neo4j"]["passwordFromSecret"]
    else:
        assert installed == {"mysql", "kafka", "opensearch"}
        assert (host, values["graph_service_impl"]) == ("opensearch-cluster-master", "elasticsearch")


def test_no_password_is_in_a_values_file() -> None:
    """They are in Secrets that the comments name."""
    for path in sorted([*HELM.glob("airflow/*.yaml"), *HELM.glob("datahub/*.yaml")]):
        text = path.read_text(encoding="utf-8")
        written = [line for line in text.splitlines() if re.search(r"^\s*(\w*[pP]assword|pass|secret):\s+\S", line)]
        assert written == [], path.name
