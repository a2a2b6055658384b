"""What an error of a server's client means: a server that is down is asked again, a refusal is not."""

import pytest

from switchyard.connections import Connection
from switchyard.errors import ConnectionUnusable, ServerUnavailable, SwitchyardError
from switchyard.lake.hdfs import Hdfs
from switchyard.lake.hive import Hive
from switchyard.lake.java_words import shorten
from switchyard.serve.cache.connection import connect as connect_redis
from switchyard.serve.mongo.connection import connect as connect_mongo
from switchyard.serve.mongo.target import MongoTarget

DENIED = 'Permission denied: user=grid, access=WRITE, inode="/lake":hdfs:supergroup:drwxr-xr-x'


@pytest.mark.parametrize(
    ("error", "kind", "what", "cure"),
    [
        (
            OSError("Connection refused (os error 111)"),
            ServerUnavailable,
            "NameNode at nn:8020 does not answer",
            "start",
        ),
        (OSError("failed to lookup address information"), ServerUnavailable, "does not answer", "host and port"),
        (
            RuntimeError(f"RPC error: AccessControlException: {DENIED}"),
            ConnectionUnusable,
            "let user grid list",
            "that right",
        ),
        (PermissionError(DENIED), ConnectionUnusable, "does not let user grid", "give the user that right"),
        (
            RuntimeError("org.apache.hadoop.hdfs.server.namenode.SafeModeException"),
            ServerUnavailable,
            "safe mode",
            "wait",
        ),
        (
            RuntimeError("Insufficient blocks succeeded during write"),
            ServerUnavailable,
            "could not list /x",
            "DataNodes",
        ),
        (RuntimeError(""), ServerUnavailable, "could not list /x: RuntimeError", "DataNodes"),
    ],
)
def test_an_error_of_hdfs(error: Exception, kind: type[SwitchyardError], what: str, cure: str) -> None:
    hdfs = Hdfs(Connection("lake_hdfs", "hdfs", "nn", 8020))
    hdfs.connection = Connection("lake_hdfs", "hdfs", "nn", 8020, "grid")
    with pytest.raises(kind, match=what) as caught, hdfs._explained("list /x"):
        raise error
    assert cure in caught.value.cure
    assert caught.value.where == "connection lake_hdfs"


STACK = "\\n\\tat org.apache.hadoop.hdfs.server.namenode.FSPermissionChecker.check(FSPermissionChecker.java:661)" * 30
SAYS = {
    "security.AccessControlException": (DENIED, ConnectionUnusable, "give the user that right"),
    "hdfs.protocol.DSQuotaExceededException": (
        "The DiskSpace quota of /lake is exceeded",
        ServerUnavailable,
        "quota (",
    ),
    "hdfs.protocol.NSQuotaExceededException": (
        "The NameSpace quota of /lake is exceeded",
        ServerUnavailable,
        "quota (",
    ),
    "hdfs.server.namenode.SafeModeException": ("Name node is in safe mode", ServerUnavailable, "safe mode"),
    "ipc.StandbyException": ("Operation category WRITE is not supported", ServerUnavailable, "DataNodes"),
}


@pytest.mark.parametrize("stack", [STACK, ""])
@pytest.mark.parametrize("name", SAYS)
def test_what_the_namenode_says_is_told_without_javas_stack(name: str, stack: str) -> None:
    words, kind, cure = SAYS[name]
    escaped = words.replace('"', '\\"')
    hdfs = Hdfs(Connection("lake_hdfs", "hdfs", "nn", 8020))
    with pytest.raises(kind) as caught, hdfs._explained("make /lake/x"):
        raise RuntimeError(f'RPCError("org.apache.hadoop.{name}", "{escaped}{stack}")')
    assert caught.value.what.endswith(f"make /lake/x: {name.rpartition('.')[2]}: {words}")
    assert cure in caught.value.cure


def test_a_way_to_log_in_that_hives_client_does_not_have_is_refused() -> None:
    hive = Hive(Connection("lake_hive", "hiveserver2", "127.0.0.1", 1, "grid", extra={"auth_mechanism": "MAGIC"}))
    with pytest.raises(ConnectionUnusable, match="auth_mechanism"):
        hive.query("select 1")


def test_a_hiveserver2_that_is_down_is_asked_again() -> None:
    with pytest.raises(ServerUnavailable, match="does not answer"):
        Hive(Connection("lake_hive", "hiveserver2", "127.0.0.1", 1)).query("select 1")


@pytest.mark.parametrize(
    "connection",
    [
        Connection("c", "redis", "h", extra={"cluster": True}),
        Connection("c", "redis", "h", extra={"db": "first"}),
        Connection("c", "mongo", "h", schema="d", extra={"nonsense": 1, "tls": "perhaps"}),
        Connection("c", "mongo", "h"),
    ],
)
def test_a_connection_that_cannot_be_right_is_not_asked_again(connection: Connection) -> None:
    with pytest.raises(ConnectionUnusable) as caught:
        if connection.conn_type == "redis":
            connect_redis(connection)
        elif connection.schema:
            connect_mongo(connection)
        else:
            MongoTarget(connection)
    assert not caught.value.retryable


def test_hives_words_have_the_first_line_and_the_cause_at_the_bottom() -> None:
    trace = (
        "FAILED: Vertex failed, java.lang.RuntimeException: closing\n\tat a.B(C.java:1)\n"
        "Caused by: java.lang.RuntimeException: y\n\tat d.E(F.java:2)\n\t... 9 more\n"
        "Caused by: DSQuotaExceededException: The DiskSpace quota of /x is exceeded\n\tat g.H(I.java:3)\n"
        "], TaskAttempt 1 failed, info=[Error\n\tat z\nCaused by: another try's\n]"
    )
    first, cause = trace.splitlines()[0], "Caused by: DSQuotaExceededException: The DiskSpace quota of /x is exceeded"
    assert shorten(trace) == f"{first}\n  {cause}"
    assert shorten("one\ntwo\nthree\nfour\nfive") == "one\n  two\n  three\n  four"
    assert shorten("") == ""
    assert len(shorten("x" * 10_000)) < 1_000
