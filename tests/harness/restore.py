"""Put the dump of an earlier release (tests/fixtures/release_*) onto the servers at hand, under names of its own.

    with restored(tmp_path) as dump:
        dump.switchyard("run", "ingest", dump.flow("merge"))

It shares no code with Switchyard, so that it outlives every change of it: psycopg, pymongo, redis-py, WebHDFS, Thrift.
The servers are those of the stack's environment (`switchyard stack env`): the file of Airflow connections, WEBHDFS_URL
and POSTGRES_ADMIN_URL. The ledger is restored into a database of its own, with the tables of its release, and
connection `switchyard_ledger` of `dump.environ` names it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import psycopg
from bson import json_util
from pymongo import MongoClient
from redis import Redis

from harness.checkout import CHECKOUT

DUMP = CHECKOUT / "tests" / "fixtures" / "release_0"
TOKEN = "release0"
"""What every name in the dump begins with, and the HDFS root is called: another word takes its place."""

_SECRETS = "AIRFLOW__SECRETS__BACKEND_KWARGS"
_STAGING_DATABASE = "switchyard_staging"
_EXACT_BSON = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL, tz_aware=False, tzinfo=None)
_EACH = """
import contextlib, io, json, runpy, sys, traceback
done = []
for command in json.loads(sys.argv[1]):
    sys.argv, text, code = ["switchyard", *command], io.StringIO(), 0
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        try:
            runpy.run_module("switchyard", run_name="__main__")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
        except Exception:
            code = 70
            traceback.print_exc()
    done.append((code, text.getvalue()))
print(json.dumps(done))
"""


@dataclass(frozen=True)
class Dump:
    """A dump that is on the servers. `token` stands where the files say `release0`."""

    token: str
    directory: Path
    environ: Mapping[str, str] = field(repr=False)
    connections: Mapping[str, Any] = field(repr=False)
    source: Path = DUMP

    def flow(self, label: str) -> str:
        """The flow's name here: `merge` is `r0_…_merge`; also its source schema, Hive database and collection."""
        return f"{self.token}_{label}"

    @property
    def flows(self) -> Path:
        """The directory of the flow files."""
        return self.directory / "flows"

    @property
    def root(self) -> str:
        """The lake's directory in HDFS."""
        return f"/{self.token}"

    @property
    def namenode(self) -> str:
        """What every location in the metastore begins with."""
        at = self.connections["lake_hdfs"]
        return f"hdfs://{at['host']}:{at['port']}"

    def read(self, name: str) -> str:
        """A text of the dump, renamed."""
        return (self.source / name).read_text().replace(TOKEN, self.token)

    def lines(self, name: str) -> list[Any]:
        """The JSON lines of one file, renamed."""
        return [json.loads(line) for line in self.read(name).splitlines()]

    def expected(self) -> dict[str, Any]:
        """What was seen when the dump was made, by flow."""
        found: dict[str, Any] = json.loads(self.read("expected.json"))
        return found

    def postgres(self, conn_id: str, **options: Any) -> psycopg.Connection[Any]:
        """A session with one of the databases."""
        at = self.connections[conn_id]
        return psycopg.connect(
            host=at["host"],
            port=at["port"],
            user=at["login"],
            password=at["password"],
            dbname=at["schema"],
            options="-c timezone=UTC",
            **options,
        )

    def query(self, conn_id: str, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
        """The rows of one statement."""
        with self.postgres(conn_id) as session:
            cursor = session.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def mongo(self) -> Any:
        """The database that the flows serve into."""
        at = self.connections["powergrid_mongo"]
        login = {"username": at["login"], "password": at["password"], **at.get("extra", {})} if at.get("login") else {}
        return MongoClient(at["host"], at["port"], **login)[at["schema"]]

    def redis(self) -> Any:
        """The cache."""
        at = self.connections["powergrid_redis"]
        return Redis(
            at["host"],
            at["port"],
            db=at.get("extra", {}).get("db", 0),
            username=at.get("login") or None,
            password=at.get("password") or None,
        )

    @contextlib.contextmanager
    def metastore(self) -> Iterator[Any]:
        """Thrift's client of the metastore."""
        from pymetastore.hive_metastore.ThriftHiveMetastore import Client
        from thrift.protocol.TBinaryProtocol import TBinaryProtocol
        from thrift.transport.TSocket import TSocket
        from thrift.transport.TTransport import TBufferedTransport

        at = self.connections["lake_metastore"]
        transport = TBufferedTransport(TSocket(at["host"], at["port"]))
        transport.open()
        try:
            yield Client(TBinaryProtocol(transport))
        finally:
            transport.close()

    def switchyard(self, *arguments: str) -> tuple[int, str]:
        """Run `switchyard …`; exit code, and all it printed."""
        return self._python("-m", "switchyard", *arguments)

    def switchyard_each(self, commands: list[tuple[str, ...]]) -> list[tuple[int, str]]:
        """Run commands one after another in one process, which imports the package once; codes and texts."""
        code, text = self._python("-c", _EACH, json.dumps(commands))
        assert code == 0, text
        return [(code, text) for code, text in json.loads(text.splitlines()[-1])]

    def _python(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, **self.environ, "SWITCHYARD_FLOWS": str(self.flows)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
        return done.returncode, done.stdout


@contextlib.contextmanager
def restored(directory: Path, source: Path = DUMP, token: str | None = None) -> Iterator[Dump]:
    """Restore a dump; everything of it is gone afterwards. `directory`: for flow files and the connections' file."""
    dump = _named(directory, source, token or f"r0_{uuid.uuid4().hex[:8]}")
    try:
        restore(dump)
        yield dump
    finally:
        clean_up(dump)


def restore(dump: Dump) -> None:
    """Put all parts onto the servers; they do not depend on each other, but for the tables' directories."""
    dump.flows.mkdir()
    for file in sorted((dump.source / "flows").iterdir()):
        (dump.flows / file.name.replace(TOKEN, dump.token)).write_text(dump.read(f"flows/{file.name}"))
    with ThreadPoolExecutor(4) as pool:
        parts = [pool.submit(part, dump) for part in (_source, _ledger, _mongo, _redis)]
        _hdfs(dump)
        _metastore(dump)
        for part in parts:
            part.result()


def clean_up(dump: Dump) -> None:
    """Take all parts away; what a run added under the dump's names goes with them."""
    names = list(json.loads(dump.read("expected.json")))
    with dump.postgres("powergrid_postgres") as session:
        for name in names:
            session.execute(f'drop schema if exists "{name}" cascade'.encode())
    with _admin() as session:
        session.execute(f'drop database if exists "{dump.token}_ledger" with (force)'.encode())
    _clean_metastore(dump, names)
    _webhdfs("DELETE", dump.root, "DELETE", recursive="true")
    mongo, redis = dump.mongo(), dump.redis()
    for collection in mongo.list_collection_names(filter={"name": {"$regex": f"^{dump.token}"}}):
        mongo.drop_collection(collection)
    if "switchyard" in mongo.list_collection_names():
        mongo["switchyard"].delete_many({"_id": {"$regex": f"^{dump.token}"}})
    for key in redis.scan_iter(match=f"{{{dump.token}*", count=1000):
        redis.delete(key)


def _named(directory: Path, source: Path, token: str) -> Dump:
    """The dump under a token; its file of connections is the stack's, with another ledger."""
    stack = Path(json.loads(os.environ[_SECRETS])["connections_file_path"])
    connections = json.loads(stack.read_text())
    connections["switchyard_ledger"]["schema"] = f"{token}_ledger"
    path = directory / "connections.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(connections))
    environ = {_SECRETS: json.dumps({"connections_file_path": str(path)}), "SWITCHYARD_SCRATCH": str(directory)}
    return Dump(token, directory, environ, connections, source)


def _source(dump: Dump) -> None:
    with dump.postgres("powergrid_postgres") as session:
        session.execute(dump.read("source.sql").encode())


def _admin() -> psycopg.Connection[Any]:
    return psycopg.connect(os.environ["POSTGRES_ADMIN_URL"], autocommit=True)


def _ledger(dump: Dump) -> None:
    """A database with the ledger's tables as they were. A frozen flow has another name here, and so another hash."""
    owner = dump.connections["switchyard_ledger"]["login"]
    with _admin() as session:
        session.execute(f'create database "{dump.token}_ledger" owner "{owner}" template template0'.encode())
    with dump.postgres("switchyard_ledger") as session:
        session.execute(dump.read("ledger.sql").encode())
        for load_id, spec in session.execute("select load_id, spec from public.loads").fetchall():
            text = json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            values = (hashlib.sha256(text.encode()).hexdigest(), load_id)
            session.execute("update public.loads set spec_hash = %s where load_id = %s", values)


def _hdfs(dump: Dump) -> None:
    """Directories, also empty ones, then files."""
    directories = json.loads(dump.read("hdfs_directories.json"))
    leaves = [one for one in directories if not any(other.startswith(f"{one}/") for other in directories if one)]
    files = [path for path in sorted((dump.source / "hdfs").rglob("*")) if path.is_file()]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: _webhdfs("MKDIRS", f"{dump.root}/{one}".rstrip("/"), "PUT"), leaves))
        list(pool.map(lambda path: _upload(dump, path), files))


def _upload(dump: Dump, path: Path) -> None:
    """One file; a text names the flow, and is renamed."""
    content = path.read_bytes()
    with contextlib.suppress(UnicodeDecodeError):
        content = content.decode().replace(TOKEN, dump.token).encode()
    target = f"{dump.root}/{path.relative_to(dump.source / 'hdfs')}".replace(TOKEN, dump.token)
    at = _webhdfs("CREATE", target, "PUT", overwrite="true", noredirect="true")["Location"]
    with urlopen(Request(at, data=content, method="PUT")) as answer:
        assert answer.status == 201, target


def _webhdfs(operation: str, path: str, method: str, **arguments: str) -> dict[str, Any]:
    user = os.environ.get("HADOOP_USER_NAME") or os.environ.get("USER") or "root"
    query = urlencode({"op": operation, "user.name": user, **arguments})
    url = f"{os.environ['WEBHDFS_URL']}/webhdfs/v1{quote(path)}?{query}"
    try:
        with urlopen(Request(url, method=method)) as answer:
            found: dict[str, Any] = json.loads(answer.read() or b"{}")
            return found
    except HTTPError as error:
        raise RuntimeError(f"{operation} {path}: {error.read().decode()}") from error


def _metastore(dump: Dump) -> None:
    from pymetastore.hive_metastore.ttypes import AlreadyExistsException, Database

    kept = json.loads(dump.read("metastore.json"))
    staging = {"name": _STAGING_DATABASE, "location": "/lake/_staging"}
    with dump.metastore() as client:
        for database in [*kept["databases"], staging]:
            at = f"{dump.namenode}{database['location']}"
            try:
                client.create_database(Database(name=database["name"], locationUri=at, parameters={}))
            except AlreadyExistsException:
                assert database is staging, database
        for table in kept["tables"]:
            _create_table(client, dump, table)


def _create_table(client: Any, dump: Dump, kept: Mapping[str, Any]) -> None:
    """A table and its partitions. A second call gives it the parameters that creating would have counted anew."""
    from pymetastore.hive_metastore.ttypes import EnvironmentContext, Partition, Table

    database, name = kept["database"], kept["name"]
    if database == _STAGING_DATABASE and name in client.get_all_tables(database):
        client.drop_table(database, name, False)  # of a restore that was killed
    table = Table(
        tableName=name,
        dbName=database,
        owner=kept["owner"],
        sd=_storage(dump, kept, kept["location"], kept["columns"]),
        partitionKeys=_fields(kept["partition_keys"]),
        parameters=dict(kept["parameters"]),
        tableType="EXTERNAL_TABLE",
    )
    client.create_table(table)
    for one in kept["partitions"]:
        storage = _storage(dump, kept, one["location"], one["columns"])
        client.add_partition(
            Partition(
                values=one["values"], dbName=database, tableName=name, sd=storage, parameters=dict(one["parameters"])
            )
        )
    client.alter_table_with_environment_context(
        database, name, table, EnvironmentContext(properties={"DO_NOT_UPDATE_STATS": "true"})
    )


def _storage(dump: Dump, kept: Mapping[str, Any], location: str, columns: list[list[str]]) -> Any:
    from pymetastore.hive_metastore.ttypes import SerDeInfo, StorageDescriptor

    return StorageDescriptor(
        cols=_fields(columns),
        location=f"{dump.namenode}{location}",
        inputFormat=kept["formats"][0],
        outputFormat=kept["formats"][1],
        serdeInfo=SerDeInfo(
            name=kept["name"], serializationLib=kept["formats"][2], parameters=dict(kept["serde_parameters"])
        ),
        numBuckets=-1,
        bucketCols=[],
        sortCols=[],
        parameters={},
    )


def _fields(columns: list[list[str]]) -> list[Any]:
    from pymetastore.hive_metastore.ttypes import FieldSchema

    return [FieldSchema(name=name, type=kind, comment=comment or None) for name, kind, comment in columns]


def _clean_metastore(dump: Dump, names: list[str]) -> None:
    from pymetastore.hive_metastore.ttypes import GetTableRequest, NoSuchObjectException

    ours = f"{dump.namenode}{dump.root}/"
    with dump.metastore() as client:
        for table in client.get_all_tables(_STAGING_DATABASE):
            with contextlib.suppress(NoSuchObjectException):  # a load of another test drops its own meanwhile
                described = client.get_table_req(GetTableRequest(dbName=_STAGING_DATABASE, tblName=table)).table
                location = described.sd.location or ""  # the view of a product that is being made has none
                if location.startswith(ours):
                    client.drop_table(_STAGING_DATABASE, table, False)
        for name in names:
            with contextlib.suppress(NoSuchObjectException):
                client.drop_database(name, False, True)


def _mongo(dump: Dump) -> None:
    """Collections: the first line of a file has the indexes, each other one a document."""
    database = dump.mongo()
    for file in sorted((dump.source / "mongo").iterdir()):
        head, *documents = dump.read(f"mongo/{file.name}").splitlines()
        collection = database.create_collection(file.stem.replace(TOKEN, dump.token))
        if documents:
            collection.insert_many([json_util.loads(line, json_options=_EXACT_BSON) for line in documents])
        for index in json.loads(head)["indexes"]:
            if index["name"] != "_id_":
                collection.create_index([tuple(key) for key in index["keys"]], name=index["name"])


def _redis(dump: Dump) -> None:
    redis = dump.redis()
    for entry in dump.lines("redis.jsonl"):
        value = entry["value"]
        stored = base64.b64decode(value["base64"]) if "base64" in value else value["text"].encode()
        redis.set(entry["key"], stored, ex=entry["ttl"])
