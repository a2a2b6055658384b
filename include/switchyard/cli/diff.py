"""`switchyard diff`: two stores of a flow compared by value, now."""

from __future__ import annotations

import json
import logging
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from switchyard.cli.legs import FlowName, find_flow, log_to_stderr, open_runtime
from switchyard.cli.options import DEFAULT_FLOWS, FlowsDirectory, Format, OutputFormat
from switchyard.errors import SwitchyardError

if TYPE_CHECKING:
    from switchyard.legs.diff_result import DiffResult

DIFFERENT = 3
"""Exit code when the stores differ; 1 is an error, as everywhere, and then nothing is known."""


class Mode(StrEnum):
    """How closely."""

    COUNTS = "counts"
    DIGEST = "digest"
    VALUES = "values"


class Between(StrEnum):
    """Which two stores, the one that is right first."""

    HIVE_MONGODB = "hive-mongodb"
    POSTGRES_HIVE = "postgres-hive"


def diff(
    flow: FlowName,
    mode: Annotated[
        Mode | None, typer.Option("--mode", help="counts; digest: which buckets; values: which keys.")
    ] = None,
    between: Annotated[Between, typer.Option("--between", help="Which stores.")] = Between.HIVE_MONGODB,
    heal: Annotated[bool, typer.Option("--heal", help="If MongoDB differs, serve Hive's version anew.")] = False,
    directory: FlowsDirectory = DEFAULT_FLOWS,
    output: OutputFormat = Format.TEXT,
) -> None:
    """Compare two stores by value, as they are now. Exit codes: 0 equal, 3 different, 1 could not compare."""
    from switchyard.legs import diff as diffs
    from switchyard.legs.steps import run_leg

    if heal and between is not Between.HIVE_MONGODB:
        raise SwitchyardError("--heal serves Hive's version again", next="leave --between out")
    log_to_stderr(logging.WARNING)
    found, runtime = find_flow(directory, flow), open_runtime("switchyard diff")
    chosen = mode.value if mode else found.diff.mode
    result = diffs.diff_stores(runtime, found, chosen, between.value, heal=heal)
    if result.facts.get("heal_ordered"):
        healed = {report.step: report.facts for report in run_leg(runtime, "serve", found)}
        result.facts["healed_by"] = healed["plan"]["load_id"]
    _print_json(result) if output is Format.JSON else _print_text(result)
    if not result.equal:
        raise typer.Exit(DIFFERENT)


def _print_json(result: DiffResult) -> None:
    typer.echo(
        json.dumps(
            {**result.facts, "differing_buckets": result.buckets, "examples": result.examples}, indent=2, default=str
        )
    )


def _print_text(result: DiffResult) -> None:
    from switchyard.legs.diff_result import summary

    facts = result.facts
    typer.echo(f"{'equal' if result.equal else 'DIFFERENT'}: {summary(result)}")
    for name in ("version", "served_load", "served_at", "load", "loaded_at", "columns", "not_compared", "table"):
        if facts.get(name) not in (None, [], {}):
            typer.echo(f"  {name.replace('_', ' '):<14}{_words(facts[name])}")
    if facts.get("healed_by"):
        typer.echo(f"  healed by      load {facts['healed_by']}: a whole snapshot; run the diff again to see it")
    if result.examples:
        _print_examples(result)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count:,}" for name, count in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _print_examples(result: DiffResult) -> None:
    from switchyard.cli.loads import print_table

    left, right = result.facts["between"].split("-")
    rows = [
        {
            "key": row["key"],
            "kind": row["kind"],
            "column": row["column_name"],
            left: _cell(row, left),
            right: _cell(row, right),
        }
        for row in result.examples
    ]
    print_table(rows)


def _cell(row: dict[str, Any], side: str) -> str:
    value = row[f"{side}_value"]
    text = f"{row[f'{side}_type']} {value}" if value is not None else row[f"{side}_type"]
    return text if len(text) <= 60 else text[:57] + "…"
