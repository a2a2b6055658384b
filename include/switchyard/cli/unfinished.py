"""Ways out of where no run leads: a load that cannot be finished, a flow whose file was renamed."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from switchyard.cli.legs import Leg
from switchyard.cli.options import DEFAULT_FLOWS, FlowsDirectory
from switchyard.cli.session import FlowName, TakeOver, find_flow, log_to_stderr, open_runtime
from switchyard.errors import SwitchyardError
from switchyard.flow.files.loader import load_flows


def abandon(
    flow: FlowName,
    leg: Annotated[Leg, typer.Option("--leg", help="Whose unfinished load.")],
    why: Annotated[str, typer.Option("--why", help="Kept with the load.")],
    take_over: TakeOver = False,
) -> None:
    """Give up a load that cannot be finished, because a connection is gone or a server was replaced."""
    from switchyard.legs.rebuild.abandon import abandon as give_up

    log_to_stderr(logging.WARNING)
    runtime = open_runtime("switchyard abandon", take_over=take_over)
    for load in give_up(runtime, flow, leg.value, why):
        typer.echo(f"load {load.load_id}, which was {load.state}, is given up")
        for sentence in load.sentences:
            typer.echo(f"  {sentence}")


def rename(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The name that the flow had.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The name that its file has now.")],
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be renamed, and change nothing.")] = False,
    directory: FlowsDirectory = DEFAULT_FLOWS,
) -> None:
    """Give what a flow wrote to the name that its file has now: tables, MongoDB's record, cache, ledger."""
    from switchyard.legs.rebuild.rename import rename as give

    log_to_stderr(logging.WARNING)
    flow = find_flow(directory, new)
    if old in load_flows(directory)[0]:
        raise SwitchyardError(
            f"the flow cannot be renamed: the file of {old} is still there, and two flows would write one table",
            where=f"flow {old}",
            cure=f"nothing was changed; rename the file {old}.yaml to {new}.yaml first",
        )
    for sentence in give(open_runtime("switchyard rename"), old, flow, plan_only=plan).sentences(old, new):
        typer.echo(sentence)
