"""`switchyard diff`: the stores of a flow compared by value, now."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from switchyard.cli.options import DEFAULT_FLOWS, FlowsDirectory, Format, OutputFormat
from switchyard.cli.session import FlowName, find_flow, log_to_stderr, open_runtime
from switchyard.errors import SwitchyardError
from switchyard.flow.proof import DiffMode
from switchyard.flow.spec import Flow

if TYPE_CHECKING:
    from switchyard.legs.diff.result import DiffResult, Example
    from switchyard.legs.runtime import Runtime

DIFFERENT = 3
"""Exit code when stores differ; 1 is an error, as everywhere: the stores may be equal or not."""


class Mode(StrEnum):
    """How closely stores are compared."""

    COUNTS = "counts"
    DIGEST = "digest"
    VALUES = "values"


class Between(StrEnum):
    """Two stores to compare, the one that is believed first."""

    HIVE_MONGODB = "hive-mongodb"
    POSTGRES_HIVE = "postgres-hive"


def diff(
    flow: FlowName,
    mode: Annotated[Mode | None, typer.Option("--mode", help="digest: which buckets; values: which keys.")] = None,
    between: Annotated[Between | None, typer.Option("--between", help="Which stores; default: the flow's.")] = None,
    heal: Annotated[bool, typer.Option("--heal", help="If MongoDB differs, serve Hive's version anew.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be compared, and compare nothing.")] = False,
    directory: FlowsDirectory = DEFAULT_FLOWS,
    output: OutputFormat = Format.TEXT,
) -> None:
    """Compare stores by value, as they are now. Exit codes: 0 equal, 3 different, 1 could not compare."""
    from switchyard.legs.diff.run import forecast_diff

    log_to_stderr(logging.WARNING)
    spec = find_flow(directory, flow)
    runtime = open_runtime("switchyard diff")
    if plan:
        typer.echo(json.dumps(forecast_diff(runtime, spec, _mode(spec, mode)).to_json(), indent=2))
        return
    results = _compare(runtime, spec, mode, between, heal=heal)
    failure: SwitchyardError | None = None
    if any(result.compared.heal_ordered for result in results):
        try:
            first = replace(results[0], compared=replace(results[0].compared, healed_by=_heal(runtime, spec)))
            results = [first, *results[1:]]
        except SwitchyardError as error:
            failure = error
    _print_json(results) if output is Format.JSON else _print_text(results)
    if failure is not None:
        raise _not_healed(flow, failure)
    if not all(result.equal for result in results):
        raise typer.Exit(DIFFERENT)


def _mode(flow: Flow, mode: Mode | None) -> DiffMode:
    return mode.value if mode else flow.diff.mode


def _compare(
    runtime: Runtime, flow: Flow, mode: Mode | None, between: Between | None, *, heal: bool
) -> list[DiffResult]:
    from switchyard.legs.diff.run import compared_pairs, diff_stores

    chosen = (between.value,) if between else compared_pairs(flow)
    if heal and "hive-mongodb" not in chosen:
        raise SwitchyardError(
            "only a MongoDB collection can be healed, and this comparison has none",
            where=f"flow {flow.flow}",
            cure="leave --heal out, or compare with MongoDB: --between hive-mongodb",
        )
    return [diff_stores(runtime, flow, _mode(flow, mode), pair, heal=heal) for pair in chosen]


def _heal(runtime: Runtime, flow: Flow) -> str:
    """Serve the flow, as a whole snapshot because one is ordered. Returns the load."""
    from switchyard.legs.steps import run_leg

    return str(next(iter(list(run_leg(runtime, "serve", flow)))).load_id)


def _not_healed(flow: str, reason: SwitchyardError) -> SwitchyardError:
    return SwitchyardError(
        f"a whole snapshot is ordered, and could not be served now: {reason.what}",
        where=reason.where,
        cure=f"{reason.cure}; the order stays: the next serve run carries it out, switchyard run serve {flow}",
    )


def _print_json(results: list[DiffResult]) -> None:
    shown = [
        {**result.compared.to_json(), "differing_buckets": result.buckets, "examples": result.examples}
        for result in results
    ]
    typer.echo(json.dumps(shown, indent=2, default=str))


def _print_text(results: list[DiffResult]) -> None:
    from switchyard.legs.diff.result import summary

    for result in results:
        values = result.compared.to_json()
        verdict = "equal" if result.equal else "DIFFERENT"
        typer.echo(f"{result.compared.between} {verdict}: {summary(result)}")
        for name in _SHOWN:
            if values.get(name):
                typer.echo(f"  {name.replace('_', ' '):<18}{_words(values[name])}")
        if result.examples:
            _print_examples(result)


_SHOWN = (
    *("version", "served_load", "served_at", "load", "loaded_at", "before_bookmark", "moved_since_load"),
    *("not_compared", "columns", "table", "healed_by"),
)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count:,}" for name, count in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _print_examples(result: DiffResult) -> None:
    from switchyard.cli.loads import print_table

    left, right = result.compared.stores
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


def _cell(row: Example, side: str) -> str:
    value = row[f"{side}_value"]
    text = f"{row[f'{side}_type']} {value}" if value is not None else str(row[f"{side}_type"])
    return text if len(text) <= 60 else text[:57] + "…"
