"""The fault matrix: one row for each fault that a test provoked, printed at the end of the run."""

from __future__ import annotations

import json
import os
from pathlib import Path


def record(leg: str, moment: str, fault: str, outcome: str) -> None:
    """Note a row, once everything about it was checked."""
    if path := os.environ.get("SWITCHYARD_FAULT_MATRIX"):
        with Path(path).open("a") as file:
            file.write(json.dumps([leg, moment, fault, outcome]) + "\n")
