"""The one owner of every name: HDFS paths, Hive tables, Mongo collections, cache keys, assets, pools, DAG ids."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import hashlib
import json
import re
import uuid
from collections.abc import Sequence
from typing import Any, Literal

from switchyard.flow.identifiers import DIFF_SUFFIX, SOURCE_DIFF_SUFFIX
from switchyard.flow.spec import Flow, Lake, Serve

Leg = Literal["ingest", "serve"]

MICROSECONDS_FIELD = "{}_us"
"""A document's field beside a timestamp's, under `serve.timestamps: beside`."""
STAGING_DATABASE = "switchyard_staging"
SEQ_PROPERTY = "switchyard.seq"
LOAD_PROPERTY = "switchyard.load_id"
FLOW_PROPERTY = "switchyard.flow"
FORMERLY_PROPERTY = "switchyard.formerly"
HEAD_PROPERTY = "switchyard.head"
KIND_PROPERTY = "switchyard.kind"
BOOKMARK_PROPERTY = "switchyard.bookmark"
HELD_PROPERTY = "switchyard.held"
TABLE_PROPERTY = "switchyard.table"
REV_PROPERTY = "switchyard.rev"
ROWS_PROPERTY = "switchyard.rows"
BYTES_PROPERTY = "switchyard.bytes"
PREVIOUS_PROPERTY = "switchyard.previous"
"""Parameters of a table and of its partitions; docs/architecture.md lists them all."""

_STAGING_TABLE = re.compile(r"[a-z]+_(.+)_[0-9a-f]{12}")


def dag_id(leg: Leg, flow: str) -> str:
    """`ingest__telemetry`."""
    return f"{leg}__{flow}"


def pool(connection: str) -> str:
    """The Airflow pool that bounds the load on one connection."""
    return f"connection__{connection}"


def new_try() -> str:
    """Return a new name for one attempt, so that the orphan of a killed one never writes where its successor does."""
    return uuid.uuid4().hex[:12]


def table_root(root: str, database: str, table: str) -> str:
    """The HDFS directory that holds all versions of a table; also the landing dataset's name in the catalog."""
    return f"{root}/{database}/{table}"


def empty_version(root: str, database: str, table: str) -> str:
    """Return the empty directory that a table of seq 0 points to."""
    return f"{table_root(root, database, table)}/load=0/try=0"


def landing(root: str, database: str, table: str, load_id: str, try_id: str) -> str:
    """A load's immutable directory of typed Parquet."""
    return f"{table_root(root, database, table)}/load={load_id}/try={try_id}"


def staging(root: str, database: str, table: str, load_id: str, try_id: str) -> str:
    """Return the directory for the engine's JSON lines, which Hive then turns into typed Parquet."""
    return f"{root}/_staging/{database}/{table}/load={load_id}/try={try_id}"


def batch(root: str, database: str, table: str, load_id: str, try_id: str, part: str) -> str:
    """A directory beside a load's staging: `batch`, typed rows before they become a version; `kept`, less refused."""
    return f"{staging(root, database, table, load_id, try_id)}.{part}"


def quarantine_table(table: str) -> str:
    """Hive table of a lake table's refused rows, in the same database."""
    return f"{table}__quarantine"


StagingKind = Literal["text", "typed", "view", "batch", "kept", "old", "refused"]


def staging_table(kind: StagingKind, load_id: str, try_id: str) -> str:
    """Table in STAGING_DATABASE, over a staging directory or over the landing before its publish."""
    return f"{kind}_{load_id}_{try_id}"


def load_of_staging_table(name: str) -> str | None:
    """Return the load that made a table of STAGING_DATABASE; None for a name that is not `staging_table`'s."""
    match = _STAGING_TABLE.fullmatch(name)
    return match[1] if match else None


def served_table(lake: Lake, serve: Serve) -> tuple[str, str]:
    """(database, table) that the collection is made from: the lake table, or the product's own."""
    if serve.select is None:
        return lake.database, lake.table
    return lake.database, serve.table or serve.collection


def diff_table(table: str, *, source: bool = False) -> str:
    """Return the Hive table of differences: between a table and its collection, or its source and the table."""
    return f"{table}{SOURCE_DIFF_SUFFIX if source else DIFF_SUFFIX}"


def serve_scratch(root: str, flow: str) -> str:
    """Return the HDFS directory for the files that a serve load passes from step to step."""
    return f"{root}/_serve/{flow}"


def changes_file(root: str, flow: str, load_id: str) -> str:
    """Return the file of the keys that a serve load changes."""
    return f"{serve_scratch(root, flow)}/load={load_id}/changes.parquet"


def replacements_file(root: str, flow: str, load_id: str) -> str:
    """Return the file of the documents that a serve load puts in place (`serve.publish: delta`)."""
    return f"{serve_scratch(root, flow)}/load={load_id}/replacements.bson"


def staging_collection(collection: str, seq: int, try_id: str) -> str:
    """`loads__s7_ab12…`."""
    return f"{collection}__s{seq}_{try_id}"


def staging_collection_prefix(collection: str) -> str:
    """Return the beginning of the names of all staging collections of a collection."""
    return f"{collection}__s"


def cache_gate(flow: str) -> str:
    """The gate's key; the braces are Redis Cluster's hash tag, one slot for a flow."""
    return f"{{{flow}}}:gate"


def cache_value(flow: str, key: str) -> str:
    """The key of one cached value; `key` is `encode_key`'s."""
    return f"{{{flow}}}:v:{key}"


def cache_served(flow: str) -> str:
    """Return the key whose value names the loads that the cached values come from, for people."""
    return f"{{{flow}}}:served"


def served_identity(server: str, database: str, collection: str) -> str:
    """16 hexadecimal digits that stand for one served collection.

    The start of the SHA-256 of `["server","database","collection"]`, compact JSON.
    `server` is `host:port`, or several, sorted and joined by commas.
    """
    text = json.dumps([server, database, collection], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def encode_key(values: Sequence[Any]) -> str:
    """Encode a key's values as one text, injective over their types: JSON, a bare value when the key has one column."""
    return json.dumps(
        values[0] if len(values) == 1 else list(values),
        ensure_ascii=False,
        separators=(",", ":"),
        default=_encode_scalar,
    )


def _encode_scalar(value: object) -> object:
    match value:
        case decimal.Decimal():
            return {"$decimal": str(value)}
        case dt.datetime() | dt.date():
            return {"$date": value.isoformat()}
        case bytes():
            return {"$binary": base64.b64encode(value).decode()}
    raise TypeError(f"{type(value).__name__} cannot be part of a key")


def lake_asset_uri(database: str, table: str) -> str:
    """Airflow asset of a Hive table.

    An `x-` scheme, because Airflow's hive and mongo providers refuse `hive://` and `mongodb://` without host and port,
    which no parsed DAG knows; the catalog's URNs come from `switchyard.catalog.urns`, not from assets.
    """
    return f"x-hive://{database}/{table}"


def served_asset_uri(connection: str, collection: str) -> str:
    """Airflow asset of a collection, by the id of its connection: the database behind it is no parsed DAG's to know."""
    return f"x-mongodb://{connection}/{collection}"


def targets(flow: Flow) -> dict[tuple[str, str], str]:
    """Return all that only one flow may write to: the flow file's key that names it → its printable name."""
    quarantine = quarantine_table(flow.lake.table)
    names = {
        ("lake", "table"): f"Hive table {flow.lake.database}.{flow.lake.table}",
        ("lake", "quarantine"): f"Hive table {flow.lake.database}.{quarantine}",
    }
    if flow.serve is not None:
        if flow.serve.select is not None:
            database, table = served_table(flow.lake, flow.serve)
            names["serve", "select"] = f"Hive table {database}.{table}"
        names["serve", "collection"] = f"collection {flow.serve.collection} of {flow.serve.connection}"
    return names
