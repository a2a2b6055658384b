"""Real health: every check makes the server do a piece of its work. A check returns a phrase, or raises."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any, cast

from switchyard_stack.ports import LOOPBACK
from switchyard_stack.render import Site

Check = Callable[[Site], str]
_SECONDS = 5  # what one question may take; `up` asks again until its patience ends


class Unhealthy(Exception):
    """The server answered, and the answer is wrong."""


def check_postgres(site: Site) -> str:
    """A query answered, by the server of our data directory and no other."""
    import psycopg

    url = f"host={LOOPBACK} port={site.ports['postgres']} user=postgres dbname=postgres connect_timeout={_SECONDS}"
    with psycopg.connect(url, password=site.secrets["postgres"]) as connection:
        row = connection.execute(
            "select current_setting('data_directory'), current_setting('server_version')"
        ).fetchone()
    if row is None or row[0] != str(site.layout.data / "postgres"):
        raise Unhealthy(f"another PostgreSQL answers, of {row and row[0]}")
    return f"{row[1]}, a query answered"


def check_redis(site: Site) -> str:
    """SET, GET, and persistence off."""
    import redis

    key = f"switchyard:health:{uuid.uuid4().hex}"
    with redis.Redis(LOOPBACK, site.ports["redis"], password=site.secrets["redis"], socket_timeout=_SECONDS) as client:
        client.set(key, "1", ex=10)
        if client.getdel(key) != b"1":
            raise Unhealthy("a value that was SET was not there at GET")
        info = cast("dict[str, Any]", client.info("server"))
    return f"{info['redis_version']}, SET and GET"


def check_mongo(site: Site) -> str:
    """Insert and find, as the user that flows use."""
    import pymongo

    url = f"mongodb://{LOOPBACK}:{site.ports['mongo']}/"
    client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(
        url,
        username="switchyard",
        password=site.secrets["mongo"],
        authSource="admin",
        serverSelectionTimeoutMS=_SECONDS * 1000,
    )
    with client:
        collection = client["switchyard_stack"]["health"]
        name = uuid.uuid4().hex
        collection.insert_one({"_id": name})
        document = collection.find_one_and_delete({"_id": name})
        version = client.server_info()["version"]
    if document is None:
        raise Unhealthy("a document that was inserted was not found")
    return f"speaks MongoDB {version}, insert and find"


def check_namenode(site: Site) -> str:
    """The NameNode's own word: its namespace is loaded. Files need the DataNode too."""
    return f"{_namenode_info(site)['SoftwareVersion']}, namespace loaded"


def _namenode_info(site: Site) -> dict[str, Any]:
    url = f"http://{LOOPBACK}:{site.ports['namenode_http']}/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo"
    beans = _get_json(url)["beans"]
    if not beans:
        raise Unhealthy("the namespace is not loaded yet")
    return cast("dict[str, Any]", beans[0])


def check_datanode(site: Site) -> str:
    """Out of safe mode, and a file written by RPC, read by WebHDFS, deleted."""
    import hdfs_native

    if safe_mode := _namenode_info(site)["Safemode"]:
        raise Unhealthy(f"safe mode: {safe_mode}")
    _require_reported(site)
    client = hdfs_native.Client(f"hdfs://{LOOPBACK}:{site.ports['namenode']}")
    path = f"/tmp/health-{uuid.uuid4().hex}"  # noqa: S108  (in HDFS)
    text = b"written"
    with client.create(path) as file:
        file.write(text)
    url = f"http://{LOOPBACK}:{site.ports['namenode_http']}/webhdfs/v1{path}?op=OPEN"
    with urllib.request.urlopen(url, timeout=_SECONDS) as response:
        back = response.read()
    client.delete(path)
    if back != text:
        raise Unhealthy("a file read differs from what was written")
    return "a file written, read, deleted"


def _require_reported(site: Site) -> None:
    """Ask the DataNode itself first: a client that meets a DataNode which is not up yet retries for half a minute."""
    url = f"http://{LOOPBACK}:{site.ports['datanode_http']}/jmx?qry=Hadoop:service=DataNode,name=DataNodeInfo"
    beans = _get_json(url)["beans"]
    actors = json.loads(beans[0]["BPServiceActorInfo"]) if beans else []
    if not actors or any(actor["ActorState"] != "RUNNING" for actor in actors):
        raise Unhealthy("the DataNode has not reported to the NameNode yet")


def check_metastore(site: Site) -> str:
    """A Thrift call that reads the metastore's database."""
    from pymetastore.hive_metastore import ThriftHiveMetastore
    from thrift.protocol.TBinaryProtocol import TBinaryProtocol
    from thrift.transport import TSocket, TTransport

    transport_socket = TSocket.TSocket(LOOPBACK, site.ports["metastore"])
    transport_socket.setTimeout(_SECONDS * 1000)
    transport = TTransport.TBufferedTransport(transport_socket)
    transport.open()
    try:
        databases = ThriftHiveMetastore.Client(TBinaryProtocol(transport)).get_all_databases()
    finally:
        transport.close()
    return f"{len(databases)} database{'s' if len(databases) != 1 else ''} listed"


def check_hiveserver2(site: Site) -> str:
    """`select 1` answered."""
    from impala.dbapi import connect  # type: ignore[import-untyped]

    with connect(LOOPBACK, site.ports["hiveserver2"], auth_mechanism="NOSASL", timeout=20) as connection:
        cursor = connection.cursor()
        cursor.execute("select 1")
        if cursor.fetchall() != [(1,)]:
            raise Unhealthy("select 1 was not 1")
        cursor.close()
    return "select 1 answered"


def airflow_check(component: str) -> Check:
    """The API server's own report on one component."""

    def check(site: Site) -> str:
        report = _get_json(f"http://{LOOPBACK}:{site.ports['airflow']}/api/v2/monitor/health")
        status = (report.get(component) or {}).get("status")
        if status != "healthy":
            raise Unhealthy(f"{component} is {status or 'not known yet'}")
        return "healthy by its heartbeat" if component != "metadatabase" else "answers, reaches its database"

    return check


def _get_json(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=_SECONDS) as response:  # noqa: S310  (a constant http URL)
        return cast("dict[str, Any]", json.load(response))
