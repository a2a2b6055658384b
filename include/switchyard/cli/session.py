"""Common parts of commands: their flow, the connections of this shell, logs and reports."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from switchyard.cli.airflow_connections import shell_connections
from switchyard.connections import CallConnections, GivenConnections
from switchyard.errors import SwitchyardError
from switchyard.flow.files.loader import load_flows
from switchyard.flow.spec import Flow
from switchyard.handover import StepCall, StepReport
from switchyard.records import Record

if TYPE_CHECKING:
    from pydantic import JsonValue

    from switchyard.legs.runtime import Runtime

_LONGEST_NAME = 64
"""Characters of a flow's name, as flow files may have it."""

FlowName = Annotated[str, typer.Argument(metavar="FLOW", help="The flow's name: its file's stem.")]


Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the logs of Sqoop and the servers.")]


TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Take over a load that an Airflow run began, when that run is over.")
]


def _is_shown(value: JsonValue) -> bool:
    """Whether a line has room for a fact: what is not known says nothing to a person."""
    return value is not None and not isinstance(value, list | dict)


def print_report(report: StepReport[Record]) -> None:
    """Print one line per step: what it did, and how long it took."""
    shown = ", ".join(f"{name} {value}" for name, value in report.facts.items() if _is_shown(value))
    typer.echo(f"{report.step:<14}{report.seconds:7.2f} s  {shown}")


def find_flow(directory: Path, name: str, remembered: Collection[str] = ()) -> Flow:
    """Load one flow file. Raises FlowFileError for a broken one, SwitchyardError with the nearest names for none.

    `remembered` are names of the ledger, which may be meant too where a flow needs no file.
    """
    flows, errors = load_flows(directory)
    if name in flows:
        return flows[name]
    for error in errors:
        if error.flow == name:
            raise error
    from difflib import get_close_matches

    near = get_close_matches(name[:_LONGEST_NAME], sorted({*flows, *remembered}), 3)
    cure = f"did you mean {' or '.join(near)}?" if near else f"list the flows: switchyard flows --flows {directory}"
    raise SwitchyardError(f"no flow has the name {name!r}", where=str(directory), cure=cure)


@contextmanager
def showing_all() -> Iterator[None]:
    """Print every finding of an error: for the command that others name as the one that shows all of them."""
    try:
        yield
    except SwitchyardError as error:
        typer.echo(f"{typer.style('error', fg='red')}: {error.whole()}", err=True)
        raise typer.Exit(1) from error


def open_runtime(command: str, *, take_over: bool = False) -> Runtime:
    """The edges of a leg, with the connections of this shell."""
    from switchyard.ledger.drivers import Driver
    from switchyard.legs.runtime import Runtime

    driver = Driver(take_over=frozenset("*" if take_over else ""))
    return Runtime(shell_connections(), name_owner(command), driver=driver)


def runtime_for(call: StepCall) -> Runtime:
    """The edges of a leg, with the connections that a parent process gave."""
    from switchyard.ledger.drivers import Driver
    from switchyard.legs.runtime import Runtime

    driver = Driver(call.dag_run, take_over=frozenset(call.take_over))
    connections = CallConnections(GivenConnections(call.connections), frozenset(call.absent))
    return Runtime(connections, call.owner, driver=driver)


def name_owner(command: str) -> str:
    """Return who runs a command of this shell, for messages to rival runs."""
    return f"{command}, process {os.getpid()} on {socket.gethostname()}"


def log_to_stderr(level: int) -> None:
    """Log to standard error; standard output is for reports."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    for noisy in ("alembic", "pyhive", "TCLIService"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
