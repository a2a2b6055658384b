"""`switchyard ledger`: check the ledger against the tables, or rebuild it from them."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from switchyard.cli.loads import print_table
from switchyard.cli.options import DEFAULT_FLOWS, FlowsDirectory
from switchyard.cli.session import find_flow, log_to_stderr, open_runtime
from switchyard.errors import SwitchyardError
from switchyard.flow.files.loader import load_flows
from switchyard.flow.spec import Flow

DISAGREES = 3
"""Exit code when a flow's table and the ledger disagree, or files of the table are not those that were proved.

1 is an error: they may agree or not."""

Names = Annotated[list[str] | None, typer.Argument(metavar="[FLOW]...", help="Default: all flows.")]

ledger = typer.Typer(no_args_is_help=True, help="Check the ledger against the tables, or make it again from them.")


@ledger.command()
def check(flows: Names = None, directory: FlowsDirectory = DEFAULT_FLOWS) -> None:
    """Show for each flow whether table and ledger agree. Exit codes: 0 they do, 3 they do not, 1 could not look."""
    from switchyard.legs.rebuild.agreement import check_flow

    log_to_stderr(logging.WARNING)
    runtime = open_runtime("switchyard ledger check")
    with runtime.ledger() as opened:
        opened.migrate()
        verdicts = [check_flow(runtime, opened, flow) for flow in _chosen(directory, flows)]
    print_table(
        [{"flow": one.flow, "table": one.table, "ledger": one.ledger, "verdict": one.verdict} for one in verdicts]
    )
    if any(one.disagrees is not None or one.damage is not None for one in verdicts):
        raise typer.Exit(DISAGREES)


@ledger.command()
def rebuild(
    flows: Names = None,
    dags_paused: Annotated[
        bool, typer.Option("--dags-paused", help="Vouch that the DAGs of these flows are paused and no run is at work.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be written, and write nothing.")] = False,
    directory: FlowsDirectory = DEFAULT_FLOWS,
) -> None:
    """Rebuild the ledger for the flows that disagree with their tables. Nothing is deleted; old rows are kept."""
    from switchyard.legs.rebuild.rebuild import rebuild as make_again

    log_to_stderr(logging.WARNING)
    if not dags_paused and not plan:
        raise SwitchyardError(
            "refused without --dags-paused: the ledger holds the locks that keep two runs apart",
            where="switchyard ledger rebuild",
            cure="pause the flows' DAGs (airflow dags pause), wait until no run is at work, then add --dags-paused; "
            "--plan only shows what would be written",
        )
    runtime = open_runtime("switchyard ledger rebuild")
    with runtime.ledger() as opened:
        opened.migrate()
        for flow in _chosen(directory, flows):
            result = make_again(runtime, opened, flow, plan_only=plan)
            typer.echo(f"{flow.flow}: {'; '.join(result.sentences)}")


def _chosen(directory: FlowsDirectory, names: list[str] | None) -> list[Flow]:
    if names:
        return [find_flow(directory, name) for name in names]
    return list(load_flows(directory)[0].values())
