"""An exception of Thrift's is immutable: none may leave the connection as it is."""

import socket
from collections.abc import Iterator

import pytest
from pymetastore.hive_metastore.ttypes import InvalidObjectException, MetaException, NoSuchObjectException
from thrift.Thrift import TApplicationException

from switchyard.connections import Connection
from switchyard.errors import StepFailed
from switchyard.lake.metastore import Metastore


@pytest.fixture
def metastore() -> Iterator[Metastore]:
    """A metastore that can be connected to; it is asked for nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Metastore(Connection("lake_metastore", "hive_metastore", "127.0.0.1", server.getsockname()[1]))


@pytest.mark.parametrize(
    "refusal",
    [
        MetaException("Partition spec is incorrect"),
        InvalidObjectException("the columns differ"),
        NoSuchObjectException("no such table"),
        TApplicationException(TApplicationException.UNKNOWN_METHOD, "unknown method"),
    ],
)
def test_a_refusal_names_the_connection_and_keeps_the_words(metastore: Metastore, refusal: Exception) -> None:
    with pytest.raises(StepFailed, match=refusal.message) as failed, metastore.client():  # type: ignore[attr-defined]
        raise refusal
    assert "lake_metastore" in str(failed.value)


def test_a_refusal_that_brings_a_stack_of_java_along_is_told_by_its_words(metastore: Metastore) -> None:
    what = "The NameSpace quota (directories and files) of directory /lake/d is exceeded: quota=3 file count=4"
    frames = "\n".join(f"\tat org.apache.hadoop.Server.call{number}(Server.java:{number})" for number in range(30))
    with pytest.raises(StepFailed) as failed, metastore.client():
        raise MetaException(f"Got exception: NSQuotaExceededException {what}\n{frames}\n")
    assert what in failed.value.what
    assert "\tat " not in str(failed.value)
    assert len(str(failed.value).splitlines()) <= 3
