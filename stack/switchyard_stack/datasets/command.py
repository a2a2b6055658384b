"""What `switchyard stack data` does: load the demo's data into the stack's PostgreSQL and say so."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from switchyard_stack import run
from switchyard_stack.datasets.loader import TableReport, load_all
from switchyard_stack.environment import client_environment
from switchyard_stack.layout import Layout


def load_and_show(layout: Layout, console: Console) -> None:
    """Load every table; downloads are kept in `<state>/downloads`. Raises StackError."""
    urls = client_environment(run.open_site(layout))
    cache = layout.state / "downloads"
    console.print(_table(load_all(urls["POSTGRES_URL"], urls["SIMBENCH_URL"], cache, say=console.print)))


def _table(reports: list[TableReport]) -> Table:
    table = Table("table", "rows", "seconds", title="source tables")
    for report in reports:
        table.add_row(report.table, f"{report.rows:,}", f"{report.seconds:.1f}" if report.loaded else "left alone")
    return table
