"""`stack data`: the command that loads the demo's data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from switchyard_stack.datasets.errors import DatasetError
from switchyard_stack.datasets.loader import load_all

DatabaseUrl = Annotated[str, typer.Option(help="libpq URL; a password in it is not printed")]


def data(postgres_url: DatabaseUrl, simbench_url: DatabaseUrl, cache_dir: Annotated[Path, typer.Option()]) -> None:
    """Load PowerGrid's telemetry and SimBench (ODbL) into PostgreSQL; a second run changes nothing."""
    console = Console(soft_wrap=True, highlight=False)
    try:
        reports = load_all(postgres_url, simbench_url, cache_dir, say=console.print)
    except DatasetError as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error
    table = Table("table", "rows", "seconds", title="the demo's data")
    for report in reports:
        table.add_row(report.table, f"{report.rows:,}", f"{report.seconds:.1f}" if report.loaded else "left alone")
    console.print(table)


if __name__ == "__main__":
    typer.run(data)
