"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

ASK_AIRFLOW = "SWITCHYARD_AIRFLOW_CONNECTIONS"
"""Variable that lets Airflow look connections up, as `switchyard --airflow-connections` does."""
DEFAULT_FLOWS = Path("dags/flows")

FlowsDirectory = Annotated[
    Path, typer.Option("--flows", envvar="SWITCHYARD_FLOWS", help="Directory of the flow files.", metavar="DIR")
]


class Format(StrEnum):
    """Form of a command's output."""

    TEXT = "text"
    JSON = "json"


OutputFormat = Annotated[Format, typer.Option("--format", help="For people, or for programs.")]
