"""`switchyard stack …`."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from switchyard_stack import artifacts, environment, run
from switchyard_stack.datasets.command import load_and_show
from switchyard_stack.errors import StackError
from switchyard_stack.layout import Layout
from switchyard_stack.own_connections import read_own
from switchyard_stack.plain_errors import errors_in_plain_words
from switchyard_stack.processes import end_processes, find_ours, memory_bytes
from switchyard_stack.render import Site, render_all
from switchyard_stack.services import SERVICES, Service, with_needs
from switchyard_stack.supervision import State, Supervisor

app = typer.Typer(help="The local stack: real servers, on loopback, in one directory.", no_args_is_help=True)
_console = Console(stderr=True, highlight=False, soft_wrap=True)
logging.getLogger("thrift").setLevel(logging.CRITICAL)  # it warns at each refused connection while we wait
_SERVER_NAMES = [name for name, service in SERVICES.items() if not service.is_step]


def _complete(incomplete: str) -> list[str]:
    return [name for name in _SERVER_NAMES if name.startswith(incomplete)]


ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help=", ".join(_SERVER_NAMES), autocompletion=_complete)]
_DEMO_WIDTH = 130  # of its tables; a narrower terminal wraps them
_TO_RESET = ("data", "run", "logs", "conf", "tmp", "bin", "airflow", "catalog", "ports.json", "secrets.json")


@contextmanager
def _errors_in_plain_words() -> Iterator[None]:
    try:
        with errors_in_plain_words(_console):
            yield
    except KeyboardInterrupt:
        _console.print("interrupted: `switchyard stack up` goes on, `switchyard stack down` stops what runs")
        raise typer.Exit(130) from None


def _tell(service: str, phrase: str) -> None:
    _console.print(f"{service:<22} {phrase}")


def _known(name: str) -> Service:
    if name not in _SERVER_NAMES:
        from difflib import get_close_matches

        near = get_close_matches(name, _SERVER_NAMES, 1)
        hint = f"did you mean {near[0]}?" if near else "known: " + ", ".join(_SERVER_NAMES)
        raise StackError(f"no service {name!r}", cure=hint)
    return SERVICES[name]


def _ready_site(layout: Layout) -> Site:
    """Programs found, artifacts there, configuration written, supervisord running."""
    site = run.open_site(layout)
    report = artifacts.fetch_artifacts(layout, site.programs, lambda text: _tell("artifacts", text))
    if not report.was_complete:
        _tell(
            "artifacts",
            f"{report.files} files, {report.bytes / 1e6:.0f} MB in {report.seconds:.0f} s, checksums verified",
        )
        site = run.open_site(layout)  # it took a while: a port may be taken that was free
    render_all(site)
    if own := read_own(layout.own_connections):
        _tell("connections", f"from {layout.own_connections.name}, over the stack's: {', '.join(own)}")
    Supervisor(site).ensure()
    return site


def _up(names: set[str]) -> Site:
    started = time.monotonic()
    layout = Layout.from_environment()
    with run.only_one(layout, _tell):
        site = _ready_site(layout)
        run.Starter(site, _tell).start_all(with_needs(names))
    _tell("stack", f"up in {time.monotonic() - started:.0f} s, state in {layout.state}")
    return site


@app.command()
def up(
    services: Annotated[list[str] | None, typer.Argument(metavar="[SERVICE]…", autocompletion=_complete)] = None,
    airflow: Annotated[bool, typer.Option("--airflow", help="Airflow's own servers too.")] = False,
) -> None:
    """Start what is not running, with what it needs, and wait until every server does real work."""
    with _errors_in_plain_words():
        chosen = {_known(name).name for name in services or ()}
        names = chosen or {name for name, service in SERVICES.items() if not service.is_airflow}
        if airflow:
            names |= {name for name, service in SERVICES.items() if service.is_airflow}
        site = _up(names)
        if any(SERVICES[name].is_airflow for name in names):
            url = f"http://127.0.0.1:{site.ports['airflow']}"
            _console.print(f"Airflow: {url}  login admin, password {site.secrets['airflow_admin']}")


@app.command()
def start(service: ServiceName) -> None:
    """Start one server, with what it needs."""
    with _errors_in_plain_words():
        _up({_known(service).name})


@app.command()
def stop(
    service: ServiceName, kill: Annotated[bool, typer.Option("--kill", help="SIGKILL, as a crash would.")] = False
) -> None:
    """Stop one server; it stays down until `up` or `start`."""
    with _errors_in_plain_words():
        name = _known(service).name
        layout = Layout.from_environment()
        with run.only_one(layout, _tell):
            supervisor = Supervisor(run.open_site(layout))
            if supervisor.answers():
                (supervisor.kill if kill else supervisor.stop)(name)
        _tell(name, "killed" if kill else "stopped")


@app.command()
def down() -> None:
    """Stop every server of this state directory."""
    with _errors_in_plain_words():
        started = time.monotonic()
        layout = Layout.from_environment()
        with run.only_one(layout, _tell):
            run.stop_all(run.open_site(layout), _tell)
        _tell("stack", f"down in {time.monotonic() - started:.1f} s")


@app.command()
def status() -> None:
    """Every server: port, pid, memory, health. Exit code 1 when a core server is not healthy, or any server died."""
    with _errors_in_plain_words():
        site = run.open_site(Layout.from_environment())
        states = Supervisor(site).states()
        if not states:
            _tell_of_orphans(site.layout)
        with ThreadPoolExecutor(max_workers=len(_SERVER_NAMES)) as pool:
            health = dict(
                zip(_SERVER_NAMES, pool.map(lambda name: _health(site, name, states), _SERVER_NAMES), strict=True)
            )
        Console(highlight=False).print(_status_table(site, states, health))
    dead = [name for name, state in states.items() if state.is_dead]
    if dead:
        _console.print(
            f"{', '.join(dead)}: ended without `stop` or `down`. Nothing restarts by itself: `make up`, or `switchyard "
            "stack start SERVICE`; `switchyard stack logs SERVICE` says why"
        )
    if dead or not all(health[name][0] for name in _SERVER_NAMES if not SERVICES[name].is_airflow):
        raise typer.Exit(1)


def _health(site: Site, name: str, states: dict[str, State]) -> tuple[bool, str]:
    state = states.get(name, State(False, 0, "stopped"))
    if not state.running:
        return False, "[dim]stopped[/]" if state.text == "stopped" else f"[red]{escape(state.text)}[/]"
    try:
        return True, f"[green]healthy[/] {escape(SERVICES[name].check(site))}"
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return False, f"[red]unhealthy[/] {escape(reason[:80])}"


def _tell_of_orphans(layout: Layout) -> None:
    orphans = sorted({ours.service for ours in find_ours(layout.state)})
    if orphans:
        _console.print(f"supervisord is gone and left {', '.join(orphans)} running: `switchyard stack up` takes over")


def _status_table(site: Site, states: dict[str, State], health: dict[str, tuple[bool, str]]) -> Table:
    table = Table(title=f"stack in {site.layout.state}", box=box.SIMPLE_HEAD)
    for heading in ("service", "port", "pid", "memory"):
        table.add_column(heading, no_wrap=True)
    table.add_column("health", overflow="fold")
    for name in _SERVER_NAMES:
        ports = str(site.ports[SERVICES[name].ports[0]]) if SERVICES[name].ports else ""
        pid = states[name].pid if name in states and states[name].running else 0
        memory = f"{memory_bytes(pid) / 2**20:.0f} MiB" if pid else ""
        table.add_row(name, ports, str(pid or ""), memory, health[name][1])
    return table


@app.command()
def logs(service: ServiceName, follow: Annotated[bool, typer.Option("--follow", "-f")] = False) -> None:
    """The log of one server."""
    with _errors_in_plain_words():
        path = Layout.from_environment().logs / f"{_known(service).name}.log"
        if not path.exists():
            raise StackError(f"no log of {service} in {path.parent}", cure="`switchyard stack up` starts it")
        arguments = ["tail", "-n", "200", *(["-F"] if follow else []), str(path)]
        os.execvp("tail", arguments)  # noqa: S606


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Stop everything and delete all data, configuration, ports and passwords; downloads are kept."""
    with _errors_in_plain_words():
        layout = Layout.from_environment()
        if not yes:
            typer.confirm(f"Delete all data of the stack in {layout.state}?", abort=True)
        with run.only_one(layout, _tell):
            if layout.supervisor_conf.exists():
                run.stop_all(run.open_site(layout), _tell)
            end_processes([ours.process for ours in find_ours(layout.state)])
            for name in _TO_RESET:
                path = layout.state / name
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        _tell("stack", f"reset; the downloads in {layout.maven_repository} are kept")


@app.command()
def env() -> None:
    """Shell exports for any client: eval "$(switchyard stack env)"."""
    with _errors_in_plain_words():
        sys.stdout.write(environment.exports(run.open_site(Layout.from_environment())))


@app.command()
def fetch(
    force: Annotated[bool, typer.Option("--force", help="Resolve again, even when all is there.")] = False,
) -> None:
    """Download and verify the Java artifacts, start nothing."""
    with _errors_in_plain_words():
        layout = Layout.from_environment()
        with run.only_one(layout, _tell):
            site = run.open_site(layout)
            if force:
                shutil.rmtree(layout.classpaths)
                layout.make_directories()
            report = artifacts.fetch_artifacts(layout, site.programs, lambda text: _tell("artifacts", text))
        what = "already complete" if report.was_complete else f"{report.files} files, {report.bytes / 1e6:.0f} MB"
        _tell("artifacts", f"{what} in {report.seconds:.0f} s, in {layout.maven_repository}")


@app.command()
def demo() -> None:
    """Start the stack, load the data, run every flow through both legs by `airflow dags test`, show the proof."""
    with _errors_in_plain_words():
        site = _up({name for name, service in SERVICES.items() if not service.is_airflow})
        from switchyard_stack.demo import run_demo

        load_and_show(site.layout, _console)
        console = Console(highlight=False, soft_wrap=True, width=max(Console().width, _DEMO_WIDTH))
        run_demo(site.layout, console, environment.shell_environment(site))


@app.command()
def data() -> None:
    """Load PowerGrid's telemetry and SimBench (ODbL) into PostgreSQL; a second run changes nothing."""
    with _errors_in_plain_words():
        load_and_show(Layout.from_environment(), Console(soft_wrap=True, highlight=False))


if __name__ == "__main__":
    app()
