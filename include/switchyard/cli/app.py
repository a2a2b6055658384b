"""Build the command line; only the command that is called is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Annotated, Any

import typer

import switchyard
from switchyard.cli.commands import COMMANDS, Command
from switchyard.cli.options import ASK_AIRFLOW
from switchyard.errors import SwitchyardError

ENTRY_POINTS = "switchyard.commands"


def main() -> None:
    """Run `switchyard`. Exit codes: 0 done, 1 refused or failed as printed, 2 wrong usage."""
    try:
        build_app(sys.argv[1:])(prog_name="switchyard")
    except SwitchyardError as error:
        typer.echo(f"{typer.style('error', fg='red')}: {error}", err=True)
        sys.exit(1)


def build_app(arguments: Sequence[str]) -> typer.Typer:
    """Return the app for these arguments: the command they name is real, the others only appear in `--help`."""
    # Plain help: rich's would double the start-up time. Commands print their tables with rich all the same.
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.callback()(_root)
    name = next((word for word in arguments if not word.startswith("-")), None)
    completing = "_SWITCHYARD_COMPLETE" in os.environ
    for command in [*COMMANDS, *_added_commands(name)]:
        if completing or command.name == name:
            _add(app, command, _load(command.target))
        else:
            app.command(command.name, help=command.help)(_not_loaded)
    return app


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=lambda on: _print_version(on))
    ] = False,
    airflow_connections: Annotated[
        bool,
        typer.Option(
            "--airflow-connections", help="Let Airflow look connections up: its secrets backend, its database."
        ),
    ] = False,
) -> None:
    """Move PostgreSQL tables through Sqoop, HDFS and Hive to MongoDB, and prove every load."""
    if airflow_connections:
        os.environ[ASK_AIRFLOW] = "1"


def _print_version(is_asked_for: bool) -> None:
    if is_asked_for:
        typer.echo(switchyard.__version__)
        raise typer.Exit


def _added_commands(name: str | None) -> list[Command]:
    """Return commands of other distributions, only when they could matter: finding them reads every distribution."""
    if any(command.name == name for command in COMMANDS):
        return []
    return [
        Command(point.name, point.value, f"(from {point.dist.name if point.dist else point.module})")
        for point in entry_points(group=ENTRY_POINTS)
    ]


def _load(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def _add(app: typer.Typer, command: Command, target: typer.Typer | Callable[..., Any]) -> None:
    if isinstance(target, typer.Typer):
        app.add_typer(target, name=command.name)
    else:
        app.command(command.name)(target)


def _not_loaded() -> None:
    raise AssertionError("the command line was built for another command")
