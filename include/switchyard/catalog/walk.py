"""Edges and schemas in captured metadata: which dataset feeds which, by table and by column.

Reads what the Airflow plugin emitted and what `metadata_sync` ingested, from a file or the local catalog's directory.
Later records replace earlier ones of the same entity and aspect, as on a DataHub server.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from switchyard.catalog.files import Record, read_records

Aspects = dict[tuple[str, str], Any]


@dataclass(frozen=True)
class Hop:
    """One edge; `job` is the URN of the task that made it, or `ingestion` for lineage that a source reported."""

    source: str
    target: str
    job: str


class Catalog:
    """The latest aspects of a set of records, as a graph."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.aspects = _latest(records)
        self.tables: dict[str, list[Hop]] = {}
        self.columns: dict[str, list[Hop]] = {}
        for (urn, aspect), value in self.aspects.items():
            if aspect == "dataJobInputOutput":
                self._add_job(urn, value)
            elif aspect == "upstreamLineage":
                self._add_upstreams(urn, value)

    @classmethod
    def load(cls, place: Path) -> Catalog:
        """Read a metadata file or a directory of them."""
        return cls(read_records(place))

    def path(self, source: str, target: str) -> list[Hop] | None:
        """The shortest chain of table edges from one dataset to another; None without one, empty for itself."""
        return _shortest(self.tables, source, target)

    def column_path(self, source: str, target: str) -> list[Hop] | None:
        """The shortest chain of column edges between two schemaField URNs."""
        return _shortest(self.columns, source, target)

    def fields(self, dataset: str) -> dict[str, str] | None:
        """Field path → native type of the dataset's schema; None when no source has ingested it."""
        schema = self.aspects.get((dataset, "schemaMetadata"))
        return None if schema is None else {f["fieldPath"]: f.get("nativeDataType", "") for f in schema["fields"]}

    def downstream(self, dataset: str) -> list[Hop]:
        """Return the datasets made directly from a dataset."""
        return self.tables.get(dataset, [])

    def upstream(self, dataset: str) -> list[str]:
        """Return the datasets that a dataset is made from directly, sorted."""
        return sorted({hop.source for hops in self.tables.values() for hop in hops if hop.target == dataset})

    def column_edges(self, source: str, target: str) -> list[Hop]:
        """The column edges between two datasets."""
        inside = f"urn:li:schemaField:({source},"
        into = f"urn:li:schemaField:({target},"
        outgoing = (hop for urn, hops in self.columns.items() if urn.startswith(inside) for hop in hops)
        return [hop for hop in outgoing if hop.target.startswith(into)]

    def _add_job(self, job: str, value: Mapping[str, Any]) -> None:
        for source in value.get("inputDatasets", ()):
            for target in value.get("outputDatasets", ()):
                self.tables.setdefault(source, []).append(Hop(source, target, job))
        self._add_columns(job, value.get("fineGrainedLineages") or ())

    def _add_upstreams(self, target: str, value: Mapping[str, Any]) -> None:
        for upstream in value.get("upstreams", ()):
            source = upstream["dataset"]
            self.tables.setdefault(source, []).append(Hop(source, target, "ingestion"))
        self._add_columns("ingestion", value.get("fineGrainedLineages") or ())

    def _add_columns(self, job: str, edges: Iterable[Mapping[str, Any]]) -> None:
        for edge in edges:
            for source in edge.get("upstreams") or ():
                for target in edge.get("downstreams") or ():
                    self.columns.setdefault(source, []).append(Hop(source, target, job))


def _latest(records: Iterable[Record]) -> Aspects:
    aspects: Aspects = {}
    for record in records:
        for urn, aspect, value in _aspects(record):
            aspects[urn, aspect] = value
    return {key: value for key, value in aspects.items() if not _is_removed(aspects, key[0])}


def _is_removed(aspects: Aspects, urn: str) -> bool:
    return bool((aspects.get((urn, "status")) or {}).get("removed"))


def _aspects(record: Record) -> Iterator[tuple[str, str, Any]]:
    """The aspects of one record, be it a proposal of one aspect or a snapshot of many."""
    if "aspectName" in record:
        aspect = record.get("aspect") or {}
        if "json" in aspect:
            yield record["entityUrn"], record["aspectName"], aspect["json"]
        return
    for snapshot in (record.get("proposedSnapshot") or {}).values():
        for aspect in snapshot["aspects"]:
            for name, value in aspect.items():
                short = name.rsplit(".", 1)[-1]
                yield snapshot["urn"], short[0].lower() + short[1:], value


def _shortest(edges: Mapping[str, list[Hop]], source: str, target: str) -> list[Hop] | None:
    arrivals: dict[str, Hop | None] = {source: None}
    queue = deque([source])
    while queue:
        here = queue.popleft()
        if here == target:
            return _trace(arrivals, target)
        for hop in edges.get(here, ()):
            if hop.target not in arrivals:
                arrivals[hop.target] = hop
                queue.append(hop.target)
    return None


def _trace(arrivals: Mapping[str, Hop | None], target: str) -> list[Hop]:
    """The hops to a dataset, from the beginning; `arrivals` has the hop by which each dataset was reached first."""
    hops: list[Hop] = []
    hop = arrivals[target]
    while hop is not None:
        hops.append(hop)
        hop = arrivals[hop.source]
    return hops[::-1]
