"""The chain of datasets that a flow makes, and whether the catalog knows it: edges by table and column, and schemas."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from switchyard.catalog import lineage, urns
from switchyard.catalog.walk import Catalog, Hop
from switchyard.connections import Connection, Connections
from switchyard.connections.redis import read_extras
from switchyard.flow.spec import Flow

DEFAULT_NAMENODE_PORT = 8020
_SAMPLED = frozenset({"mongodb", "redis"})


@dataclass(frozen=True)
class Link:
    """One hop of a flow's chain. `column_edges` counts column edges, `fields` the target's fields (None: no schema).

    `unknown` are columns that the tasks named and that no schema has; never columns of MongoDB and Redis, whose schemas
    are inferred from a sample.
    """

    source: str
    target: str
    hops: tuple[Hop, ...]
    column_edges: int
    fields: int | None
    unknown: tuple[str, ...] = ()

    @property
    def missing(self) -> str | None:
        """A sentence on what the catalog lacks here; None if the hop is complete."""
        if not self.hops:
            return f"no lineage from {self.source} to {self.target}"
        return f"no schema of {self.target}" if self.fields is None else None


@dataclass(frozen=True)
class Chain:
    """A flow's way from its source to what is served.

    `datasets` is the way of the flow's (first) source table; a `source.query` may have more tables, each with a link.
    """

    flow: str
    datasets: tuple[str, ...]
    source_fields: int | None
    links: tuple[Link, ...]

    @property
    def missing(self) -> list[str]:
        """A sentence for each thing that the catalog lacks, as if all legs of the flow had run."""
        first = [] if self.source_fields is not None else [f"no schema of {self.datasets[0]}"]
        if urns.platform_of(self.datasets[0]) != "postgres":
            first.append(f"no lineage into {self.datasets[0]}")
        return first + [link.missing for link in self.links if link.missing]

    @property
    def mismatched(self) -> list[str]:
        """Datasets and columns that tasks named and no source has ingested. A leg that never ran is not a mismatch."""
        ran = [link for link in self.links if link.hops]
        named = [] if self.source_fields is not None or not (ran and ran[0] is self.links[0]) else [self.datasets[0]]
        named += [link.target for link in ran if link.fields is None]
        columns = [f"no such column: {urn}" for link in ran for urn in link.unknown]
        return [f"no schema of {urn}" for urn in named] + columns


def flow_datasets(flow: Flow, connections: Connections) -> list[str]:
    """Return URNs from source to cache, in the order data goes; with `source.query` they begin at the landing."""
    datasets = []
    if flow.source.table is not None:
        database = connections.get(flow.source.connection).schema
        datasets.append(urns.postgres_table(database, *urns.split_table(flow.source.table)))
    datasets += [lineage.landing_urn(flow, hdfs_authority(connections.get(flow.lake.hdfs))), lineage.lake_urn(flow)]
    if flow.serve is not None:
        if flow.serve.select is not None:
            datasets.append(lineage.served_urn(flow))
        datasets.append(lineage.collection_urn(flow, connections.get(flow.serve.connection).schema))
    if flow.cache is not None:
        datasets.append(urns.redis_keyspace(redis_database(connections.get(flow.cache.connection)), flow.flow))
    return datasets


def walk_flow(catalog: Catalog, flow: Flow, connections: Connections) -> Chain:
    """Walk the flow's chain in the catalog, hop by hop; the tables of a `source.query` are those the catalog knows."""
    datasets = flow_datasets(flow, connections)
    sources = catalog.upstream(datasets[0]) if flow.source.table is None else []
    pairs = [(source, datasets[0]) for source in sources] + list(pairwise(datasets))
    links = tuple(_link(catalog, source, target) for source, target in pairs)
    way = (*sources[:1], *datasets)
    return Chain(flow.flow, way, _count_fields(catalog, way[0]), links)


def hdfs_authority(connection: Connection) -> str:
    """`host:port` of the NameNode as in `hdfs://` URLs; a nameservice has no port."""
    return f"{connection.host}:{connection.port or DEFAULT_NAMENODE_PORT}"


def redis_database(connection: Connection) -> int:
    """The number of the Redis database that a connection means."""
    return read_extras(connection).database


def _link(catalog: Catalog, source: str, target: str) -> Link:
    hops = tuple(catalog.path(source, target) or ())
    edges = catalog.column_edges(source, target)
    ends = dict.fromkeys(urn for edge in edges for urn in (edge.source, edge.target))
    unknown = tuple(urn for urn in ends if _is_unknown(catalog, urn))
    return Link(source, target, hops, len(edges), _count_fields(catalog, target), unknown)


def _is_unknown(catalog: Catalog, column: str) -> bool:
    dataset = urns.dataset_of(column)
    fields = catalog.fields(dataset)
    if fields is None or urns.platform_of(dataset) in _SAMPLED:
        return False
    return column not in {urns.field(dataset, path) for path in fields}


def _count_fields(catalog: Catalog, dataset: str) -> int | None:
    fields = catalog.fields(dataset)
    return None if fields is None else len(fields)
