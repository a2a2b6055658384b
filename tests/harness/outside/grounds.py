"""Switchyard from outside: flow files, the command line as a process, and the stores with clients of their own.

Nothing here imports the package, so these tests stay as they are when its modules move.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

import psycopg
import yaml
from impala.dbapi import connect as connect_hive
from psycopg import sql
from pymongo import MongoClient
from redis import Redis

NEEDED = ("POSTGRES_ADMIN_URL", "POSTGRES_URL", "LEDGER_URL", "HIVE_URL", "WEBHDFS_URL", "MONGO_URL", "REDIS_URL")
SOURCE, MONGO, CACHE, LEDGER = "powergrid_postgres", "powergrid_mongo", "powergrid_redis", "switchyard_ledger"
_SECRETS = "AIRFLOW__SECRETS__BACKEND_KWARGS"
_LONGEST_COMMAND = 240
Row = tuple[Any, ...]


def new_name(label: str) -> str:
    """A name that no other run has, good for a flow, a database, a schema, a collection."""
    return f"bb_{label}_{uuid.uuid4().hex[:8]}"


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on `base`, section by section; None takes a key away."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        result[key] = merge(below, value) if both else value
    return {key: value for key, value in result.items() if value is not None}


class Unprepared(Exception):
    """A test could not come to what it is about."""


def given(shown: object, expected: object) -> None:
    """What must be so before the step that a test is about; no AssertionError, so that no xfail hides it."""
    if shown != expected:
        raise Unprepared(f"{shown!r} is shown, and {expected!r} was to be prepared")


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, and all that it printed."""

    code: int
    output: str

    @property
    def succeeded(self) -> bool:
        """Whether the command says that it did what it was asked for."""
        return self.code == 0

    def require_success(self) -> Ended:
        """For the steps before the one that a test is about; no AssertionError, so that no xfail hides it."""
        if not self.succeeded:
            raise Unprepared(f"exit code {self.code}:\n{self.output}")
        return self

    def require_refusal(self, *words: str) -> None:
        """Not 0, and a message that says where and what to do, with these words in it."""
        assert not self.succeeded, f"exit code 0, and it should have been refused:\n{self.output}"
        assert "Traceback" not in self.output, self.output
        assert "\n  → " in self.output, f"no cure in the message:\n{self.output}"
        assert [word for word in words if word not in self.output] == [], self.output

    @property
    def lines(self) -> list[str]:
        """What it printed, without empty lines."""
        return [line for line in self.output.splitlines() if line.strip()]

    def require_sentence(self, cause: str, *, never: str = "", longest: int = 10) -> None:
        """A refusal that a person reads to its end: at most `longest` lines, a cure, and the real cause.

        `cause` and `never` are regular expressions; `never` is what would send a person the wrong way.
        """
        self.require_refusal()
        assert len(self.lines) <= longest, f"{len(self.lines)} lines:\n{self.output}"
        assert re.search(cause, self.output, re.I | re.S), f"the cause is not named ({cause}):\n{self.output}"
        wrong = never and re.search(never, self.output, re.I | re.S)
        assert not wrong, f"it says the wrong thing ({never}):\n{self.output}"


class Stores:
    """The stack's servers, each by a client that shares no code with Switchyard."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.mongo_client: MongoClient[dict[str, Any]] = MongoClient(environ["MONGO_URL"])
        self.redis = Redis.from_url(environ["REDIS_URL"])
        hive = urlsplit(environ["HIVE_URL"])
        self._hive = connect_hive(host=hive.hostname, port=hive.port, auth_mechanism="NOSASL").cursor()

    def postgres(self, statement: str, database: str, *, role: str = "POSTGRES_URL") -> list[Row]:
        """Run one statement in a session of its own; its rows."""
        url = urlsplit(self.environ[role])._replace(path=f"/{quote(database, safe='')}").geturl()
        with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as session:
            cursor = session.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def as_admin(self, statement: str, database: str = "postgres") -> list[Row]:
        """The same as the superuser."""
        return self.postgres(statement, database, role="POSTGRES_ADMIN_URL")

    def create_database(self, name: str, *, role: str = "POSTGRES_URL") -> None:
        """A database of a test's own, owned by the login of `role`."""
        self.as_admin(f'create database "{name}" owner "{urlsplit(self.environ[role]).username}"')

    def drop_database(self, name: str) -> None:
        """Drop it, whoever is connected."""
        self.as_admin(f'drop database if exists "{name}" with (force)')

    def hive(self, statement: str) -> list[Row]:
        """Run one HiveQL statement through HiveServer2; its rows."""
        self._hive.execute(statement)
        return self._hive.fetchall() if self._hive.description else []

    def location(self, table: str) -> str:
        """Where Hive reads a table: the path of its directory in HDFS."""
        described = self.hive(f"describe formatted {table}")
        url = next(str(row[1]).strip() for row in described if str(row[0]).startswith("Location"))
        return urlsplit(url).path

    def delete_directory(self, path: str) -> None:
        """Delete a directory of HDFS."""
        self._change_hdfs("DELETE", path, op="DELETE", recursive="true")

    def rename(self, path: str, to: str) -> None:
        """Rename a directory of HDFS."""
        given(self._change_hdfs("PUT", path, op="RENAME", destination=to), {"boolean": True})

    def _change_hdfs(self, method: str, path: str, **query: str) -> Any:
        user = os.environ.get("HADOOP_USER_NAME") or os.environ.get("USER") or "root"
        query["user.name"] = user
        url = f"{self.environ['WEBHDFS_URL']}/webhdfs/v1{quote(path)}?{urlencode(query)}"
        with urlopen(Request(url, method=method)) as answer:
            return json.load(answer)


@dataclass
class Grounds:
    """A source database and a ledger of one test file's own, and the connections that lead to them.

    No transaction of another test holds a watermark back here, and a ledger can be lost without harm to anybody.
    """

    stores: Stores
    directory: Path
    database: str = field(default_factory=lambda: new_name("source"))
    ledger: str = field(default_factory=lambda: new_name("ledger"))
    flows: list[FlowUnderTest] = field(default_factory=list)
    collections: set[tuple[str, str]] = field(default_factory=set)
    ledgers: list[str] = field(default_factory=list)
    databases: list[str] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    cache_users: list[str] = field(default_factory=list)

    def prepare(self) -> None:
        """Make the two databases and the file of connections."""
        path = Path(json.loads(os.environ[_SECRETS])["connections_file_path"])
        self.connections: dict[str, dict[str, Any]] = json.loads(path.read_text())
        self.create_database(self.database)
        self.connect(SOURCE, schema=self.database)
        self.use_new_ledger(self.ledger)

    def create_database(self, name: str) -> None:
        """One more source database, dropped at the end."""
        self.stores.create_database(name)
        self.databases.append(name)

    def use_new_ledger(self, name: str | None = None) -> str:
        """An empty ledger from here on, as after a loss; returns its name."""
        chosen = name or new_name("ledger")
        self.stores.create_database(chosen, role="LEDGER_URL")
        self.ledgers.append(chosen)
        self.connect(LEDGER, schema=chosen)
        return chosen

    def connect(self, conn_id: str, like: str | None = None, **fields: Any) -> None:
        """Change a connection, or add one that differs from another one."""
        before = self.connections[like or conn_id]
        self.connections[conn_id] = merge(before, fields)
        self._write_connections()

    def _write_connections(self) -> None:
        path = self.directory / "connections.json"
        path.write_text(json.dumps(self.connections))
        path.chmod(0o600)

    def forget(self, conn_id: str) -> None:
        """Take a connection away, as when its server is decommissioned."""
        del self.connections[conn_id]
        self._write_connections()

    def role(self, *settings: str) -> str:
        """A login that may read everything of the source database, with settings of its own: `work_mem = '4MB'`.

        Returns the id of its connection, which is its name.
        """
        role, password = new_name("role"), uuid.uuid4().hex
        self.roles.append(role)
        named = sql.Identifier(role)
        create = sql.SQL("create role {} login password {} in role pg_read_all_data, pg_read_all_stats")
        self.stores.as_admin(create.format(named, sql.Literal(password)).as_string())
        for setting in settings:
            self.stores.as_admin(f'alter role "{role}" set {setting}')
        self.connect(role, like=SOURCE, login=role, password=password)
        return role

    def cache_user(self, *rules: str) -> str:
        """A user of Redis with these ACL rules; returns the id of its connection, which is its name."""
        user, password = new_name("redis"), uuid.uuid4().hex
        self.cache_users.append(user)
        self.stores.redis.execute_command("ACL", "SETUSER", user, "reset", "on", f">{password}", *rules)
        self.connect(user, like=CACHE, login=user, password=password)
        return user

    @property
    def environ(self) -> dict[str, str]:
        """What every command gets."""
        return {_SECRETS: json.dumps({"connections_file_path": str(self.directory / "connections.json")})}

    def flow(self, label: str, definition: str = "", /, **spec: Any) -> FlowUnderTest:
        """A flow over a table of its own; `definition` is what CREATE TABLE has between its brackets."""
        name = new_name(label)
        base: dict[str, Any] = {
            "flow": name,
            "source": {"connection": SOURCE, "table": f"public.{name}"},
            "lake": {"database": name, "table": "t"},
        }
        if "serve" in spec:
            base["serve"] = {"connection": MONGO, "collection": name, "key": ["id"]}
        if "cache" in spec:
            base["cache"] = {"connection": CACHE, "ttl": "1h"}
        flow = FlowUnderTest(self, name, merge(base, spec))
        self.flows.append(flow)
        if definition:
            flow.sql(f"create table {name} ({definition})")
        return flow

    def clean_up(self) -> None:
        """Take everything away, on every server."""
        for flow in self.flows:
            flow.clean_up()
        for database in self.databases:
            self.stores.drop_database(database)
        for ledger in self.ledgers:
            self.stores.drop_database(ledger)
        for role in self.roles:
            self.stores.as_admin(f'drop role "{role}"')
        for user in self.cache_users:
            self.stores.redis.execute_command("ACL", "DELUSER", user)


@dataclass
class FlowUnderTest:
    """One flow file, and what its flow leaves in the stores."""

    grounds: Grounds
    name: str
    spec: dict[str, Any]

    @property
    def stores(self) -> Stores:
        """The servers."""
        return self.grounds.stores

    @property
    def collection(self) -> str:
        """The collection that the file names now."""
        return str(self.spec["serve"]["collection"])

    @property
    def mongo_database(self) -> str:
        """The database of the MongoDB connection that the file names now."""
        return str(self.grounds.connections[self.spec["serve"]["connection"]]["schema"])

    def change(self, **over: Any) -> None:
        """Edit the flow's file from here on."""
        self.spec = merge(self.spec, over)

    def write(self) -> Path:
        """Write the file, alone in a directory; returns the directory."""
        directory = self.grounds.directory / self.name
        directory.mkdir(exist_ok=True)
        (directory / f"{self.name}.yaml").write_text(yaml.safe_dump(self.spec))
        return directory

    def switchyard(self, *arguments: str) -> Ended:
        """Run `switchyard … --flows DIRECTORY` to its end, as a person would."""
        return self.run(*arguments, "--flows", str(self.write()))

    def run(self, *arguments: str, **environ: str) -> Ended:
        """Run `switchyard …` to its end; which flow files it sees, it has from its environment."""
        command = [sys.executable, "-m", "switchyard", *arguments]
        ours = {"SWITCHYARD_SCRATCH": str(self.grounds.directory / "scratch"), "SWITCHYARD_FLOWS": str(self.write())}
        ended = subprocess.run(
            command,
            env={**os.environ, **self.grounds.environ, **ours, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LONGEST_COMMAND,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout)

    def ingest(self) -> Ended:
        """Run the ingest leg."""
        return self.switchyard("run", "ingest", self.name)

    def serve(self) -> Ended:
        """Run the serve leg."""
        self.grounds.collections.add((self.mongo_database, self.collection))
        return self.switchyard("run", "serve", self.name)

    def sql(self, *statements: str) -> list[Row]:
        """Run statements in the source database; the last one's rows. `{t}` is the flow's table."""
        rows: list[Row] = []
        for statement in statements:
            rows = self.stores.postgres(statement.replace("{t}", self.name), self.grounds.database)
        return rows

    def hive(self, rest: str = "", what: str = "*", table: str | None = None) -> list[Row]:
        """Select from the lake table through HiveServer2."""
        lake = self.spec["lake"]
        return self.stores.hive(f"select {what} from `{lake['database']}`.`{table or lake['table']}` {rest}")

    def ids(self) -> list[Any]:
        """Every `id` of the lake table, in order; none when Hive has no such table."""
        database = self.spec["lake"]["database"]
        if (database,) not in self.stores.hive("show databases"):
            return []
        tables = self.stores.hive(f"show tables in `{database}`")
        return (
            [row[0] for row in self.hive("order by id", what="id")] if (self.spec["lake"]["table"],) in tables else []
        )

    def documents(self) -> list[dict[str, Any]]:
        """All of the collection, by `_id`."""
        found = self.stores.mongo_client[self.mongo_database][self.collection].find({})
        return sorted(found, key=lambda document: str(document["_id"]))

    def clean_up(self) -> None:
        """Hive's database and the directories, the cache's keys, the collections; the source goes with its database."""
        self.stores.hive(f"drop database if exists `{self.name}` cascade")
        for root in (f"/lake/{self.name}", f"/lake/_staging/{self.name}", f"/lake/_serve/{self.name}"):
            self.stores.delete_directory(root)
        for key in self.stores.redis.scan_iter(match=f"{{{self.name}}}:*", count=1000):
            self.stores.redis.delete(key)
        for database, collection in self.grounds.collections:
            self.stores.mongo_client[database].drop_collection(collection)


def require_refused(ended: Ended, flow: FlowUnderTest, *words: str) -> None:
    """A refusal that says where, by the flow or its source, and what to do, with these words in it."""
    ended.require_refusal(*words)
    assert any(name in ended.output for name in (flow.name, flow.spec["source"]["connection"])), ended.output


def require_right_or_refused(ended: Ended, flow: FlowUnderTest, shown: Any, *, before: Any, after: Any) -> None:
    """A success shows what the source has now; a refusal leaves what was shown before."""
    if ended.succeeded:
        assert shown == after, f"reported as done, and {shown!r} is shown:\n{ended.output}"
        return
    require_refused(ended, flow)
    assert shown == before


@contextlib.contextmanager
def open_grounds(stores: Stores, directory: Path) -> Iterator[Grounds]:
    """Grounds for one file of tests; all is taken away at the end."""
    grounds = Grounds(stores, directory)
    grounds.prepare()
    try:
        yield grounds
    finally:
        grounds.clean_up()
