"""Every error says where, what, and what to do: read from the source, so that no raise is forgotten."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys

import pytest

from switchyard.cli.error_list import ErrorText, list_errors
from switchyard.cli.message_text import Source

ERRORS = list_errors()
LONGEST = 10
VALUE = re.compile(r"<[^<>]*>|…")


def test_there_are_many_of_many_kinds() -> None:
    assert len(ERRORS) > 150
    assert {"FlowFileError", "ServerUnavailable", "PreflightRefused", "StepFailed"} <= {error.kind for error in ERRORS}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.place)
def test_it_has_a_place_and_a_cure(error: ErrorText) -> None:
    assert error.cure
    assert VALUE.sub("", error.cure).strip(), "the words of the cure are known before anything has run"
    assert error.where or error.kind == "FlowFileError", "only a flow file's loader adds the place by itself"


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.place)
def test_it_is_short(error: ErrorText) -> None:
    text = f"{error.where}: {error.what}\n  → {error.cure}"
    assert len(text.splitlines()) <= LONGEST


SOURCE = """
def advise(name):
    return f"add {name.upper()}"

def refuse(kind, rows):
    if kind == "a":
        what, cure = "first", "do this"
    elif kind == "b":
        what = f"{len(rows)} of {', '.join(row.id for row in rows)}"
        cure = advise(kind)
        raise Refused(what, cure=cure)
    else:
        what, cure = "third", "do that"
    raise Refused(what, cure=cure)
"""


def test_a_message_is_the_one_of_its_branch() -> None:
    module = ast.parse(SOURCE)
    source = Source(module, {})
    texts = {
        call.lineno: [source.write_text(call.args[0]), source.write_text(call.keywords[0].value)]
        for call in ast.walk(module)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Refused"
    }
    assert texts == {
        11: ["<number of rows> of <row id, …>", "add <name>"],
        14: ["first / <number of rows> of <row id, …> / third", "do this / add <name> / do that"],
    }


def test_the_command_prints_them_all() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "switchyard", "docs", "errors", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(json.loads(done.stdout)) == len(ERRORS)
