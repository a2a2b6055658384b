"""`switchyard loads`, and how a load is shown."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from switchyard.cli.options import DEFAULT_FLOWS, FlowsDirectory, Format, OutputFormat
from switchyard.cli.session import FlowName, find_flow, open_runtime
from switchyard.ledger.loads import FINISHED, Load
from switchyard.ledger.results import Proved, Staged

_PIPE_WIDTH = 200
SEQS = (
    "seq counts the loads of a leg; version is that of the Hive table: the seq of the ingest load that made it. A "
    "serve load serves a version under a seq of its own"
)
"""What a person who sees serve seq 6 beside version 10 asks."""


def loads(
    flow: FlowName,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1)] = 20,
    directory: FlowsDirectory = DEFAULT_FLOWS,
    output: OutputFormat = Format.TEXT,
) -> None:
    """List a flow's loads, newest first, also of one whose file is gone."""
    from switchyard.ledger.flow_state import list_flows

    with open_runtime("switchyard loads").ledger() as ledger:
        ledger.migrate()
        newest = ledger.list_loads(flow, limit=limit)
        if not newest:
            find_flow(directory, flow, list_flows(ledger))
    if output is Format.JSON:
        typer.echo(json.dumps([load.__dict__ for load in newest], default=str, indent=2))
        return
    rows = [
        {
            "load": load.load_id,
            "leg": load.leg,
            "seq": load.seq,
            "version": _version(load),
            "kind": load.kind,
            "state": load.state,
            "rows": count_rows(load),
            "quarantined": _quarantined(load),
            "up to": load.high,
            "updated": show_moment(load.updated_at),
            "why": load.error or "",
        }
        for load in newest
    ]
    print_table(rows)
    if any(load.leg == "serve" for load in newest):
        typer.echo(SEQS)


def count_rows(load: Load) -> int | None:
    """Rows of the version, or documents of the collection; None before they are proved."""
    if load.leg == "ingest":
        proved = load.find_result(Proved)
        return proved.hive_rows if proved else None
    staged = load.find_result(Staged)
    return staged.rows if staged else None


def _version(load: Load) -> int | None:
    """The version of the Hive table that a load made, or that it serves; None before it has one."""
    if load.leg == "serve":
        return load.version
    return load.seq if load.state == FINISHED["ingest"] else None


def _quarantined(load: Load) -> int | None:
    proved = load.find_result(Proved) if load.leg == "ingest" else None
    return proved.quarantined_rows if proved else None


def show_moment(value: dt.datetime | None) -> str | None:
    """A moment to the second, UTC as the ledger has it; None for none."""
    return f"{value:%Y-%m-%d %H:%M:%S}" if value else None


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print one line per row, as wide as the rows need in a pipe, as wide as a terminal is."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(*(rows[0] if rows else ("nothing here yet",)), box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*("–" if row.get(name) is None else str(row[name]) for name in rows[0]))
    (console if console.is_terminal else Console(width=_PIPE_WIDTH)).print(table)
