"""Commands that read a range of the past again."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from switchyard.cli.options import DEFAULT_FLOWS, FlowsDirectory
from switchyard.cli.session import FlowName, TakeOver, Verbose, find_flow, log_to_stderr, open_runtime, print_report
from switchyard.flow.moment import parse_range
from switchyard.handover import LoadRequest


def backfill(
    flow: FlowName,
    low: Annotated[str, typer.Option("--from", metavar="TIME", help="First moment of the cursor, included.")],
    high: Annotated[str, typer.Option("--to", metavar="TIME", help="Last moment, not included.")],
    directory: FlowsDirectory = DEFAULT_FLOWS,
    take_over: TakeOver = False,
    verbose: Verbose = False,
) -> None:
    """Read a range of the cursor again and merge it; the bookmark stays where it is."""
    first, last = parse_range(low, high, ("--from", "--to"))
    _run(flow, LoadRequest("backfill", first, last), directory, take_over, verbose)


def replay(
    flow: FlowName,
    load: Annotated[
        str | None, typer.Option("--load", metavar="LOAD", help="Whose refused rows; default: the last that has any.")
    ] = None,
    partly: Annotated[
        bool, typer.Option("--partly", help="Leave behind the rows that cannot be looked up again: NULL in the key.")
    ] = False,
    directory: FlowsDirectory = DEFAULT_FLOWS,
    take_over: TakeOver = False,
    verbose: Verbose = False,
) -> None:
    """Read again the rows that a load quarantined, after the fix; the bookmark stays where it is."""
    from switchyard.legs.ingest.replay import find_replay

    plan = find_replay(open_runtime("switchyard replay"), find_flow(directory, flow), load, partly=partly)
    typer.echo(f"reading again {plan.rows} rows that load {plan.load_id} refused")
    if plan.left:
        typer.echo(plan.left)
    _run(flow, plan.request, directory, take_over, verbose)


def _run(flow: str, request: LoadRequest, directory: FlowsDirectory, take_over: bool, verbose: bool) -> None:
    from switchyard.legs.steps import run_leg

    log_to_stderr(logging.INFO if verbose else logging.WARNING)
    spec = find_flow(directory, flow)
    for report in run_leg(open_runtime(f"switchyard {request.kind}", take_over=take_over), "ingest", spec, request):
        print_report(report)
