"""Every error says where, what, and what to do: read from the source, so that no raise is forgotten."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from switchyard.cli.error_list import ErrorText, list_errors

ERRORS = list_errors()
LONGEST = 10


def test_there_are_many_of_many_kinds() -> None:
    assert len(ERRORS) > 150
    assert {"FlowFileError", "ServerUnavailable", "PreflightRefused", "StepFailed"} <= {error.kind for error in ERRORS}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.place)
def test_it_has_a_place_and_a_cure(error: ErrorText) -> None:
    assert error.cure
    assert error.where or error.kind == "FlowFileError", "only a flow file's loader adds the place by itself"


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.place)
def test_it_is_short(error: ErrorText) -> None:
    text = f"{error.where}: {error.what}\n  → {error.cure}"
    assert len(text.splitlines()) <= LONGEST


def test_the_command_prints_them_all() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "switchyard", "docs", "errors", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(json.loads(done.stdout)) == len(ERRORS)
