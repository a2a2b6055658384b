"""Commands that run a leg, or look at one: the same code as the DAGs', without Airflow."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from switchyard.cli.options import DEFAULT_FLOWS, FlowsDirectory, Format, OutputFormat
from switchyard.connections import EnvironmentConnections, GivenConnections
from switchyard.errors import LoadInProgress, SwitchyardError
from switchyard.flow.frozen import thaw
from switchyard.flow.loader import load_flows
from switchyard.flow.spec import Flow
from switchyard.legs.request import Request
from switchyard.report import ASK_AIRFLOW, BUSY, REFUSED, StepReport


class Leg(StrEnum):
    """The two legs."""

    INGEST = "ingest"
    SERVE = "serve"


FlowName = Annotated[str, typer.Argument(metavar="FLOW", help="The flow's name: its file's stem.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show what Sqoop and the servers say.")]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Take over a load that an Airflow run began, when that run is over.")
]


def run(
    leg: Annotated[Leg, typer.Argument(metavar="LEG")],
    flow: FlowName,
    directory: FlowsDirectory = DEFAULT_FLOWS,
    take_over: TakeOver = False,
    verbose: Verbose = False,
) -> None:
    """Run one leg of a flow, step by step, as its DAG would."""
    from switchyard.legs.steps import run_leg

    log_to_stderr(logging.INFO if verbose else logging.WARNING)
    runtime = open_runtime("switchyard run", take_over=take_over)
    for report in run_leg(runtime, leg.value, find_flow(directory, flow)):
        print_report(report)


def print_report(report: StepReport) -> None:
    """One line a step: what it did, and how long it took."""
    facts = {name: value for name, value in report.facts.items() if name != "lineage"}
    shown = ", ".join(f"{name} {value}" for name, value in facts.items() if not isinstance(value, (list, dict)))
    typer.echo(f"{report.step:<14}{report.seconds:7.2f} s  {shown}")


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
        typer.echo(json.dumps({"step": name, "load_id": error.load_id, "dag_run": error.dag_run}))
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(ASK_AIRFLOW) from None
    except SwitchyardError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(_exit_code(error)) from None
    typer.echo(report)
    _leave()


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
    directory: FlowsDirectory = DEFAULT_FLOWS,
    output: OutputFormat = Format.TEXT,
) -> None:
    """Say what a run would do now, row counts included, and change nothing."""
    from switchyard.legs.steps import forecast

    found = forecast(open_runtime("switchyard plan"), leg.value, find_flow(directory, flow))
    if output is Format.JSON:
        typer.echo(json.dumps(found, indent=2))
        return
    for key, value in found.items():
        typer.echo(f"{key.replace('_', ' '):<20}{', '.join(value) if isinstance(value, list) else value}")


def preflight(flow: FlowName, directory: FlowsDirectory = DEFAULT_FLOWS) -> None:
    """Look at the live source: names, types, values, keys. Every finding comes with its cure."""
    from rich.console import Console
    from rich.table import Table

    from switchyard.legs import ingest

    examined = ingest.preflight(open_runtime("switchyard preflight"), find_flow(directory, flow))
    table = Table("column", "PostgreSQL", "Hive", "name in Hive and MongoDB", "note")
    for column in examined.columns:
        table.add_row(column.source, column.postgres_type, column.hive_type, column.name, column.note)
    Console().print(table)
    for note in examined.notes:
        typer.echo(f"note: {note}")


def find_flow(directory: Path, name: str) -> Flow:
    """Load one flow file; raises FlowFileError, naming the nearest flow when there is none of that name."""
    flows, errors = load_flows(directory)
    if name in flows:
        return flows[name]
    for error in errors:
        if error.flow == name:
            raise error
    from difflib import get_close_matches

    near = get_close_matches(name, list(flows), 1)
    hint = f"did you mean {near[0]}?" if near else f"switchyard flows --flows {directory} lists them"
    raise SwitchyardError(f"there is no flow {name!r}", where=str(directory), next=hint)


def _run_step(
    leg: Leg, name: str, load: str | None, flow: str | None, directory: Path, given: dict[str, Any] | None
) -> str:
    from switchyard.legs.steps import begin, find_step, forecast

    runtime = open_runtime("switchyard step", given)
    request = Request.of((given or {}).get("request"))
    if name == "forecast":
        expected = forecast(runtime, leg.value, _flow_of(flow, directory, given), request)
        return json.dumps({"step": name, **expected}, default=str)
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


def open_runtime(command: str, given: dict[str, Any] | None = None, *, take_over: bool = False) -> Any:
    """The edges of a leg, with the connections of this shell, or those that the parent process gave."""
    from switchyard.ledger.drivers import Driver
    from switchyard.legs.runtime import Runtime

    if given is not None:
        driver = Driver(given.get("dag_run"), take_over=frozenset(given.get("take_over", ())))
        return Runtime(GivenConnections(given["connections"]), given["owner"], driver=driver)
    owner = f"{command}, process {os.getpid()} on {socket.gethostname()}"
    return Runtime(EnvironmentConnections(), owner, driver=Driver(take_over=frozenset("*" if take_over else "")))


def log_to_stderr(level: int) -> None:
    """Log to standard error; standard output is for reports."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    for noisy in ("alembic", "pyhive", "TCLIService"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
