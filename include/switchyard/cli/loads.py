"""Commands that read the ledger."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from switchyard.cli.options import DEFAULT_FLOWS, FlowsDirectory, Format, OutputFormat
from switchyard.cli.session import FlowName, find_flow, open_runtime
from switchyard.flow.duration import format_duration
from switchyard.flow.files.loader import load_flows
from switchyard.ledger.loads import Load
from switchyard.ledger.results import Proved, Staged
from switchyard.legs.diff.freshness import Store, judge, read_stores, shown_age

_PIPE_WIDTH = 200


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
            "kind": load.kind,
            "state": load.state,
            "rows": _rows(load),
            "quarantined": _quarantined(load),
            "up to": load.high,
            "updated": _moment(load.updated_at),
            "why": load.error or "",
        }
        for load in newest
    ]
    print_table(rows)


def status(directory: FlowsDirectory = DEFAULT_FLOWS, output: OutputFormat = Format.TEXT) -> None:
    """Every flow: what is published, what is served, how old they are, what is unfinished."""
    from switchyard.ledger.flow_state import read_state
    from switchyard.ledger.loads import UNFINISHED

    flows, errors = load_flows(directory)
    rows: list[dict[str, Any]] = []
    with open_runtime("switchyard status").ledger() as ledger:
        ledger.migrate()
        for name, flow in flows.items():
            published = ledger.last_finished(name, "ingest")
            served = ledger.last_finished(name, "serve")
            unfinished = ledger.list_loads(name, None, UNFINISHED)
            rows.append(
                {
                    "flow": name,
                    "published": published.seq if published else None,
                    "rows": _rows(published) if published else None,
                    "at": _moment(published.published_at) if published else None,
                    "served": served.version if served else None,
                    "served at": _moment(served.published_at) if served else None,
                    **describe_age(*read_stores(ledger, flow), flow.freshness),
                    "unfinished": ", ".join(f"{load.leg} {load.state}" for load in unfinished),
                    "on hold": read_state(ledger, name).held,
                }
            )
    rows += [{"flow": error.flow, "unfinished": "its file cannot be used: switchyard lint"} for error in errors]
    if output is Format.JSON:
        typer.echo(json.dumps(rows, indent=2))
        return
    print_table(rows)


def describe_age(stores: Sequence[Store], now: dt.datetime, within: dt.timedelta | None) -> dict[str, str | None]:
    """Columns: how long ago the newest rows of the table and of the collection were read, and whether that is late."""
    ages = [None if store.as_of is None else shown_age(now - store.as_of) for store in stores]
    columns = {"age": ages[0], "served age": ages[1] if len(ages) > 1 else None, "freshness": None}
    if within is not None:
        promise = format_duration(within)
        columns["freshness"] = promise if judge(stores, within, now).fresh else f"LATE, {promise} allowed"
    return columns


def _rows(load: Load) -> int | None:
    """Rows of the version, or documents of the collection; None before they are proved."""
    if load.leg == "ingest":
        proved = load.find_result(Proved)
        return proved.hive_rows if proved else None
    staged = load.find_result(Staged)
    return staged.rows if staged else None


def _quarantined(load: Load) -> int | None:
    proved = load.find_result(Proved) if load.leg == "ingest" else None
    return proved.quarantined_rows if proved else None


def _moment(value: dt.datetime | None) -> str | None:
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
