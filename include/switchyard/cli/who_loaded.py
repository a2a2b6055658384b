"""`switchyard who-loaded`: from a document back to the loads that brought it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from switchyard.cli.options import DEFAULT_FLOWS, FlowsDirectory, Format, OutputFormat
from switchyard.cli.session import FlowName, find_flow, open_runtime

if TYPE_CHECKING:
    from switchyard.legs.diff.who_loaded import LoadFacts, Provenance


def who_loaded(
    flow: FlowName,
    key: Annotated[
        list[str], typer.Argument(metavar="KEY…", help="The document's key: a value for each column of serve.key.")
    ],
    directory: FlowsDirectory = DEFAULT_FLOWS,
    output: OutputFormat = Format.TEXT,
) -> None:
    """Say which loads brought a document: document, serve load, Hive version, ingest load."""
    from switchyard.legs.diff.who_loaded import who_loaded as trace

    traced = trace(open_runtime("switchyard who-loaded"), find_flow(directory, flow), key)
    if output is Format.JSON:
        typer.echo(json.dumps([provenance.to_json() for provenance in traced], indent=2))
        return
    for provenance in traced:
        _print(provenance)


def _print(provenance: Provenance) -> None:
    _line("document", f"_id {provenance.identity} of collection {provenance.collection}")
    _line("served by", _words(provenance.served_by))
    _line("made of", f"Hive table {provenance.table}, version {provenance.version}")
    _line("loaded by", _words(provenance.loaded_by))
    for note in provenance.notes:
        _line("note", note)


def _line(name: str, text: str) -> None:
    typer.echo(f"{name:<12}{text}")


def _words(load: LoadFacts) -> str:
    """A load in one line, without what the ledger has forgotten."""
    if load.seq is None:
        return f"load {load.load} (the ledger does not have it any more)"
    words = [f"load {load.load}", f"seq {load.seq}"]
    if load.kind and load.kind != "load":
        words.append(f"a {load.kind}")
    if load.published_at:
        words.append(f"published {load.published_at}")
    if load.read_up_to:
        words.append(f"read {load.read_from or 'the beginning'} to {load.read_up_to}")
    return ", ".join([*words, f"by {load.began_by}"])
