"""`switchyard status`: every flow that has a file, and what flows without one have left unfinished."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from switchyard.cli.loads import count_rows, print_table, show_moment
from switchyard.cli.options import DEFAULT_FLOWS, FlowsDirectory, Format, OutputFormat
from switchyard.cli.session import open_runtime
from switchyard.flow.duration import format_duration
from switchyard.flow.files.loader import load_flows
from switchyard.flow.spec import Flow
from switchyard.ledger.flow_state import list_flows, read_state
from switchyard.ledger.loads import UNFINISHED
from switchyard.legs.diff.freshness import Store, judge, read_stores, shown_age

if TYPE_CHECKING:
    from switchyard.ledger.store import Ledger

Row = dict[str, str | int | None]
_LEGEND = (
    "published and served are versions of the Hive table: the seq of the ingest load that made them. The loads of the "
    "serve leg have seqs of their own: switchyard loads FLOW"
)
_BROKEN = "its file cannot be used: switchyard lint"
_GONE = "its file is gone"
_AGES = ("age", "served age", "freshness")


def status(directory: FlowsDirectory = DEFAULT_FLOWS, output: OutputFormat = Format.TEXT) -> None:
    """Every flow: what is published, what is served, how old they are, what is unfinished."""
    flows, errors = load_flows(directory)
    with open_runtime("switchyard status").ledger() as ledger:
        ledger.migrate()
        rows = [_row(ledger, name, flow) for name, flow in flows.items()]
        rows += [_row(ledger, error.flow, None, _BROKEN) for error in errors]
        with_a_file = {*flows, *(error.flow for error in errors)}
        others = list(_without_a_file(ledger, with_a_file))
    rows += others
    if output is Format.JSON:
        typer.echo(json.dumps(rows, indent=2))
        return
    print_table(rows)
    if rows:
        typer.echo(_LEGEND)
    if others:
        typer.echo(
            f"flows whose file is gone from {directory} have unfinished loads, or are on hold: put the file back and "
            "run the leg, which finishes them; or give them up: switchyard abandon FLOW --leg LEG --why REASON; when "
            "the file has a new name: switchyard rename OLD NEW"
        )


def describe_age(stores: Sequence[Store], now: dt.datetime, within: dt.timedelta | None) -> dict[str, str | None]:
    """Columns: how long ago the newest rows of the table and of the collection were read, and whether that is late."""
    ages = [None if store.as_of is None else shown_age(now - store.as_of) for store in stores]
    columns = {"age": ages[0], "served age": ages[1] if len(ages) > 1 else None, "freshness": None}
    if within is not None:
        promise = format_duration(within)
        columns["freshness"] = promise if judge(stores, within, now).fresh else f"LATE, {promise} allowed"
    return columns


def _row(ledger: Ledger, name: str, flow: Flow | None, file: str = "") -> Row:
    """What the ledger knows of a flow; `file`: what is the matter with its file. Without one nothing says how old."""
    published = ledger.last_finished(name, "ingest")
    served = ledger.last_finished(name, "serve")
    unfinished = [f"{load.leg} {load.state}" for load in ledger.list_loads(name, None, UNFINISHED)]
    ages = dict.fromkeys(_AGES) if flow is None else describe_age(*read_stores(ledger, flow), flow.freshness)
    return {
        "flow": name,
        "published": published.seq if published else None,
        "rows": count_rows(published) if published else None,
        "at": show_moment(published.published_at) if published else None,
        "served": served.version if served else None,
        "served at": show_moment(served.published_at) if served else None,
        **ages,
        "unfinished": ", ".join([*unfinished, *([file] if file else [])]),
        "on hold": read_state(ledger, name).held,
    }


def _without_a_file(ledger: Ledger, with_a_file: set[str]) -> Iterator[Row]:
    """Rows of flows that no file names, where somebody has still to act: a load is unfinished, or a hold stands."""
    for name in list_flows(ledger):
        if name in with_a_file:
            continue
        if ledger.list_loads(name, None, UNFINISHED, limit=1) or read_state(ledger, name).held is not None:
            yield _row(ledger, name, None, _GONE)
