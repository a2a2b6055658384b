"""What README and docs name is there: commands, paths, snippets. They are read as a newcomer would type them."""

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from harness.checkout import CHECKOUT
from switchyard.cli.commands import COMMANDS
from switchyard.flow.files.loader import load_flow, load_flows

PAGES = sorted(
    path
    for pattern in (
        "*.md",
        "docs/*.md",
        "docs/adr/*.md",
        "helm/*.md",
        "images/*.md",
        "stack/*.md",
        "cluster/*.md",
        "benchmarks/*.md",
    )
    for path in CHECKOUT.glob(pattern)
)
TOP = re.compile(r"(cluster|dags|docs|helm|images|include|plugins|requirements|stack|tests|benchmarks)/[\w./*-]*")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)

page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(CHECKOUT)))


def fences(path: Path, *languages: str) -> list[str]:
    return [body for language, body in FENCE.findall(path.read_text(encoding="utf-8")) if language in languages]


def code(path: Path) -> Iterator[str]:
    """Everything that is set as code: commands in fences, and spans."""
    yield from fences(path, "sh", "bash", "console")
    yield from re.findall(r"`([^`\n]+)`", FENCE.sub("", path.read_text(encoding="utf-8")))


@cache
def headings(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@cache
def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))


@cache
def commands_of(group: str) -> set[str]:
    """The commands of `switchyard stack` or `switchyard cluster`."""
    app = import_module(f"switchyard_{group}.cli").app
    return {command.name or command.callback.__name__ for command in app.registered_commands}


@page
def test_every_make_target_exists(page: Path) -> None:
    named = [target for text in code(page) for target in re.findall(r"\bmake (?:-s )?([a-z][a-z-]*)", text)]
    assert set(named) - make_targets() == set()


@page
def test_every_command_exists(page: Path) -> None:
    known = {command.name for command in COMMANDS} | {"stack", "cluster"}
    named = [found for text in code(page) for found in re.findall(r"\bswitchyard ([a-z][a-z-]*)(?: ([a-z]+))?", text)]
    assert {first for first, _ in named} - known == set()
    for group in ("stack", "cluster"):
        assert {second for first, second in named if first == group and second} - commands_of(group) == set()


@page
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@page
def test_every_anchor_is_a_heading(page: Path) -> None:
    anchors = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    inside = [(page.parent / target if target else page, anchor) for target, anchor in anchors if "://" not in target]
    assert [(str(target), anchor) for target, anchor in inside if anchor not in headings(target)] == []


@page
def test_every_path_exists(page: Path) -> None:
    spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", page.read_text(encoding="utf-8")))
    paths = [span.removesuffix("/") for span in spans if TOP.fullmatch(span)]
    assert [path for path in paths if not any(CHECKOUT.glob(path))] == []


@page
def test_flow_snippets_lint(page: Path, tmp_path: Path) -> None:
    for number, snippet in enumerate(fences(page, "yaml")):
        directory = tmp_path / str(number)
        directory.mkdir()
        (directory / "defaults.yaml").write_text((CHECKOUT / "dags/flows/defaults.yaml").read_text())
        name = yaml.safe_load(snippet).get("flow", "snippet")
        (directory / f"{name}.yaml").write_text(snippet)
        assert [str(error) for error in load_flows(directory)[1]] == []


@page
def test_python_snippets_compile(page: Path) -> None:
    for snippet in fences(page, "python"):
        compile(snippet, str(page), "exec")


def test_readme_shows_the_shipped_flow(tmp_path: Path) -> None:
    (tmp_path / "defaults.yaml").write_text((CHECKOUT / "dags/flows/defaults.yaml").read_text())
    (tmp_path / "telemetry.yaml").write_text(fences(CHECKOUT / "README.md", "yaml")[0])
    assert load_flow(tmp_path / "telemetry.yaml") == load_flow(CHECKOUT / "dags/flows/telemetry.yaml")


def test_readme_shows_what_lint_says(tmp_path: Path) -> None:
    shown = next(text for text in fences(CHECKOUT / "README.md", "console") if text.startswith("$ switchyard lint"))
    shipped = (CHECKOUT / "dags/flows/telemetry.yaml").read_text()
    broken = shipped.replace("schedule:", "sedule:").replace("key: [id]", "kye: [id]", 1)
    (tmp_path / "defaults.yaml").write_text((CHECKOUT / "dags/flows/defaults.yaml").read_text())
    (tmp_path / "telemetry.yaml").write_text(broken)
    (error,) = load_flows(tmp_path)[1]
    said = [f"dags/flows/telemetry.yaml:{p.line}: {p.what}\n  → {p.cure}" for p in error.problems]
    assert "\n".join(said) in shown


def test_readme_is_short() -> None:
    assert len((CHECKOUT / "README.md").read_text(encoding="utf-8").splitlines()) <= 240
