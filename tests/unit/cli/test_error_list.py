"""Every error says where, what, and what to do: read from the source, so that no raise is forgotten."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence

import click
import pytest
import typer

from harness.cures import commands_of
from switchyard.cli.app import build_app
from switchyard.cli.error_list import ErrorText, error_classes, list_errors, read_package
from switchyard.cli.message_names import Module, Package
from switchyard.cli.message_text import VALUE, Writer, combine
from switchyard.connections.sqlstates import SQLSTATES, SqlState
from switchyard.ledger.errors import LEDGER_STATES, LedgerState

ERRORS = list_errors()
PACKAGE = read_package()
KINDS = error_classes(module.tree for module in PACKAGE.modules.values())
LONGEST = 10


def ids(error: ErrorText) -> str:
    return f"{error.place} {error.what[:30]}"


def test_there_are_many_of_many_kinds() -> None:
    assert len(ERRORS) > 400
    assert {error.kind for error in ERRORS} == KINDS, "each class is raised somewhere"


@pytest.mark.parametrize("error", ERRORS, ids=ids)
def test_it_has_a_place_and_a_cure(error: ErrorText) -> None:
    assert error.cure
    assert VALUE.sub("", error.cure).strip(), "the words of the cure are known before anything has run"
    assert error.where


@pytest.mark.parametrize(
    ("where", "what", "cure"),
    [
        ("flows/<flow>.yaml:<line>", "unknown key `<written>`", "did you mean `<meant>`?"),
        ("flows/<flow>.yaml:<line>: `engine.mappers`", "<mappers> mappers need `split_by`", "name an integer column"),
        ("flows/<flow>.yaml:<line>: `lake.mode`", "mode append needs a cursor", "set source.cursor"),
        ("flows/<flow>.yaml:<line>: `source.where`", "Switchyard writes the word WHERE", "write the condition only"),
        ("flows/defaults.yaml:<line>", "`<name>` cannot be shared by all flows", "into each flow's own file"),
    ],
)
def test_a_fault_of_a_flow_file_has_its_line_and_key(where: str, what: str, cure: str) -> None:
    listed = [error for error in ERRORS if error.where == where and error.what.startswith(what)]
    assert [error for error in listed if cure in (error.cure or "")]


@pytest.mark.parametrize("error", ERRORS, ids=ids)
def test_it_is_short(error: ErrorText) -> None:
    text = f"{error.where}: {error.what}\n  → {error.cure}"
    assert len(text.splitlines()) <= LONGEST


def constructions() -> Iterator[tuple[str, str, ast.Call]]:
    """Every call of a class of errors: class, place, call."""
    for module in PACKAGE.modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                yield node.func.id, f"{module.name}:{node.lineno}", node


def passes_on(call: ast.Call) -> bool:
    """True of an error that only carries another's words: `Kind(error.what, …)`, or the problems of a flow file."""
    if ast.unparse(call.func) == "FlowFileError":
        return True
    return bool(call.args) and ast.unparse(call.args[0]) in ("error.what", "self.what")


def test_every_raise_is_listed() -> None:
    listed = {error.place for error in ERRORS}
    homes = ("switchyard.errors:", "switchyard.ledger.drivers:")
    of_classes = {error.kind for error in ERRORS if error.place.startswith(homes)}
    assert [
        f"{place} {ast.unparse(call)[:80]}"
        for kind, place, call in constructions()
        if place not in listed and kind not in of_classes and not passes_on(call)
    ] == []


def test_every_raise_of_airflow_is_one_of_ours_in_words() -> None:
    """Airflow's exceptions have one text: it is that of an error with a place and a cure."""
    texts = [
        (module.name, ast.unparse(node.exc.args[0]))
        for module in PACKAGE.modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and ast.unparse(node.exc.func).strip("()").split(" ")[0] in ("AirflowException", "AirflowFailException")
    ]
    assert texts
    handed_on = {"message", "self.message"}  # of `_give_way` and RefusalOperator, which are given str(error)
    assert [text for text in texts if not text[1].startswith("str(") and text[1] not in handed_on] == []


@pytest.mark.parametrize("words", ["is older than the ledger", "is gone / is empty", "does not know / has as"])
def test_a_table_of_refusals_is_written_out(words: str) -> None:
    assert [error for error in ERRORS if error.kind == "TruthConflict" and words in error.what]


@pytest.mark.parametrize(
    ("place", "rows"), [("switchyard.extract.postgres", SQLSTATES), ("switchyard.ledger.errors", LEDGER_STATES)]
)
def test_every_sqlstate_is_written_out(place: str, rows: Sequence[SqlState | LedgerState]) -> None:
    said = [(error.what, error.cure) for error in ERRORS if error.place.startswith(place)]
    assert [row.cause for row in rows if not any(row.cause in what and cure == row.cure for what, cure in said)] == []


def test_no_error_of_the_ledger_sends_people_to_the_flow_file() -> None:
    of_ledger = [error for error in ERRORS if error.place.startswith("switchyard.ledger.errors")]
    assert [error.cure for error in of_ledger if re.search(r"source|serve\.|lake\.", error.cure or "")] == []


def test_a_leg_is_named() -> None:
    """A command in a cure says which leg: the one that the call names, else both that there are."""
    assert [error for error in ERRORS if "<leg>" in f"{error.what} {error.where} {error.cure}"] == []
    commands = [error.cure or "" for error in ERRORS if "switchyard run" in (error.cure or "")]
    assert [cure for cure in commands if not re.search(r"switchyard run (<ingest\|serve>|ingest|serve)", cure)] == []


COMMANDS = sorted({command for error in ERRORS for command in commands_of(error.cure or "", error.what)})


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_in_a_cure_can_be_typed(command: str) -> None:
    """The command line's own parser takes it, as it is or without the words of prose after it."""
    words = command.split()
    faults = []
    for end in range(len(words), 0, -1):
        fault = fault_of(words[:end])
        if fault is None:
            assert not [word for word in words[end:] if word.startswith("--")], faults
            return
        faults.append(fault)
    raise AssertionError(faults)


def fault_of(words: list[str]) -> str | None:
    """Why the command line refuses these words after `switchyard`; None when it takes them."""
    command: click.Command = typer.main.get_command(build_app(words))
    arguments = words
    name = "switchyard"
    try:
        while isinstance(command, click.Group):
            context = command.make_context(name, list(arguments))
            given = [*context._protected_args, *context.args]
            if not given:
                return None if command.invoke_without_command else "a command is missing"
            found, inner, arguments = command.resolve_command(context, given)
            assert inner is not None
            name, command = str(found), inner
        command.make_context(name, list(arguments))
    except click.UsageError as error:
        return error.format_message()
    return None


def test_a_flow_that_is_known_is_filled_in() -> None:
    assert [error for error in ERRORS if "FLOW" in (error.cure or "").split() and "<flow>" in (error.where or "")] == []


def test_a_cure_says_which_command_or_dag() -> None:
    """Whoever is paged knows what to type or to trigger: `run again` is followed by the command, a DAG has its id."""
    vague = re.compile(r"run again(?!: switchyard)|(start|trigger|try) it again|the DAG again|its DAG\b")
    assert [error for error in ERRORS if vague.search(error.cure or "")] == []


def test_no_placeholder_stands_for_a_sentence() -> None:
    """What is wrong, why, and what to do are written out, each alternative by itself, or shown by an example."""
    names = ("advice", "cure", "fault", "faults, …", "finding", "reason, …", "reasons, …", "what", "why")
    sentences = tuple(f"<{name}>" for name in names)
    assert [
        error
        for error in ERRORS
        if any(sentence in f"{error.where} {error.what} {error.cure}" for sentence in sentences)
    ] == []


def test_no_finding_is_empty() -> None:
    assert [error for error in ERRORS if re.search(r"\n  - (\n|$)", f"{error.what}\n")] == []


SOURCE = """
TABLE = {1: one, 2: other}
ADVICE = {"a": ("a is old", "renew a"), "b": ("b is new", "wait")}
UNKNOWN = ("it is unknown", "ask")
EXTRAS = {"x": "write y", **dict.fromkeys(("v", "w"), "leave it out"), **MORE}

def one(x):
    return f"one {x}", "cure one"

def other(x):
    return "other", "cure other"

def advise(name):
    return f"add {name.upper()}"

def helper(what, cure):
    return Refused(what, cure=cure)

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

def dispatch(kind):
    what, cure = TABLE[kind](kind)
    return Refused(f"it says: {what}", cure=f"nothing; {cure}")

def call(kind):
    if kind:
        raise helper("a is wrong", "mend a")
    raise helper("b is wrong", "mend b")

def collect(names):
    findings = [f"column {name} is bad" for name in names]
    if not names:
        findings.append("no names")
    findings += more()
    return Refused("; ".join(findings), cure="mend" if names else "add")

def more():
    yield "one more"

def again(leg):
    return f"run {leg} again"

def ingest():
    return Refused("no rows", cure=again("ingest"))

def serve():
    return Refused("no documents", cure=again("serve"))

def either(load):
    return Refused("no load", cure=again(load.leg))

class Client:
    def __init__(self, extras, login=""):
        self.where = f"connection {login}"

    def call(self):
        raise Refused(f"user {self.login or 'nobody'} is refused", cure="ask", where=f" {self.where} ".strip())

    @property
    def _where(self):
        return f"cache of {self.flow}"

    def judge(self, name):
        advice = self.extras[name]
        raise Refused(f"{name} is refused", cure=advice)

    def get(self):
        raise Refused("no value", cure="fill it", where=self._where)

CLIENT = Client(EXTRAS)

def look_up():
    what, cure = ADVICE["b"]
    raise Refused(what, cure=cure)

def look_up_any(key):
    what, cure = ADVICE.get(key, UNKNOWN)
    raise Refused(what, cure=cure)

def list_faults(rows):
    return ["it is late"] + [f"{row.id} is lost" for row in rows]

def go_through(rows):
    findings = [f"cursor: {fault}" for fault in list_faults(rows)]
    raise Refused("; ".join(findings), cure="mend")
"""


def test_the_texts_of_a_message_are_paired_with_their_cures() -> None:
    module = Module("example", ast.parse(SOURCE))
    writer = Writer(Package({"example": module}), module)
    texts = {
        call.lineno: {texts for texts, _ in combine([writer.write(call.args[0]), writer.write(call.keywords[0].value)])}
        for call in ast.walk(module.tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Refused"
    }
    assert texts == {
        17: {("a is wrong", "mend a"), ("b is wrong", "mend b")},
        25: {("<number of rows> of <row id, …>", "add <name>")},
        28: {
            ("first", "do this"),
            ("<number of rows> of <row id, …>", "add <name>"),
            ("third", "do that"),
        },
        32: {("it says: one <x>", "nothing; cure one"), ("it says: other", "nothing; cure other")},
        44: {(what, cure) for what in ("column <name> is bad", "no names", "one more") for cure in ("mend", "add")},
        53: {("no rows", "run ingest again")},
        56: {("no documents", "run serve again")},
        59: {("no load", "run <ingest|serve> again")},
        66: {("user <login> / nobody is refused", "ask")},
        74: {("<name> is refused", "write y"), ("<name> is refused", "leave it out")},
        77: {("no value", "fill it")},
        83: {("b is new", "wait")},
        87: {("a is old", "renew a"), ("b is new", "wait"), ("it is unknown", "ask")},
        94: {("cursor: it is late", "mend"), ("cursor: <row id> is lost", "mend")},
    }


def test_a_place_that_an_object_keeps_is_written_out() -> None:
    module = Module("example", ast.parse(SOURCE))
    writer = Writer(Package({"example": module}), module)
    places = [
        variant.text
        for call in ast.walk(module.tree)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "where"
        for variant in writer.write(keyword.value)
    ]
    assert places == [" connection <login> ", "cache of <flow>"]


def test_the_command_prints_them_all() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "switchyard", "docs", "errors", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(json.loads(done.stdout)) == len(ERRORS)
