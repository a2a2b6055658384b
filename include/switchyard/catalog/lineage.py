"""Lineage of one step of a leg, by table and by column, and its form for DataHub's Airflow plugin.

A `LineageStep` has a JSON form, because steps run as processes of their own: it is part of a step's outcome, and the
operator hands it to the plugin only after the step has succeeded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from switchyard.catalog import urns
from switchyard.flow import naming
from switchyard.flow.spec import Flow
from switchyard.handover import ColumnEdge, LineageStep
from switchyard.types.hive_type import HiveType

if TYPE_CHECKING:
    from datahub.sql_parsing.sqlglot_lineage import SqlParsingResult

Pairs = Iterable[tuple[str, str]]

log = logging.getLogger(__name__)


def copy_step(source: str, target: str, columns: Pairs) -> LineageStep:
    """A step that carries columns over one to one; `columns` are pairs (source's name, target's name)."""
    edges = tuple(ColumnEdge((target, into), ((source, out),)) for out, into in columns)
    return LineageStep((source,), (target,), edges)


def land_step(flow: Flow, *, source_database: str, hdfs_authority: str, columns: Pairs) -> LineageStep:
    """PostgreSQL → HDFS landing; `columns` are pairs (PostgreSQL's name, Hive's name).

    A flow with `source.query` gets the tables and columns that DataHub's SQL parser finds in it.
    """
    landing = landing_urn(flow, hdfs_authority)
    if flow.source.table is None:
        return _query_step(flow, source_database, landing, columns)
    return copy_step(urns.postgres_table(source_database, *urns.split_table(flow.source.table)), landing, columns)


def publish_step(flow: Flow, *, hdfs_authority: str, columns: Iterable[str]) -> LineageStep:
    """HDFS landing → Hive table; `columns` are Hive's names, the same on both sides."""
    return copy_step(landing_urn(flow, hdfs_authority), lake_urn(flow), ((name, name) for name in columns))


def select_step(flow: Flow, *, lake_columns: Mapping[str, HiveType]) -> LineageStep:
    """Hive table → its product by `serve.select`; `lake_columns` are the lake table's names and Hive types."""
    if flow.serve is None or flow.serve.select is None:
        raise ValueError(f"flow {flow.flow} has no serve.select")
    return _select_lineage(
        flow.serve.select,
        platform="hive",
        database=None,
        schema=flow.lake.database,
        schemas={lake_urn(flow): lake_columns},
        target=served_urn(flow),
    )


def serve_step(flow: Flow, *, mongo_database: str, columns: Pairs) -> LineageStep:
    """Hive table or product → collection; `columns` are pairs (Hive's name, the document's field path).

    The key's columns also make `_id`.
    """
    key = zip(flow.serve.key, identity_fields(flow), strict=True) if flow.serve else ()
    return copy_step(served_urn(flow), collection_urn(flow, mongo_database), [*columns, *key])


def cache_step(flow: Flow, *, mongo_database: str, redis_database: int, fields: Iterable[str]) -> LineageStep:
    """Collection → Redis keyspace; `fields` are the document's field paths, the same on both sides."""
    target = urns.redis_keyspace(redis_database, flow.flow)
    paths = dict.fromkeys([*fields, *identity_fields(flow)])
    return copy_step(collection_urn(flow, mongo_database), target, ((path, path) for path in paths))


def identity_fields(flow: Flow) -> list[str]:
    """Field paths of a document's identity: `_id`, or `_id.a`, `_id.b` for a key of several columns."""
    key = flow.serve.key if flow.serve is not None else []
    return ["_id"] if len(key) == 1 else [f"_id.{name}" for name in key]


def landing_urn(flow: Flow, hdfs_authority: str) -> str:
    """The landing dataset of a flow."""
    return urns.hdfs_landing(hdfs_authority, naming.table_root(flow.lake.root, flow.lake.database, flow.lake.table))


def lake_urn(flow: Flow) -> str:
    """The lake table of a flow."""
    return urns.hive_table(flow.lake.database, flow.lake.table)


def served_urn(flow: Flow) -> str:
    """The Hive table that the collection is made from."""
    if flow.serve is None:
        raise ValueError(f"flow {flow.flow} serves nothing")
    return urns.hive_table(*naming.served_table(flow.lake, flow.serve))


def collection_urn(flow: Flow, mongo_database: str) -> str:
    """The collection of a flow."""
    if flow.serve is None:
        raise ValueError(f"flow {flow.flow} serves nothing")
    return urns.mongodb_collection(mongo_database, flow.serve.collection)


def parsing_result(step: LineageStep) -> SqlParsingResult:
    """The step in the form that DataHub's Airflow listener reads tables and columns from."""
    from datahub.sql_parsing.sqlglot_lineage import ColumnLineageInfo, ColumnRef, DownstreamColumnRef, SqlParsingResult

    columns = [
        ColumnLineageInfo(
            downstream=DownstreamColumnRef(table=edge.downstream[0], column=edge.downstream[1]),
            upstreams=[ColumnRef(table=table, column=column) for table, column in edge.upstreams],
        )
        for edge in step.columns
    ]
    return SqlParsingResult(in_tables=list(step.inputs), out_tables=list(step.outputs), column_lineage=columns)


def _query_step(flow: Flow, database: str, landing: str, columns: Pairs) -> LineageStep:
    pairs = list(columns)
    renamed = {**{name.lower(): into for name, into in pairs}, **dict(pairs)}
    selected = _select_lineage(
        flow.source.query or "", platform="postgres", database=database, schema="public", schemas={}, target=landing
    )
    edges = tuple(
        ColumnEdge((landing, into), edge.upstreams)
        for edge in selected.columns
        if (into := renamed.get(edge.downstream[1]) or renamed.get(edge.downstream[1].lower()))
    )
    return LineageStep(selected.inputs, selected.outputs, edges)


def _select_lineage(
    sql: str,
    *,
    platform: str,
    database: str | None,
    schema: str,
    schemas: Mapping[str, Mapping[str, HiveType]],
    target: str,
) -> LineageStep:
    """Lineage of a SELECT whose result becomes `target`; table edges only where columns cannot be resolved."""
    from datahub.sql_parsing.schema_resolver import SchemaResolver
    from datahub.sql_parsing.sqlglot_lineage import sqlglot_lineage

    resolver = SchemaResolver(platform=platform, env=urns.ENV)
    for urn, columns in schemas.items():
        resolver.add_raw_schema_info(urn, {name.lower(): str(native) for name, native in columns.items()})
    parsed = sqlglot_lineage(sql, resolver, default_db=database, default_schema=schema)
    edges = tuple(
        ColumnEdge((target, info.downstream.column), tuple((up.table, up.column) for up in info.upstreams if up.column))
        for info in parsed.column_lineage or ()
        if info.upstreams
    )
    if parsed.debug_info.error:
        log.warning("lineage of the SQL that makes %s is not complete: %s", target, parsed.debug_info.error)
    return LineageStep(tuple(sorted(parsed.in_tables)) or tuple(schemas), (target,), edges)
