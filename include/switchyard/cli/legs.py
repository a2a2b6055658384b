"""Commands that run a leg, or look at one: the same code as the DAGs', without Airflow."""

from __future__ import annotations

import json
import logging
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from switchyard.cli.options import DEFAULT_FLOWS, FlowsDirectory, Format, OutputFormat
from switchyard.cli.session import FlowName, TakeOver, Verbose, find_flow, log_to_stderr, open_runtime, print_report
from switchyard.errors import LoadInProgress, SwitchyardError
from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Flow
from switchyard.handover import ASK_AIRFLOW, BUSY, REFUSED
from switchyard.legs.ingest.load_request import ORDINARY, Request

FromBeginning = Annotated[
    bool,
    typer.Option("--from-beginning", help="Read the whole source: the table was dropped, or the source changed."),
]
TrustBookmark = Annotated[
    bool,
    typer.Option("--trust-bookmark", help="Go on from the bookmark though the source changed: its rows are the same."),
]


class Leg(StrEnum):
    """The two legs."""

    INGEST = "ingest"
    SERVE = "serve"


def run(
    leg: Annotated[Leg, typer.Argument(metavar="LEG")],
    flow: FlowName,
    directory: FlowsDirectory = DEFAULT_FLOWS,
    from_beginning: FromBeginning = False,
    trust_bookmark: TrustBookmark = False,
    take_over: TakeOver = False,
    verbose: Verbose = False,
) -> None:
    """Run one leg of a flow, step by step, as its DAG would."""
    from switchyard.legs.steps import run_leg

    request = _request(leg, from_beginning, trust_bookmark)

    log_to_stderr(logging.INFO if verbose else logging.WARNING)
    runtime = open_runtime("switchyard run", take_over=take_over)
    for report in run_leg(runtime, leg.value, find_flow(directory, flow), request):
        print_report(report)


def step(
    leg: Annotated[Leg, typer.Argument(metavar="LEG")],
    name: Annotated[str, typer.Argument(metavar="STEP", help="As the DAG's tasks are called.")],
    load: Annotated[str | None, typer.Option("--load", help="The load to go on with.", metavar="LOAD")] = None,
    flow: Annotated[str | None, typer.Option("--flow", help="The flow to begin with (plan, preflight).")] = None,
    directory: FlowsDirectory = DEFAULT_FLOWS,
    from_stdin: Annotated[
        bool, typer.Option("--from-stdin", help="Connections and flow come as JSON, from the parent process.")
    ] = False,
) -> None:
    """Run one step; logs go to standard error, the report is one JSON line."""
    from switchyard.ledger.drivers import AirflowLoadUnfinished

    log_to_stderr(logging.INFO)
    try:
        report = _run_step(leg, name, load, flow, directory, json.load(sys.stdin) if from_stdin else None)
    except AirflowLoadUnfinished as error:
        typer.echo(json.dumps({"step": name, "load_id": error.load_id, "dag_run": error.dag_run.to_json()}))
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(ASK_AIRFLOW) from None
    except SwitchyardError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(_exit_code(error)) from None
    typer.echo(report)
    _leave()


def _request(leg: Leg, from_beginning: bool, trust_bookmark: bool) -> Request:
    if not from_beginning and not trust_bookmark:
        return ORDINARY
    if leg is not Leg.INGEST or (from_beginning and trust_bookmark):
        raise SwitchyardError(
            "--from-beginning and --trust-bookmark say where a load of the ingest leg begins: give one",
            next="leave the other out; the serve leg serves what Hive shows",
        )
    return Request(start="beginning" if from_beginning else "trusted-bookmark")


def _exit_code(error: SwitchyardError) -> int:
    if isinstance(error, LoadInProgress):
        return BUSY
    return 1 if error.retryable else REFUSED


def _leave() -> None:
    """End this process now: all is done and closed.

    Freeing what the clients' modules hold, and waiting for PyMongo's sleeping monitors, takes 0.8 s of a small step.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def plan(
    flow: FlowName,
    leg: Annotated[Leg, typer.Option("--leg", help="Which leg.")] = Leg.INGEST,
    from_beginning: FromBeginning = False,
    trust_bookmark: TrustBookmark = False,
    directory: FlowsDirectory = DEFAULT_FLOWS,
    output: OutputFormat = Format.TEXT,
) -> None:
    """Say what a run would do now, row counts included, and change nothing."""
    from switchyard.legs.steps import forecast

    request = _request(leg, from_beginning, trust_bookmark)
    expected = forecast(open_runtime("switchyard plan"), leg.value, find_flow(directory, flow), request).to_json()
    if output is Format.JSON:
        typer.echo(json.dumps(expected, indent=2))
        return
    for key, value in expected.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        typer.echo(f"{key.replace('_', ' '):<20}{shown}")


def preflight(flow: FlowName, directory: FlowsDirectory = DEFAULT_FLOWS) -> None:
    """Look at the live source: names, types, values, keys. Every finding comes with its cure."""
    from rich.console import Console
    from rich.table import Table

    from switchyard.legs.ingest.preflight import preflight as look

    examined = look(open_runtime("switchyard preflight"), find_flow(directory, flow))
    table = Table("column", "PostgreSQL", "Hive", "name in Hive and MongoDB", "note")
    for column in examined.columns:
        table.add_row(column.source, column.postgres_type, column.hive_type.shown, column.name, column.note)
    Console().print(table)
    for note in examined.notes:
        typer.echo(f"note: {note}")


def _run_step(
    leg: Leg, name: str, load: str | None, flow: str | None, directory: Path, given: dict[str, Any] | None
) -> str:
    from switchyard.legs.steps import begin, find_step, forecast

    runtime = open_runtime("switchyard step", given)
    request = Request.of((given or {}).get("request"))
    if name == "forecast":
        expected = forecast(runtime, leg.value, _flow_of(flow, directory, given), request)
        return json.dumps({"step": name, **expected.to_json()})
    found = find_step(leg.value, name)
    if found.from_load is None:
        return begin(runtime, found, _flow_of(flow, directory, given), request).json()
    if load is None:
        raise SwitchyardError(
            f"step {name} goes on with a load", next="name it: --load LOAD; switchyard loads lists them"
        )
    return found.from_load(runtime, load).json()


def _flow_of(name: str | None, directory: Path, given: dict[str, Any] | None) -> Flow:
    if given is not None:
        return thaw(given["flow"])
    if name is None:
        raise SwitchyardError("this step begins from a flow", next="name it: --flow FLOW")
    return find_flow(directory, name)
