"""Every command that takes a flow's name says in one way that no flow has it, and which names may have been meant."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.checkout import CHECKOUT
from switchyard.cli.app import build_app
from switchyard.cli.commands import COMMANDS
from switchyard.cli.session import FlowName, find_flow
from switchyard.errors import SwitchyardError

FLOWS = CHECKOUT / "dags" / "flows"
NEEDED = {
    "run": ["ingest"],
    "plan": ["--leg", "ingest"],
    "backfill": ["--from", "2026-01-01", "--to", "2026-01-02"],
    "rollback": ["--to", "1", "--why", "a test"],
}
"""What a command needs before the flow's name."""
NEEDED_AFTER = {"who-loaded": ["1"]}
ASKS_THE_LEDGER_FIRST = {"loads", "abandon"}
"""A flow whose file is gone is one too: on servers, tests/integration/legs/test_injection.py."""


def takes_a_name(target: str) -> bool:
    module, attribute = target.split(":")
    command = getattr(import_module(module), attribute)
    if not inspect.isfunction(command):
        return False
    annotations = inspect.get_annotations(command, eval_str=True)
    return FlowName in annotations.values()


BY_NAME = [command.name for command in COMMANDS if takes_a_name(command.target)]


def test_commands_are_found_by_their_argument() -> None:
    assert {"plan", "run", "preflight", "diff", "release", "adopt", "replay", *NEEDED, *ASKS_THE_LEDGER_FIRST} <= set(
        BY_NAME
    )


@pytest.mark.parametrize("command", [name for name in BY_NAME if name not in ASKS_THE_LEDGER_FIRST])
@pytest.mark.parametrize("name", ["telemtry", "nosuch", "../../etc/passwd", "--help", "*", "", "$(id)", "a" * 5_000])
def test_a_name_that_no_flow_has(command: str, name: str) -> None:
    arguments = [command, *NEEDED.get(command, []), "--flows", str(FLOWS), "--", name, *NEEDED_AFTER.get(command, [])]
    ended = CliRunner().invoke(build_app(arguments), arguments, prog_name="switchyard")
    assert isinstance(ended.exception, SwitchyardError), ended.output
    assert ended.exception.what == SwitchyardError(f"no flow has the name {name!r}", where="", cure="").what
    assert ended.exception.where == str(FLOWS)
    assert ("telemetry" in ended.exception.cure) is (name == "telemtry")


def test_names_of_the_ledger_are_near_too(tmp_path: Path) -> None:
    with pytest.raises(SwitchyardError, match="did you mean orders_old or orders_new"):
        find_flow(tmp_path, "orders_ol", ["orders_old", "orders_new", "telemetry"])
    with pytest.raises(SwitchyardError, match="list the flows: switchyard flows"):
        find_flow(tmp_path, "orders_ol", ["telemetry"])
