"""The place of each command. A new command is a function (or a typer app, for a group) and a line here."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """`target` is `module:attribute`, a function with typer's annotations or a typer app; `help` is for `--help`."""

    name: str
    target: str
    help: str


COMMANDS = (
    Command("flows", "switchyard.cli.files:flows", "List the flows."),
    Command("lint", "switchyard.cli.files:lint", "Check all flow files; print everything wrong in them."),
    Command("pools", "switchyard.cli.files:pools", "Print the flows' Airflow pools, for `airflow pools import`."),
    Command("schema", "switchyard.cli.files:schema", "Write the JSON Schemas that editors use."),
    Command(
        "docs",
        "switchyard.cli.docs:app",
        "Write the generated docs; `docs errors` prints every error.",
    ),
    Command("preflight", "switchyard.cli.legs:preflight", "Look at a flow's live source before anything moves."),
    Command("plan", "switchyard.cli.legs:plan", "Show what a run would do, counts included; change nothing."),
    Command("run", "switchyard.cli.legs:run", "Run one leg of a flow."),
    Command("backfill", "switchyard.cli.backfill:backfill", "Read a range of a flow's past again."),
    Command("replay", "switchyard.cli.backfill:replay", "Read again the rows that a load quarantined."),
    Command("step", "switchyard.cli.legs:step", "Run one step of a leg."),
    Command("rollback", "switchyard.cli.versions:rollback", "Publish an old version again; holds the flow."),
    Command("release", "switchyard.cli.versions:release", "Let loads of a flow that is on hold begin again."),
    Command("abandon", "switchyard.cli.unfinished:abandon", "Give up a load that cannot be finished."),
    Command("rename", "switchyard.cli.unfinished:rename", "Give what a flow wrote to its file's new name."),
    Command("adopt", "switchyard.cli.versions:adopt", "Take over an existing Hive table without moving its data."),
    Command("diff", "switchyard.cli.diff:diff", "Compare two stores of a flow by value, as they are now."),
    Command("status", "switchyard.cli.status:status", "What is published, served and unfinished, per flow."),
    Command("loads", "switchyard.cli.loads:loads", "List the loads of a flow."),
    Command("who-loaded", "switchyard.cli.who_loaded:who_loaded", "Say which loads brought a document."),
    Command("ledger", "switchyard.cli.ledger:ledger", "Check the ledger against the tables, or make it again."),
    Command("lineage", "switchyard.cli.catalog:lineage", "Walk flows in the catalog from source to cache."),
    Command("sync-metadata", "switchyard.cli.catalog:sync_metadata", "Re-ingest schemas into the catalog."),
)
