"""The chain of datasets that a flow makes, and whether the catalog knows it: edges by table and column, and schemas."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from switchyard.catalog import lineage, urns
from switchyard.catalog.walk import Catalog, Hop
from switchyard.connections import Connection, Connections
from switchyard.flow.spec import Flow

DEFAULT_NAMENODE_PORT = 8020
_SAMPLED = frozenset({"mongodb", "redis"})


@dataclass(frozen=True)
class Link:
    """One hop of a flow's chain. `column_edges` counts column edges, `fields` the target's fields (None: no schema).

    `unknown` are columns that the tasks named and that no schema has; not asked of MongoDB and Redis, whose schemas are
    inferred from a sample.
    """

    source: str
    target: str
    hops: tuple[Hop, ...]
    column_edges: int
    fields: int | None
    unknown: tuple[str, ...] = ()

    @property
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
