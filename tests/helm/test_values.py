"""values.schema.json is closed, complete, and true of values.yaml, of VALUES.md and of the templates."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator, Mapping
from functools import cache, reduce
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from harness.charts import CHART, HelmRefused, Values, case, changed, render, render_text
from harness.checkout import CHECKOUT

PAGE = runpy.run_path(str(CHECKOUT / "helm" / "values_page.py"))
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
DEFAULTS: Values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
LEAVES: dict[str, dict[str, Any]] = {path: leaf for path, leaf in PAGE["leaves"](SCHEMA) if path != "global"}


def values_of(values: Values, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted name and value of everything in values.yaml that the schema has no properties below."""
    for name, value in values.items():
        path = f"{prefix}.{name}" if prefix else name
        if path not in LEAVES and isinstance(value, Mapping) and value:
            yield from values_of(value, path)
        else:
            yield path, value


def objects(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema that has properties."""
    if "properties" in schema:
        yield path, schema
        for name, below in schema["properties"].items():
            yield from objects(below, f"{path}.{name}" if path else name)


def test_the_schema_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


def test_every_object_refuses_names_that_it_does_not_know() -> None:
    assert [path for path, schema in objects(SCHEMA) if schema.get("additionalProperties") is not False] == []


def test_every_object_shows_the_names_that_it_knows() -> None:
    """Helm prints `propertyNames` beside the name that it refuses, so that the right one can be read off."""
    wrong = [path for path, schema in objects(SCHEMA) if schema["propertyNames"] != {"enum": [*schema["properties"]]}]
    assert wrong == []


def test_every_value_has_a_default_an_example_and_a_description() -> None:
    lacking = [path for path, leaf in LEAVES.items() if not {"default", "examples", "description"} <= leaf.keys()]
    assert lacking == []
    assert [path for path, schema in objects(SCHEMA) if path and "description" not in schema] == []


def test_the_defaults_of_the_schema_are_those_of_the_values() -> None:
    assert dict(values_of(DEFAULTS)) == {path: leaf["default"] for path, leaf in LEAVES.items()}


def test_every_default_and_every_example_passes_its_own_schema() -> None:
    for path, leaf in LEAVES.items():
        for value in [leaf["default"], *leaf["examples"]]:
            Draft7Validator(leaf).validate(value), path
        assert leaf["default"] not in leaf["examples"], path


def test_the_page_of_values_is_fresh() -> None:
    page = (CHART / "VALUES.md").read_text(encoding="utf-8")
    assert page == PAGE["values_page"](), "make docs writes it"
    assert [path for path in LEAVES if f"| `{path}` |" not in page] == []


def base_for(path: str) -> str:
    """The case in which a value has something to do."""
    if path.startswith("metastore.database.existing."):
        return "stores"
    if ".existing." in path or path == "passwords.hive":
        return "existing"
    return "gitops" if path == "passwords.existingSecret" else "all"


@cache
def text_of_case(name: str) -> str:
    return render_text(case(name))


def value_at(values: Values, path: str) -> Any:
    """The value at a dotted name; None when there is none."""
    return reduce(lambda below, name: below.get(name, {}), path.split("."), values) or None


@pytest.mark.parametrize("path", LEAVES)
def test_a_value_that_is_changed_changes_what_is_rendered(path: str) -> None:
    """No value is documented that nothing reads: each changes the objects, or is refused by its name."""
    name = base_for(path)
    choices = [*LEAVES[path]["examples"], LEAVES[path]["default"]]
    other = next(choice for choice in choices if choice != value_at(case(name), path))
    try:
        assert render_text(changed(case(name), path.split("."), other)) != text_of_case(name)
    except HelmRefused as refused:
        assert path.removesuffix(".enabled") in str(refused)


MISTAKES = {
    "hdsf": ({"hdsf": {"enabled": True}}, "additional properties 'hdsf' not allowed"),
    "a name below": ({"redis": {"maxmemory": "1gb"}}, "/redis': additional properties 'maxmemory' not allowed"),
    "a word for a number": ({"hive": {"heap": "1g"}}, "/hive/heap': got string, want integer"),
    "a number for a word": ({"images": {"redis": {"tag": 7.4}}}, "/images/redis/tag': got number, want string"),
    "root": ({"images": {"redis": {"user": 0}}}, "/images/redis/user': minimum: got 0, want 1"),
    "latest": ({"images": {"redis": {"tag": "latest"}}}, "/images/redis/tag': 'not' failed"),
    "an even set": ({"mongodb": {"members": 2}}, "/mongodb/members': value must be one of 1, 3, 5"),
    "a port": ({"redis": {"existing": {"port": 70000}}}, "/redis/existing/port': maximum"),
    "a quantity": ({"hdfs": {"nameNode": {"storage": {"size": "8 GB"}}}}, "/hdfs/nameNode/storage/size'"),
    "a limit of CPU": ({"hive": {"resources": {"limits": {"cpu": "1"}}}}, "additional properties 'cpu' not allowed"),
    "an id": ({"connections": {"ids": {"redis": "my-redis"}}}, "/connections/ids/redis': 'my-redis' does not match"),
    "a policy": ({"images": {"pullPolicy": "always"}}, "/images/pullPolicy': value must be one of 'IfNotPresent'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_by_its_place(mistake: str) -> None:
    values, message = MISTAKES[mistake]
    with pytest.raises(HelmRefused) as refused:
        render(values)
    assert message in str(refused.value)


def test_a_name_that_is_refused_comes_with_those_that_there_are() -> None:
    with pytest.raises(HelmRefused) as refused:
        render({"redis": {"maxmemory": "1gb"}})
    assert "value must be one of 'enabled', 'existing', 'maxMemory', 'resources'" in str(refused.value)


def test_all_mistakes_of_a_file_are_named_at_once() -> None:
    values: Values = {}
    for mistake, _ in MISTAKES.values():
        values = merged(values, mistake)
    with pytest.raises(HelmRefused) as refused:
        render(values)
    places = [message.split("'")[0] for _, message in MISTAKES.values()]
    assert [place for place in places if place not in str(refused.value)] == []


def merged(one: Values, other: Values) -> Values:
    """Both; where both have an object, its values of both."""
    both = dict(one)
    for name, value in other.items():
        below = both.get(name)
        both[name] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return both
