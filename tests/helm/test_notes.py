"""What helm prints after an install: the next three commands."""

from __future__ import annotations

import re

import pytest

from harness.charts import CHART, NAMESPACE, RELEASE, case, case_names, run_helm


def notes(name: str) -> str:
    """NOTES of a case, as `helm install` would print them."""
    options = ["install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--dry-run=client", "--hide-secret"]
    return run_helm(*options, values=case(name)).split("\nNOTES:\n", 1)[1]


@pytest.mark.parametrize("name", case_names())
def test_the_next_three_commands_are_printed(name: str) -> None:
    text = notes(name)
    steps = re.findall(r"^(\d)\. .+\n   (kubectl|helm) (.+)$", text, re.MULTILINE)
    assert [number for number, _, _ in steps] == ["1", "2", "3"]
    assert all(f"--namespace {NAMESPACE}" in rest for _, _, rest in steps)
    secret = "lake-connections" if name == "gitops" else "grid-connections"
    assert secret in text


@pytest.mark.parametrize("name", case_names())
def test_no_password_is_printed(name: str) -> None:
    passwords = [value for key, value in case(name)["passwords"].items() if key != "existingSecret" and len(value) > 4]
    assert [password for password in passwords if password in notes(name)] == []
