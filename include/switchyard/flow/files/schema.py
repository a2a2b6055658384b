"""JSON Schemas of the flow files, for editors: the keys and values allowed, with the model's own descriptions.

The loader is stricter (names near a word, combinations, SQL); the schemas accept every file that the loader accepts.
"""

from __future__ import annotations

import json
from typing import Any

from switchyard.flow.files.defaults import PER_FLOW
from switchyard.flow.spec import Flow

FLOW_SCHEMA = "flow.schema.json"
DEFAULTS_SCHEMA = "defaults.schema.json"

_REQUIRED = {"Flow": ["source", "lake"], "Lake": ["table"], "Serve": ["collection"]}
"""Keys that `defaults.yaml` cannot supply; all others may be missing from a flow's own file."""


def flow_schema() -> dict[str, Any]:
    """Return the schema of `flows/<name>.yaml`."""
    schema = _schema("Switchyard flow", _REQUIRED)
    schema["$defs"]["Source"]["anyOf"] = [{"required": ["table"]}, {"required": ["query"]}]
    return schema


def defaults_schema() -> dict[str, Any]:
    """Return the schema of `flows/defaults.yaml`: no key is required, and keys that belong to one flow are left out."""
    schema = _schema("Switchyard defaults, shared by all flows of a directory", {})
    for path in PER_FLOW:
        model = schema if len(path) == 1 else schema["$defs"][path[0].capitalize()]
        del model["properties"][path[-1]]
    return schema


def schema_files() -> dict[str, str]:
    """File name → text, as checked in."""
    files = {FLOW_SCHEMA: flow_schema(), DEFAULTS_SCHEMA: defaults_schema()}
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in files.items()}


def _schema(title: str, required: dict[str, list[str]]) -> dict[str, Any]:
    generated = Flow.model_json_schema()
    for name, model in ({"Flow": generated} | generated["$defs"]).items():
        model.pop("required", None)
        if name in required:
            model["required"] = required[name]
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **generated, "title": title}
    _strip_titles(schema["$defs"])
    _strip_titles(schema["properties"])
    return schema


def _strip_titles(node: Any) -> None:
    """Remove the titles pydantic derives from names: an editor shows the name already."""
    if isinstance(node, dict):
        if isinstance(node.get("title"), str):
            del node["title"]
        for value in node.values():
            _strip_titles(value)
    elif isinstance(node, list):
        for value in node:
            _strip_titles(value)
