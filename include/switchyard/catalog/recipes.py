"""Recipes of `metadata_sync`, derived from the flows: one per server that any flow touches.

A recipe covers the whole databases that flows touch (a catalog of only the touched tables would hide their
neighbours), without what is staging. Recipes hold passwords: they go to the ingestion process by its standard input
and are never printed or written; `Recipe.shown` is the printable form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from switchyard.catalog import chain, lineage, urns
from switchyard.connections import Connections
from switchyard.connections.extras import unusable
from switchyard.connections.hive import metastore_access
from switchyard.connections.postgres import libpq_parameters
from switchyard.connections.redis import read_extras as read_redis_extras
from switchyard.flow import naming
from switchyard.flow.spec import Flow
from switchyard.lake.hdfs import GIVE_UP_SOON

Kind = Literal["postgres", "hdfs", "hive", "mongodb", "redis"]

_SECRETS = frozenset({"password"})
_MONGO_EXTRAS = frozenset({"srv", "allow_insecure"})  # MongoHook's own; every other extra is an option of the URI


@dataclass(frozen=True)
class SourceKey:
    """One server to ingest from: its kind and its Airflow connection."""

    kind: Kind
    connection: str

    @property
    def name(self) -> str:
        """`postgres__powergrid_postgres`: the task's id, and the name of its file in the local catalog."""
        return f"{self.kind}__{self.connection}"


@dataclass(frozen=True)
class Recipe:
    """DataHub's `source` section for one server, and the datasets of flows that it must bring."""

    key: SourceKey
    type: str
    config: dict[str, Any] = field(repr=False)
    expected: tuple[str, ...]
    transformers: tuple[str, ...] = ()

    @property
    def shown(self) -> dict[str, Any]:
        """The recipe without passwords, for people."""
        config = {name: "***" if name in _SECRETS else value for name, value in self.config.items()}
        return {"source": self.key.name, "type": self.type, "config": config, "expected": list(self.expected)}

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must not show in any output."""
        return tuple(str(value) for name, value in self.config.items() if name in _SECRETS and value)


def list_sources(flows: Iterable[Flow]) -> list[SourceKey]:
    """The servers that flows touch, in the order data goes; pure, so that a DAG file may call it."""
    sources: dict[SourceKey, None] = {}
    flows = list(flows)
    for kind, (connection_of, _) in _BUILDERS.items():
        names = sorted({name for flow in flows if (name := connection_of(flow)) is not None})
        sources.update({SourceKey(kind, name): None for name in names})
    return list(sources)


def build_recipe(key: SourceKey, flows: Iterable[Flow], connections: Connections) -> Recipe:
    """The recipe for one server; raises ConnectionMissing."""
    connection_of, build = _BUILDERS[key.kind]
    return build(key, [flow for flow in flows if connection_of(flow) == key.connection], connections)


def _build_postgres(key: SourceKey, flows: list[Flow], connections: Connections) -> Recipe:
    connection = connections.get(key.connection)
    tables = [urns.split_table(flow.source.table) for flow in flows if flow.source.table is not None]
    config: dict[str, Any] = {
        "host_port": f"{connection.host}:{connection.port or 5432}",
        "database": connection.schema,
        "username": connection.login,
        "password": connection.password,
        "options": {"connect_args": libpq_parameters(connection)},
        "include_stored_procedures": False,
    }
    return Recipe(key, "postgres", config, _unique(urns.postgres_table(connection.schema, *table) for table in tables))


def _build_hdfs(key: SourceKey, flows: list[Flow], connections: Connections) -> Recipe:
    connection = connections.get(key.connection)
    authority = chain.hdfs_authority(connection)
    expected = _unique(lineage.landing_urn(flow, authority) for flow in flows)
    roots = _unique(naming.table_root(flow.lake.root, flow.lake.database, flow.lake.table) for flow in flows)
    config = {
        "url": f"hdfs://{authority}",
        "user": connection.login or None,
        "client": GIVE_UP_SOON,
        "landings": [{"name": f"{authority}{root}", "directory": root} for root in roots],
    }
    return Recipe(key, "landing_source.LandingSource", config, expected)


def _build_hive(key: SourceKey, flows: list[Flow], connections: Connections) -> Recipe:
    connection = connections.get(key.connection)
    if metastore_access(connection).tls:
        what = "DataHub's source of a Hive metastore does not speak TLS, which this connection asks for"
        raise unusable(
            connection,
            what,
            "loads are not affected; name only the other sources in the Param `sources` of the DAG metadata_sync",
        )
    expected = [lineage.lake_urn(flow) for flow in flows]
    expected += [lineage.served_urn(flow) for flow in flows if flow.serve is not None]
    config = {
        "connection_type": "thrift",
        "catalog_name": "hive",  # Hive 4 has no get_table, and without a catalog the source calls it
        "host_port": f"{connection.host}:{connection.port or 9083}",
        "database_pattern": {"allow": list(_unique(_exactly(flow.lake.database.lower()) for flow in flows))},
        "simplify_nested_field_paths": True,
        "enable_properties_merge": False,
    }
    return Recipe(key, "hive-metastore", config, _unique(expected), ("simple_paths.SimplifyFieldPaths",))


def _build_mongodb(key: SourceKey, flows: list[Flow], connections: Connections) -> Recipe:
    connection = connections.get(key.connection)
    srv = _is_true(connection.extra.get("srv"))
    host = f"mongodb+srv://{connection.host}" if srv else f"mongodb://{connection.host}:{connection.port or 27017}"
    options = {name: value for name, value in connection.extra.items() if name not in _MONGO_EXTRAS}
    if _is_true(connection.extra.get("allow_insecure")):
        options["tlsAllowInvalidCertificates"] = True
    if connection.login and connection.schema:
        options.setdefault("authSource", connection.schema)
    options.setdefault("serverSelectionTimeoutMS", 10_000)
    config = {
        "connect_uri": host,
        "username": connection.login or None,
        "password": connection.password or None,
        "options": options,
        "hostingEnvironment": "AWS_DOCUMENTDB",  # else it asks for $bsonSize, which not every server has (#3633)
        "database_pattern": {"allow": [_exactly(connection.schema)]},
        "collection_pattern": {"deny": [rf".*{re.escape(naming.staging_collection_prefix(''))}\d+_.*"]},
    }
    expected = _unique(lineage.collection_urn(flow, connection.schema) for flow in flows)
    return Recipe(key, "mongodb", config, expected)


def _build_redis(key: SourceKey, flows: list[Flow], connections: Connections) -> Recipe:
    connection = connections.get(key.connection)
    extras = read_redis_extras(connection)
    database = extras.database
    expected = tuple(urns.redis_keyspace(database, flow.flow) for flow in flows)
    config = {
        "host": connection.host,
        "port": connection.port or 6379,
        "db": database,
        "username": connection.login or None,
        "password": connection.password or None,
        "tls": dict(extras.tls),
        "keyspaces": [
            {
                "name": urns.name_of(urn),
                "match": naming.cache_value(flow.flow, "*"),
                "values": naming.cache_value(flow.flow, "*"),
            }
            for urn, flow in zip(expected, flows, strict=True)
        ],
    }
    return Recipe(key, "redis_source.RedisSource", config, expected)


_Builder = Callable[[SourceKey, list[Flow], Connections], Recipe]
_BUILDERS: dict[Kind, tuple[Callable[[Flow], str | None], _Builder]] = {
    "postgres": (lambda flow: flow.source.connection, _build_postgres),
    "hdfs": (lambda flow: flow.lake.hdfs, _build_hdfs),
    "hive": (lambda flow: flow.lake.metastore, _build_hive),
    "mongodb": (lambda flow: flow.serve.connection if flow.serve else None, _build_mongodb),
    "redis": (lambda flow: flow.cache.connection if flow.cache else None, _build_redis),
}


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _exactly(name: str) -> str:
    return f"^{re.escape(name)}$"


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"
