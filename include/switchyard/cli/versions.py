"""Commands that change what is published without reading the source: rollback, release, adopt."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from switchyard.cli.options import DEFAULT_FLOWS, FlowsDirectory
from switchyard.cli.session import (
    FlowName,
    TakeOver,
    Verbose,
    find_flow,
    log_to_stderr,
    open_runtime,
    print_report,
    showing_all,
)
from switchyard.errors import SwitchyardError
from switchyard.flow.spec import Flow

if TYPE_CHECKING:
    from switchyard.legs.runtime import Runtime


def rollback(
    flow: FlowName,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="LOAD", help="Load (or its seq) to go back to; default: the version before."),
    ] = None,
    why: Annotated[
        str | None, typer.Option("--why", help="The reason, shown by every run that the hold stops.")
    ] = None,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve it to MongoDB at once.")] = True,
    directory: FlowsDirectory = DEFAULT_FLOWS,
    take_over: TakeOver = False,
    verbose: Verbose = False,
) -> None:
    """Publish an old version again, under a new seq; the flow is on hold until `switchyard release`."""
    from switchyard.legs.ingest.rollback import rollback as roll_back

    log_to_stderr(logging.INFO if verbose else logging.WARNING)
    spec = find_flow(directory, flow)
    runtime = open_runtime("switchyard rollback", take_over=take_over)
    print_report(roll_back(runtime, spec, to=to, why=why))
    typer.echo(f"flow {flow} is on hold; when the reason is gone: switchyard release {flow}")
    if spec.serve is not None and serve:
        _serve(runtime, spec)
    elif spec.serve is not None:
        typer.echo(f"MongoDB shows the undone version until it is served: switchyard run serve {flow}")


def release(
    flow: FlowName,
    directory: FlowsDirectory = DEFAULT_FLOWS,
    take_over: TakeOver = False,
) -> None:
    """Let loads of a flow begin again."""
    from switchyard.legs.ingest.release import release as let_go

    held = let_go(open_runtime("switchyard release", take_over=take_over), find_flow(directory, flow))
    typer.echo(f"flow {flow} was not on hold" if held is None else f"flow {flow} is released; it was on hold: {held}")


def adopt(
    flow: FlowName,
    directory: FlowsDirectory = DEFAULT_FLOWS,
    take_over: TakeOver = False,
    verbose: Verbose = False,
) -> None:
    """Take over the flow's Hive table, which others made, without moving its data; or show why that is impossible."""
    from switchyard.legs.ingest.adopt import adopt as take

    log_to_stderr(logging.INFO if verbose else logging.WARNING)
    spec = find_flow(directory, flow)
    runtime = open_runtime("switchyard adopt", take_over=take_over)
    with showing_all():
        print_report(take(runtime, spec))


def _serve(runtime: Runtime, flow: Flow) -> None:
    from switchyard.legs.steps import run_leg

    try:
        for report in run_leg(runtime, "serve", flow):
            print_report(report)
    except SwitchyardError:
        typer.echo(f"Hive shows the old version; MongoDB does not yet: switchyard run serve {flow.flow}", err=True)
        raise
