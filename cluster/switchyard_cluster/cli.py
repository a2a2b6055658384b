"""`switchyard cluster …`."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from switchyard_cluster import supervision
from switchyard_cluster.build import ensure_programs, kubernetes_version, link_programs
from switchyard_cluster.images import ensure_archives, load_archive
from switchyard_cluster.layout import BenchLayout
from switchyard_cluster.node import Node
from switchyard_cluster.prerequisites import require_prerequisites
from switchyard_cluster.up import Bench
from switchyard_stack.errors import StackError
from switchyard_stack.plain_errors import errors_in_plain_words

app = typer.Typer(help="The bench: a real Kubernetes of one node on this machine.", no_args_is_help=True)
_console = Console(stderr=True, highlight=False, soft_wrap=True)

ServerName = Annotated[str, typer.Argument(metavar="SERVER", help=", ".join(supervision.SERVERS))]


def _tell(who: str, phrase: str) -> None:
    _console.print(f"{who:<24} {escape(phrase)}")


@contextmanager
def _own_bench() -> Iterator[BenchLayout]:
    """The bench of this checkout, for one command at a time."""
    with errors_in_plain_words(_console):
        layout = BenchLayout.from_environment()
        with _exclusive(layout.lock):
            yield layout


@contextmanager
def _exclusive(lock: Path) -> Iterator[None]:
    """One command at a time; the lock ends with its process."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _known(server: str) -> str:
    if server not in supervision.SERVERS:
        raise StackError(f"no server {server!r} on the node", cure="known: " + ", ".join(supervision.SERVERS))
    return server


@app.command()
def up() -> None:
    """Build what the cache lacks, start what does not run, and wait until pods can be made. Prints the kubeconfig."""
    with _own_bench() as layout:
        started = time.monotonic()
        require_prerequisites()
        with _exclusive(layout.cache / "lock"):
            ensure_programs(layout, _tell)
            archives = ensure_archives(layout.cache, _tell)
        node = Node(layout)
        if not node.is_alive():
            node.create()
            _tell("node", f"new, in namespaces of its own; state in {layout.node}")
        link_programs(layout)
        Bench(layout, archives, _tell).start()
        _tell("cluster", f"Kubernetes {kubernetes_version()}, up in {time.monotonic() - started:.0f} s")
        _console.print(f"export KUBECONFIG={layout.kubeconfig}  # kubectl and helm are in {layout.bin}")


@app.command()
def down() -> None:
    """End the cluster and delete its data; the cache of programs and images stays."""
    with _own_bench() as layout:
        Node(layout).remove()
        _tell("cluster", "down; nothing of it is left")
    layout.lock.unlink(missing_ok=True)


@app.command()
def status() -> None:
    """Show each server's state; fails when one does not run."""
    with errors_in_plain_words(_console):
        layout = BenchLayout.from_environment()
        if not Node(layout).is_alive():
            raise StackError("the cluster is down", cure="start it with `make cluster`")
        states = supervision.states(layout.socket)
        for server in supervision.SERVERS:
            _tell(server, states[server].lower())
        if set(states.values()) != {"RUNNING"}:
            raise typer.Exit(1)


@app.command()
def env() -> None:
    """Print shell exports: KUBECONFIG, and a PATH with kubectl and helm."""
    with errors_in_plain_words(_console):
        layout = BenchLayout.from_environment()
        typer.echo(f"export KUBECONFIG={layout.kubeconfig}\nexport PATH={layout.bin}:$PATH")


@app.command()
def load(archives: Annotated[list[Path], typer.Argument(metavar="ARCHIVE…", exists=True, dir_okay=False)]) -> None:
    """Load images from archives: no registry is near, so pods get theirs this way."""
    with _own_bench() as layout:
        for archive in archives:
            started = time.monotonic()
            images = load_archive(Node(layout), archive)
            _tell("images", f"{', '.join(images)} loaded in {time.monotonic() - started:.1f} s")


@app.command()
def start(server: ServerName) -> None:
    """Start one server of the node."""
    with _own_bench() as layout:
        supervision.start(layout.socket, _known(server))
        _tell(server, "started")


@app.command()
def stop(
    server: ServerName, kill: Annotated[bool, typer.Option("--kill", help="SIGKILL, as a crash would.")] = False
) -> None:
    """Stop one server of the node; it stays down until `up` or `start`."""
    with _own_bench() as layout:
        (supervision.kill if kill else supervision.stop)(layout.socket, _known(server))
        _tell(server, "killed" if kill else "stopped")


@app.command()
def logs(
    server: ServerName, follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False
) -> None:
    """Show the end of a server's log."""
    with errors_in_plain_words(_console):
        path = BenchLayout.from_environment().log / f"{_known(server)}.log"
        if not path.exists():
            raise StackError(f"{server} has no log: {path}", cure="start the cluster with `make cluster`")
        os.execvp("tail", ["tail", "-n", "200", *(["-F"] if follow else []), str(path)])  # noqa: S606


@app.command(context_settings={"ignore_unknown_options": True})
def node(command: Annotated[list[str], typer.Argument(metavar="COMMAND…")]) -> None:
    """Run a command within the node's namespaces, e.g. `ctr -n k8s.io tasks ls` or `nft list ruleset`."""
    with errors_in_plain_words(_console):
        words = Node(BenchLayout.from_environment()).command(command)
    raise typer.Exit(subprocess.run(words).returncode)
