"""A place of a benchmark's own: ledger, Hive database, HDFS directory and collections that are gone afterwards."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import conninfo
from pymongo import MongoClient
from redis import Redis

from switchyard.connections import EnvironmentConnections
from switchyard.flow.spec import Flow
from switchyard.lake.hdfs import Hdfs
from switchyard.lake.hive import Hive
from switchyard.legs.runtime import Runtime


@dataclass(frozen=True)
class Workspace:
    """Names of this benchmark's own, and the runtime that the legs need."""

    name: str
    runtime: Runtime

    def flow(self, table: str, source: dict[str, Any], **parts: Any) -> Flow:
        """A flow of this workspace over the source `simbench_postgres`."""
        lake = {"database": self.name, "table": table, "root": f"/{self.name}"}
        fields = {"flow": f"{self.name}_{table}", "source": {"connection": "simbench_postgres", **source}, "lake": lake}
        return Flow.model_validate({**fields, **parts})

    def serve(self, table: str, key: list[str]) -> dict[str, Any]:
        """The `serve` part for a collection of this workspace."""
        return {"connection": "simbench_mongo", "collection": f"{self.name}_{table}", "key": key}


@contextmanager
def open_workspace() -> Iterator[Workspace]:
    """Open one on the running stack. Wants the environment of `switchyard stack env`."""
    server = _required("POSTGRES_ADMIN_URL")
    name = f"bench_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name}")
        parts = conninfo.conninfo_to_dict(server)
        address = f"{parts['user']}:{parts.get('password', '')}@{parts['host']}:{parts['port']}"
        os.environ.update(AIRFLOW_CONN_BENCH_LEDGER=f"postgres://{address}/{name}", SWITCHYARD_LEDGER="bench_ledger")
        workspace = Workspace(name, Runtime(EnvironmentConnections(), owner=f"benchmark {os.getpid()}"))
        try:
            yield workspace
        finally:
            _clean(workspace)
            session.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _clean(workspace: Workspace) -> None:
    connections, name = workspace.runtime.connections, workspace.name
    Hive(connections.get("lake_hive")).query(f"drop database if exists {name} cascade")
    Hdfs(connections.get("lake_hdfs")).delete(f"/{name}")
    mongo: MongoClient[dict[str, Any]] = MongoClient(_required("MONGO_URL"))
    with mongo:
        database = mongo[connections.get("simbench_mongo").schema]
        for collection in database.list_collection_names():
            if collection.startswith(name):
                database.drop_collection(collection)
    with Redis.from_url(_required("REDIS_URL"), db=int(connections.get("simbench_redis").extra["db"])) as redis:
        for key in redis.scan_iter(f"{{{name}*", count=1000):
            redis.unlink(key)


def _required(name: str) -> str:
    if name not in os.environ:
        raise SystemExit(f'{name} is not set: start the stack, then eval "$(switchyard stack env)"')
    return os.environ[name]
