"""The fault matrix: one row for each fault that a test provoked, printed at the end of the run."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TypeVar

import pytest

Member = TypeVar("Member")


def record(leg: str, moment: str, fault: str, outcome: str) -> None:
    """Note a row, once everything about it was checked."""
    if path := os.environ.get("SWITCHYARD_FAULT_MATRIX"):
        with Path(path).open("a") as file:
            file.write(json.dumps([leg, moment, fault, outcome]) + "\n")


def members(family: Iterable[Member], first: Collection[Member]) -> list[object]:
    """Parameters: all members of a family of faults, those that are not among the first marked `kin`.

    `make test` tries the first, `make test-faults` tries all.
    """
    listed = list(family)
    unknown = [member for member in first if member not in listed]
    assert unknown == [], f"no members of the family: {unknown}"
    return [pytest.param(member, marks=[] if member in first else [pytest.mark.kin]) for member in listed]
