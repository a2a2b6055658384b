"""Run one DataHub recipe in the ingestion environment: recipe by standard input, report by standard output.

The script is run by the ingestion environment's Python, which has DataHub but neither Airflow nor Switchyard: nothing
in this directory imports from outside of it. Python puts the script's directory on the path, so a recipe may name a
source of ours as `redis_source.RedisSource`.

Standard input: `{"recipe": {…}}`, or `{"server": {…}, "expected": [urn, …]}` to ask a server what it knows.
Last line of standard output: `{"ok", "events", "warnings", "failures", "error", "fields": {urn: [field path, …]}}`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any


def main() -> int:
    """Carry out the request on standard input; returns the exit code, 0 without failures."""
    request = json.load(sys.stdin)
    try:
        report = (
            run_recipe(request["recipe"]) if "recipe" in request else {"ok": True, "fields": read_fields(**request)}
        )
    except Exception as error:  # the parent reads it from the report
        report = {"ok": False, "error": f"{type(error).__name__}: {_root(error)}"}
    print(json.dumps(report, default=str), flush=True)
    return 0 if report["ok"] else 1


def run_recipe(recipe: dict[str, Any]) -> dict[str, Any]:
    """Run a pipeline; returns its counts, warnings and failures."""
    from datahub.ingestion.run.pipeline import Pipeline

    pipeline = Pipeline.create(recipe)
    pipeline.run()
    source = pipeline.source.get_report()
    sink = pipeline.sink.get_report()
    failures = [*_entries(source.failures), *map(str, sink.failures)]
    return {
        "ok": not failures,
        "events": source.events_produced,
        "written": sink.total_records_written,
        "warnings": _entries(source.warnings),
        "failures": failures,
    }


def read_fields(server: dict[str, Any], expected: Iterable[str]) -> dict[str, list[str]]:
    """Field paths that a DataHub server holds for each dataset; a dataset without schema is left out."""
    from datahub.ingestion.graph.client import DataHubGraph
    from datahub.ingestion.graph.config import DatahubClientConfig
    from datahub.metadata.schema_classes import SchemaMetadataClass

    graph = DataHubGraph(DatahubClientConfig(**server))
    schemas = {urn: graph.get_aspect(urn, SchemaMetadataClass) for urn in expected}
    return {urn: [field.fieldPath for field in schema.fields] for urn, schema in schemas.items() if schema is not None}


def _entries(logs: Iterable[Any]) -> list[str]:
    return [": ".join(filter(None, (log.title, log.message, "; ".join(log.context)))) for log in logs]


def _root(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
