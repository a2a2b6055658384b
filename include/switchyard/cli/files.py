"""Commands on flow files: they read files only, and open no connection."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from switchyard.cli.generated import write_generated
from switchyard.cli.options import DEFAULT_FLOWS, FlowsDirectory, Format, OutputFormat
from switchyard.errors import FlowFileError, Problem
from switchyard.flow import naming
from switchyard.flow.duration import format_duration
from switchyard.flow.files.loader import Defaults, load_flows
from switchyard.flow.files.schema import schema_files
from switchyard.flow.spec import Flow


def flows(directory: FlowsDirectory = DEFAULT_FLOWS, output: OutputFormat = Format.TEXT) -> None:
    """List the flows: what is read, where it lands, what is served."""
    specs, errors = load_flows(directory)
    if output is Format.JSON:
        rows = [_as_row(flow) for flow in specs.values()]
        typer.echo(json.dumps({"flows": rows, "broken": [error.flow for error in errors]}, indent=2))
        return
    _print_flows(specs.values(), errors)


def lint(
    directory: FlowsDirectory = DEFAULT_FLOWS,
    output: OutputFormat = Format.TEXT,
) -> None:
    """Check all flow files of a directory and print everything wrong in them; exit 1 if anything is."""
    specs, errors = load_flows(directory)
    problems = dict.fromkeys(Defaults(directory).problems)
    problems |= dict.fromkeys(problem for error in errors for problem in error.problems)
    if output is Format.JSON:
        report = {"flows": len(specs), "broken": len(errors), "problems": [_as_json(p) for p in problems]}
        typer.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        for problem in problems:
            _print_problem(problem)
        files = f"{len(specs) + len(errors)} flow files"
        typer.echo(f"{files}: {len(problems)} problems in {len(errors)}" if problems else f"{files}: no problems")
    if problems:
        raise typer.Exit(1)


def pools(
    directory: FlowsDirectory = DEFAULT_FLOWS,
    slots: Annotated[
        int, typer.Option("--slots", min=1, help="Slots of each source's pool; at least what its flows take.")
    ] = 4,
) -> None:
    """Print one Airflow pool per source connection, as JSON for `airflow pools import FILE`."""
    specs, _ = load_flows(directory)
    largest: dict[str, int] = {}
    for flow in specs.values():
        name = flow.source.connection
        # Airflow never begins a task that takes more slots than its pool has.
        largest[name] = max(slots, flow.runs.pool_slots, largest.get(name, 0))
    rows = {
        naming.pool(name): {"slots": size, "description": f"reads of connection {name}", "include_deferred": True}
        for name, size in sorted(largest.items())
    }
    typer.echo(json.dumps(rows, indent=2))


def schema(
    directory: Annotated[Path, typer.Option("--into", help="Where to write.", metavar="DIR")] = Path("docs"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if a file is not as generated.")
    ] = False,
) -> None:
    """Write the JSON Schemas of flow files and of defaults.yaml, which editors use."""
    write_generated(schema_files(), directory, check=check)


def _as_row(flow: Flow) -> dict[str, str | None]:
    source = flow.source
    serve = flow.serve
    cache = flow.cache
    return {
        "flow": flow.flow,
        "source": f"{source.connection}: {source.table or '(query)'}",
        "lake": f"{flow.lake.database}.{flow.lake.table}",
        "collection": f"{serve.connection}: {serve.collection}" if serve else None,
        "cache": f"{cache.connection}: {format_duration(cache.ttl)}" if cache else None,
        "schedule": flow.schedule,
        "owner": flow.owner,
    }


def _print_flows(flows: Iterable[Flow], errors: list[FlowFileError]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("flow", "source", "lake table", "collection", "cache", "schedule"):
        table.add_column(heading, overflow="fold")
    for flow in flows:
        serve = flow.serve
        cache = flow.cache
        source = flow.source.table or "(query)"
        lake = f"{flow.lake.database}.{flow.lake.table}"
        served = serve.collection if serve else "–"
        cached = format_duration(cache.ttl) if cache else "–"
        table.add_row(*map(Text, (flow.flow, source, lake, served, cached, flow.schedule or "by hand")))
    for error in errors:
        table.add_row(Text(error.flow, style="red"), Text("broken", style="red"))
    Console().print(table)
    if errors:
        typer.echo(f"What is wrong with them: switchyard lint --flows {errors[0].path.parent}", err=True)


def _print_problem(problem: Problem) -> None:
    typer.echo(f"{typer.style(f'{_shown(problem.path)}:{problem.line}', bold=True)}: {problem.what}")
    if problem.cure:
        typer.echo(f"  → {problem.cure}")


def _as_json(problem: Problem) -> dict[str, str | int]:
    return {"file": str(problem.path), "line": problem.line, "what": problem.what, "next": problem.cure}


def _shown(path: Path) -> str:
    """Return a path below the current directory relative to it, so that a terminal makes it a link; others whole."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
