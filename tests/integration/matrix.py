"""The fault matrix: one row for each fault that a test provoked, printed at the end of the run."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def record(leg: str, moment: str, fault: str, outcome: str) -> None:
    """Note a row, once everything about it was checked."""
    if path := os.environ.get("SWITCHYARD_FAULT_MATRIX"):
        with Path(path).open("a") as file:
            file.write(json.dumps([leg, moment, fault, outcome]) + "\n")


LEAST = 40


def main(path: Path) -> int:
    """Print the rows; 1 when there are fewer than LEAST."""
    from rich.console import Console
    from rich.table import Table

    rows = [json.loads(line) for line in path.read_text().splitlines()]
    table = Table("", "leg", "moment", "fault", "outcome", title="fault matrix")
    for number, row in enumerate(rows, 1):
        table.add_row(str(number), *row)
    console = Console()
    (console if console.is_terminal else Console(width=180)).print(table)
    console.print(f"{len(rows)} points, all green" if len(rows) >= LEAST else f"{len(rows)} points: {LEAST} are wanted")
    return int(len(rows) < LEAST)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
