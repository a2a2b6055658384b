"""The chain of datasets that a flow makes, and whether the catalog knows it: edges by table and column, and schemas."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from switchyard.catalog import lineage, urns
from switchyard.catalog.walk import Catalog, Hop
from switchyard.connections import Connection, Connections
from switchyard.flow.spec import Flow

DEFAULT_NAMENODE_PORT = 8020


@dataclass(frozen=True)
class Link:
    """One hop of a flow's chain. `column_edges` counts column edges, `fields` the target's fields (None: no schema)."""

    source: str
    target: str
    hops: tuple[Hop, ...]
    column_edges: int
    fields: int | None

    @property
    def missing(self) -> str | None:
        """What the catalog lacks here, in words; None when it has all."""
        if not self.hops:
            return f"no lineage from {self.source} to {self.target}"
        return None if self.fields else f"no schema of {self.target}"


@dataclass(frozen=True)
class Chain:
    """A flow's way from its source to what is served."""

    flow: str
    datasets: tuple[str, ...]
    source_fields: int | None
    links: tuple[Link, ...]

    @property
    def missing(self) -> list[str]:
        """Everything the catalog lacks for this flow."""
        first = [] if self.source_fields else [f"no schema of {self.datasets[0]}"]
        return first + [link.missing for link in self.links if link.missing]


def flow_datasets(flow: Flow, connections: Connections) -> list[str]:
    """URNs from source to cache, in the order data goes; a flow with `source.query` begins at its landing."""
    found = []
    if flow.source.table is not None:
        database = connections.get(flow.source.connection).schema
        found.append(urns.postgres_table(database, *urns.split_table(flow.source.table)))
    found += [lineage.landing_urn(flow, hdfs_authority(connections.get(flow.lake.hdfs))), lineage.lake_urn(flow)]
    if flow.serve is not None:
        if flow.serve.select is not None:
            found.append(lineage.served_urn(flow))
        found.append(lineage.collection_urn(flow, connections.get(flow.serve.connection).schema))
    if flow.cache is not None:
        found.append(urns.redis_keyspace(redis_database(connections.get(flow.cache.connection)), flow.flow))
    return found


def walk_flow(catalog: Catalog, flow: Flow, connections: Connections) -> Chain:
    """Walk the flow's chain in the catalog, hop by hop."""
    datasets = flow_datasets(flow, connections)
    links = tuple(_link(catalog, source, target) for source, target in pairwise(datasets))
    return Chain(flow.flow, tuple(datasets), _count_fields(catalog, datasets[0]), links)


def hdfs_authority(connection: Connection) -> str:
    """`host:port` of the NameNode as in `hdfs://` URLs; a nameservice has no port."""
    return f"{connection.host}:{connection.port or DEFAULT_NAMENODE_PORT}"


def redis_database(connection: Connection) -> int:
    """The number of the Redis database: `db` of the connection's extra, or its schema."""
    return int(connection.extra.get("db") or connection.schema or 0)


def missing(chains: Iterable[Chain]) -> list[str]:
    """What the catalog lacks for these flows, as lines that name the flow."""
    return [f"{chain.flow}: {what}" for chain in chains for what in chain.missing]


def _link(catalog: Catalog, source: str, target: str) -> Link:
    hops = tuple(catalog.path(source, target) or ())
    return Link(source, target, hops, len(catalog.column_edges(source, target)), _count_fields(catalog, target))


def _count_fields(catalog: Catalog, dataset: str) -> int | None:
    fields = catalog.fields(dataset)
    return None if fields is None else len(fields)
