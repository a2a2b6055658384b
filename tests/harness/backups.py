"""Backups of what each store has of one flow, and each of them restored alone: for the matrix of restored stores.

What a backup's own tool would do to the whole server is done here to the flow's part of it: rows of the ledger, a table
and its partitions in the metastore, a collection with its indexes and its record in MongoDB, keys in Redis. No file in
HDFS is ever part of a backup.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb
from pymetastore.hive_metastore.ttypes import NoSuchObjectException

from harness.cases import Case
from switchyard.connections import EnvironmentConnections
from switchyard.lake.metastore import Metastore
from switchyard.lake.thrift import describe

Restore = Callable[[], None]


def back_up_ledger(case: Case) -> Restore:
    """The flow's rows."""
    kept = {table: _rows(case, table) for table in ("loads", "flows")}

    def restore() -> None:
        for table, rows in kept.items():
            _run(case, f"delete from {table} where flow = %s", case.name)
            _run(case, f"insert into {table} select * from jsonb_populate_recordset(null::{table}, %s)", Jsonb(rows))

    return restore


def back_up_ledger_of_serve(case: Case) -> Restore:
    """What the ledger has of the flow's serve leg."""
    loads = [load for load in _rows(case, "loads") if load["leg"] == "serve"]
    seq = max([row["last_serve_seq"] for row in _rows(case, "flows")], default=0)

    def restore() -> None:
        _run(case, "delete from loads where flow = %s and leg = 'serve'", case.name)
        _run(case, "insert into loads select * from jsonb_populate_recordset(null::loads, %s)", Jsonb(loads))
        _run(case, f"update flows set last_serve_seq = {seq} where flow = %s", case.name)

    return restore


def _run(case: Case, statement: str, value: str | Jsonb) -> None:
    case.servers.postgres(statement, [value], url="LEDGER_URL")


def _rows(case: Case, table: str) -> list[dict[str, Any]]:
    select = f"select coalesce(jsonb_agg(t), '[]')::text from {table} t where flow = %s"
    rows: list[dict[str, Any]] = json.loads(case.servers.postgres(select, [case.name], url="LEDGER_URL")[0][0])
    return rows


def back_up_table(case: Case, name: str = "t") -> Restore:
    """What the metastore says of a table, and its partitions; a table that is not there is dropped again."""
    metastore = Metastore(EnvironmentConnections().get("lake_metastore"))
    table, partitions = None, []
    with metastore.client() as client:
        try:
            table = describe(client, case.name, name)
            partitions = client.get_partitions(case.name, name, -1) if table.partitionKeys else []
        except NoSuchObjectException:
            table = None

    def restore() -> None:
        with metastore.client() as client:
            if name in client.get_all_tables(case.name):
                client.drop_table(case.name, name, False)
            if table is not None:
                client.create_table(table)
            if partitions:
                client.add_partitions(partitions)

    return restore


def back_up_mongo(case: Case, *, collection: bool = True, record: bool = True, indexes: bool = True) -> Restore:
    """The collections that are named like the flow (the served one, and stagings), and the record of the served one."""
    database = case.servers.mongo
    named = {"name": {"$regex": f"^{case.name}"}}
    kept = {name: (list(database[name].find({})), list(database[name].list_indexes())) for name in _names(case)}
    own_record = case.record()

    def restore() -> None:
        if collection:
            for name in database.list_collection_names(filter=named):
                database.drop_collection(name)
            for name, (documents, described) in kept.items():
                database.create_collection(name)
                if documents:
                    database[name].insert_many(documents)
                for index in described if indexes else ():
                    if index["name"] != "_id_":
                        options = {key: value for key, value in index.items() if key in ("name", "sparse")}
                        database[name].create_index(list(index["key"].items()), **options)
        if record:
            database["switchyard"].delete_one({"_id": case.name})
            if own_record is not None:
                database["switchyard"].insert_one(own_record)

    return restore


def _names(case: Case) -> list[str]:
    return case.servers.mongo.list_collection_names(filter={"name": {"$regex": f"^{case.name}"}})


def back_up_redis(case: Case) -> Restore:
    """Every key of the flow, and how long it has to live."""
    redis = case.servers.redis
    pattern = f"{{{case.name}}}:*"
    kept = {key: (redis.get(key), redis.pttl(key)) for key in redis.scan_iter(match=pattern, count=1000)}

    def restore() -> None:
        for key in redis.scan_iter(match=pattern, count=1000):
            redis.delete(key)
        for key, (value, milliseconds) in kept.items():
            redis.set(key, value, px=milliseconds if milliseconds > 0 else None)

    return restore


@dataclass(frozen=True)
class Backup:
    """All stores at one moment."""

    parts: dict[str, Restore]

    def restore(self, *stores: str) -> None:
        """Restore these; without any, all."""
        for store in stores or self.parts:
            self.parts[store]()
