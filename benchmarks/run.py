"""`python benchmarks/run.py ingest|serve|diff|parse`: measures side by side on this machine and prints ratios."""

from __future__ import annotations

from typing import Annotated

import bench_diff
import bench_ingest
import bench_parse
import bench_serve
import typer

app = typer.Typer(add_completion=False, no_args_is_help=True)
Runs = Annotated[int, typer.Option(help="how often each is measured")]


@app.command()
def ingest(runs: Runs = 3, rows: Annotated[int, typer.Option(help="readings")] = 2_494_656) -> None:
    """COPY, plain Sqoop and each step of the ingest leg."""
    bench_ingest.run(runs, rows)


@app.command()
def serve(runs: Runs = 3, rows: Annotated[int, typer.Option(help="documents, at most 36,063")] = 36_063) -> None:
    """The obvious way into MongoDB and each step of the serve leg; a change of one row in a hundred."""
    bench_serve.run(runs, rows)


@app.command()
def diff(
    runs: Runs = 3,
    rows: Annotated[int, typer.Option(help="readings")] = 2_494_656,
    documents: Annotated[int, typer.Option(help="documents, at most 36,063")] = 36_063,
) -> None:
    """Two stores compared by value: PostgreSQL and Hive, Hive and MongoDB."""
    bench_diff.run(runs, rows, documents)


@app.command()
def parse(runs: Runs = 3, flows: Annotated[int, typer.Option(help="flow files")] = 1_000) -> None:
    """Reading flow files and building their DAGs."""
    bench_parse.run(runs, flows)


if __name__ == "__main__":
    app()
