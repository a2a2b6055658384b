"""Commands of the catalog: bring the schemas up to date, and walk the lineage of flows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from switchyard.cli.airflow_connections import shell_connections
from switchyard.cli.options import DEFAULT_FLOWS, FlowsDirectory, Format, OutputFormat
from switchyard.errors import SwitchyardError
from switchyard.flow.files.loader import load_flows

if TYPE_CHECKING:
    from switchyard.catalog.chain import Chain


def sync_metadata(
    directory: FlowsDirectory = DEFAULT_FLOWS,
    source: Annotated[
        list[str] | None, typer.Option("--source", help="Only this one, e.g. hive__lake_metastore.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print the recipes without passwords; ingest nothing.")] = False,
) -> None:
    """Re-ingest the schemas of every server that flows touch, as the DAG `metadata_sync` does."""
    from switchyard.catalog import recipes, sync, target

    flows = list(load_flows(directory)[0].values())
    connections = shell_connections()
    keys = [key for key in recipes.list_sources(flows) if not source or key.name in source]
    failed: list[str] = []
    for key in keys:
        recipe = recipes.build_recipe(key, flows, connections)
        if plan:
            typer.echo(json.dumps(recipe.shown, indent=2))
            continue
        try:
            report = sync.ingest(recipe, target.find_target(connections))
            without = f", {len(report.missing)} of flows not there yet" if report.missing else ""
            typer.echo(f"{report.source:<32}{report.seconds:7.2f} s  {report.events} records{without}")
        except SwitchyardError as error:
            typer.echo(f"{key.name:<32}failed: {error}")
            failed.append(key.name)
    if failed:
        raise SwitchyardError(
            f"the schemas of {', '.join(failed)} were not ingested; those of the others were",
            where="switchyard sync-metadata",
            cure="the lines above say why each one failed; mend that, then run switchyard sync-metadata again",
        )


def lineage(
    flow: Annotated[str | None, typer.Argument(metavar="[FLOW]", help="Default: all flows.")] = None,
    directory: FlowsDirectory = DEFAULT_FLOWS,
    export: Annotated[
        Path | None, typer.Option("--export", help="Also write the local catalog as one metadata file.", metavar="FILE")
    ] = None,
    output: OutputFormat = Format.TEXT,
) -> None:
    """Walk flows in the catalog from source to cache; exit 1 if an edge, or the schema of a dataset, is missing."""
    from switchyard.catalog import sync, target
    from switchyard.catalog.chain import flow_datasets, walk_flow
    from switchyard.catalog.files import read_records, write_records
    from switchyard.cli.session import find_flow

    flows = [find_flow(directory, flow)] if flow else list(load_flows(directory)[0].values())
    connections = shell_connections()
    where = target.find_target(connections)
    if export is not None and where.directory is not None:
        write_records(export, read_records(where.directory))
    datasets = [urn for each in flows for urn in flow_datasets(each, connections)]
    catalog = sync.read_catalog(where, datasets)
    chains = [walk_flow(catalog, each, connections) for each in flows]
    if output is Format.JSON:
        typer.echo(json.dumps([_as_json(chain) for chain in chains], indent=2))
    else:
        for chain in chains:
            _print_chain(chain)
    if any(chain.missing or chain.mismatched for chain in chains):
        raise typer.Exit(1)


def _as_json(chain: Chain) -> dict[str, object]:
    links = [{**link.__dict__, "hops": [hop.__dict__ for hop in link.hops]} for link in chain.links]
    return {"flow": chain.flow, "datasets": chain.datasets, "links": links, "missing": chain.missing}


def _print_chain(chain: Chain) -> None:
    typer.echo(typer.style(chain.flow, bold=True))
    typer.echo(f"  {chain.datasets[0]}  ({_count(chain.source_fields, 'field')})")
    for link in chain.links:
        jobs = ", ".join(dict.fromkeys(hop.job for hop in link.hops)) or "NO LINEAGE"
        typer.echo(f"  └─ {jobs}, {_count(link.column_edges, 'column edge')}")
        typer.echo(f"  {link.target}  ({_count(link.fields, 'field')})")
    for what in dict.fromkeys(chain.missing + chain.mismatched):
        typer.echo(f"  {typer.style('missing', fg='red')}: {what}")


def _count(number: int | None, what: str) -> str:
    if number is None:
        return "no schema"
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
