"""Clients of the stack's servers that share no code with Switchyard: impyla, psycopg, pymongo, redis-py, WebHDFS."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

import psycopg
from impala.dbapi import connect as connect_hive
from pymongo import MongoClient
from pymongo.database import Database
from redis import Redis

NEEDED = ("POSTGRES_ADMIN_URL", "POSTGRES_URL", "LEDGER_URL", "HIVE_URL", "WEBHDFS_URL", "MONGO_URL", "REDIS_URL")


@dataclass
class Servers:
    """Independent clients, one of each per process; Hive's cursors are one per thread."""

    environ: Mapping[str, str] = field(repr=False)
    _local: threading.local = field(default_factory=threading.local, repr=False)

    def __post_init__(self) -> None:
        self.mongo_client: MongoClient[dict[str, Any]] = MongoClient(self.environ["MONGO_URL"], tz_aware=False)
        self.mongo: Database[dict[str, Any]] = self.mongo_client[urlsplit(self.environ["MONGO_URL"]).path.strip("/")]
        self.redis = Redis.from_url(self.environ["REDIS_URL"])

    def postgres(self, statement: str, values: Sequence[Any] | None = None, *, url: str = "POSTGRES_URL") -> list[Any]:
        """Run one statement in a session of its own, and commit; its rows."""
        with self.session(url) as session:
            cursor = session.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def session(self, url: str = "POSTGRES_URL", **options: Any) -> psycopg.Connection[Any]:
        """A session in UTC, so that instants are read the same everywhere."""
        return psycopg.connect(self.environ[url], options="-c timezone=UTC", **options)

    def admin_of(self, url: str) -> str:
        """The superuser's URL for the database of another URL."""
        admin = urlsplit(self.environ["POSTGRES_ADMIN_URL"])
        return admin._replace(path=urlsplit(self.environ[url]).path).geturl()

    def hive(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one HiveQL statement through HiveServer2; its rows."""
        if not hasattr(self._local, "hive"):
            at = urlsplit(self.environ["HIVE_URL"])
            self._local.hive = connect_hive(host=at.hostname, port=at.port, auth_mechanism="NOSASL").cursor()
        cursor = self._local.hive
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []

    def forget_hive(self) -> None:
        """Open a new session next time: HiveServer2 was killed."""
        self._local.__dict__.pop("hive", None)

    def webhdfs(self, operation: str, path: str, method: str = "GET", **arguments: Any) -> dict[str, Any]:
        """One WebHDFS call; an empty answer for a path that is not there."""
        query = urlencode({"op": operation, "user.name": self.hdfs_user, **arguments})
        try:
            with urlopen(
                Request(f"{self.environ['WEBHDFS_URL']}/webhdfs/v1{quote(path)}?{query}", method=method)
            ) as answer:
                return json.loads(answer.read() or b"{}")
        except HTTPError as error:
            if error.code == 404:
                return {}
            raise RuntimeError(error.read().decode()) from error

    @property
    def hdfs_user(self) -> str:
        """Who started the NameNode is its superuser."""
        return os.environ.get("HADOOP_USER_NAME") or os.environ.get("USER") or "root"

    def files_below(self, path: str) -> list[str]:
        """Paths of all files below a directory of HDFS."""
        found = []
        for status in self.webhdfs("LISTSTATUS", path).get("FileStatuses", {}).get("FileStatus", []):
            below = f"{path}/{status['pathSuffix']}"
            found += self.files_below(below) if status["type"] == "DIRECTORY" else [below]
        return sorted(found)
