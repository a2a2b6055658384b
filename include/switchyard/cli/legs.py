"""Commands that run a leg, or look at one: the same code as the DAGs', without Airflow."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, NoReturn, TextIO

import typer

from switchyard.cli.options import DEFAULT_FLOWS, FlowsDirectory, Format, OutputFormat
from switchyard.cli.session import (
    FlowName,
    TakeOver,
    Verbose,
    find_flow,
    log_to_stderr,
    name_owner,
    open_runtime,
    print_report,
    runtime_for,
    showing_all,
)
from switchyard.errors import SwitchyardError
from switchyard.flow.frozen import whole_spec
from switchyard.flow.spec import Flow
from switchyard.handover import ORDINARY, LoadRequest, StepCall
from switchyard.records import Record

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


class StepLeg(StrEnum):
    """Everything that has steps: the legs, and the nightly comparison."""

    INGEST = "ingest"
    SERVE = "serve"
    DIFF = "diff"


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
    leg: Annotated[StepLeg, typer.Argument(metavar="LEG")],
    name: Annotated[str, typer.Argument(metavar="STEP", help="As the DAG's tasks are called.")],
    load: Annotated[str | None, typer.Option("--load", help="The load to go on with.", metavar="LOAD")] = None,
    flow: Annotated[str | None, typer.Option("--flow", help="The flow to begin with (plan, preflight).")] = None,
    directory: FlowsDirectory = DEFAULT_FLOWS,
    from_stdin: Annotated[
        bool, typer.Option("--from-stdin", help="The call comes as JSON from the parent process, connections and all.")
    ] = False,
) -> None:
    """Run one step; logs go to standard error, the outcome is one line of JSON."""
    from switchyard.legs.calls import answer

    with _outcome_alone_on_stdout() as stdout:
        log_to_stderr(logging.INFO)
        if from_stdin:
            call = StepCall.read(sys.stdin.read())
            _require_named(call, leg, name)
            runtime = runtime_for(call)
        else:
            call = _call_of_a_person(leg, name, load, find_flow(directory, flow) if flow else None)
            runtime = open_runtime("switchyard step")
        outcome = answer(runtime, call)
        if outcome.error:
            typer.echo(f"error: {outcome.error}", err=True)
        stdout.write(f"{outcome.text()}\n")
        stdout.flush()
    _leave(outcome.exit_code)


def _request(leg: Leg, from_beginning: bool, trust_bookmark: bool) -> LoadRequest:
    if not from_beginning and not trust_bookmark:
        return ORDINARY
    if leg is not Leg.INGEST or (from_beginning and trust_bookmark):
        raise SwitchyardError(
            "--from-beginning and --trust-bookmark exclude each other, and only the ingest leg takes one",
            where="switchyard run",
            cure="give one of them, or none; with the serve leg none: it serves what Hive shows",
        )
    return LoadRequest(start="beginning" if from_beginning else "trusted-bookmark")


@contextmanager
def _outcome_alone_on_stdout() -> Iterator[TextIO]:
    """Keep standard output for the outcome alone: whatever a library prints there goes to standard error."""
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as stdout:
        os.dup2(2, 1)
        yield stdout


def _require_named(call: StepCall, leg: StepLeg, name: str) -> None:
    """Refuse a call of another step than the command line names: `ps` must show what a process does."""
    if (call.leg, call.step) != (leg.value, name):
        raise SwitchyardError(
            f"the call is for step {call.step} of leg {call.leg}, but the command line names {name} of {leg.value}",
            where="switchyard step",
            cure=f"start it as the call on standard input says: switchyard step {call.leg} {call.step} --from-stdin",
        )


def _call_of_a_person(leg: StepLeg, name: str, load: str | None, flow: Flow | None) -> StepCall:
    """Return a call that is never repeated: it has no id, and its outcome is not kept."""
    return StepCall(
        call_id="",
        leg=leg.value,
        step=name,
        flow=whole_spec(flow) if flow else None,
        load_id=load,
        connections={},
        owner=name_owner("switchyard step"),
    )


def _leave(code: int) -> NoReturn:
    """End this process at once; everything is closed already.

    Freeing what the clients' modules hold, and waiting for PyMongo's sleeping monitors, takes 0.8 s of a small step.
    """
    sys.stderr.flush()
    os._exit(code)


def plan(
    flow: FlowName,
    leg: Annotated[Leg, typer.Option("--leg", help="Which leg.")] = Leg.INGEST,
    from_beginning: FromBeginning = False,
    trust_bookmark: TrustBookmark = False,
    directory: FlowsDirectory = DEFAULT_FLOWS,
    output: OutputFormat = Format.TEXT,
) -> None:
    """Show what a run would do now, row counts included, and change nothing."""
    from switchyard.legs.steps import forecast

    request = _request(leg, from_beginning, trust_bookmark)
    report = forecast(open_runtime("switchyard plan"), leg.value, find_flow(directory, flow), request)
    if output is Format.JSON:
        typer.echo(json.dumps(report.facts, indent=2))
        return
    for line in _picture(report.result):
        typer.echo(line)


def _picture(result: Record) -> Iterator[str]:
    from switchyard.cli.picture import picture_ingest, picture_serve
    from switchyard.ledger.reports import ServeForecast
    from switchyard.legs.ingest.forecast import IngestForecast

    if isinstance(result, IngestForecast):
        return picture_ingest(result)
    assert isinstance(result, ServeForecast)  # noqa: S101 - a leg has one of the two
    return picture_serve(result)


def preflight(flow: FlowName, directory: FlowsDirectory = DEFAULT_FLOWS) -> None:
    """Look at the live source: names, types, values, keys. Every finding comes with its cure."""
    from rich.console import Console
    from rich.table import Table

    from switchyard.legs.ingest.preflight import preflight as look

    spec = find_flow(directory, flow)
    runtime = open_runtime("switchyard preflight")
    with showing_all():
        examined = look(runtime, spec)
    table = Table("column", "PostgreSQL", "Hive", "name in Hive and MongoDB", "note")
    for column in examined.columns:
        table.add_row(column.source, column.postgres_type, column.hive_type.shown, column.name, column.note)
    Console().print(table)
    for note in examined.notes:
        typer.echo(f"note: {note}")
