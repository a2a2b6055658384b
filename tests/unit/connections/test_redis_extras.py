"""Every extra of a Redis connection is honoured as RedisHook does, or refused by its name; none is dropped."""

from __future__ import annotations

from typing import Any

import pytest

from switchyard.connections import Connection
from switchyard.connections.redis import HONOURED, REFUSED, read_extras
from switchyard.errors import ConnectionUnusable
from switchyard.serve.cache.connection import connect

OF_THE_HOOK = {"db", "ssl", "ssl_cert_reqs", "ssl_ca_certs", "ssl_keyfile", "ssl_certfile", "ssl_check_hostname"}
"""Read by RedisHook 4.4; the provider is not among our packages."""
SECRET = "a value that no message shows"


def connection(schema: str = "", **extra: Any) -> Connection:
    return Connection("cache", "redis", "cache.example", 6379, "", "pw", schema, extra)


def refusal(**extra: Any) -> ConnectionUnusable:
    with pytest.raises(ConnectionUnusable) as caught:
        read_extras(connection(**extra))
    assert caught.value.where == "connection cache"
    assert caught.value.cure
    assert SECRET not in str(caught.value)
    return caught.value


def test_all_that_airflows_hook_reads_is_honoured() -> None:
    assert set(HONOURED) >= OF_THE_HOOK


@pytest.mark.parametrize(
    ("extra", "client"),
    [
        ({}, {}),
        ({"ssl": False}, {}),
        ({"ssl": True}, {"ssl": True}),
        ({"ssl": "1", "ssl_ca_certs": __file__}, {"ssl": True, "ssl_ca_certs": __file__}),
        ({"ssl": True, "ssl_check_hostname": False}, {"ssl": True, "ssl_check_hostname": False}),
        (
            {"ssl": True, "ssl_certfile": __file__, "ssl_keyfile": __file__},
            {"ssl": True, "ssl_certfile": __file__, "ssl_keyfile": __file__},
        ),
        (
            {"ssl": True, "ssl_cert_reqs": "none", "ssl_check_hostname": True},
            {"ssl": True, "ssl_cert_reqs": "none", "ssl_check_hostname": False},
        ),
    ],
)
def test_tls_reaches_the_client(extra: dict[str, Any], client: dict[str, Any]) -> None:
    assert read_extras(connection(**extra)).tls == client
    kwargs = connect(connection(**extra)).connection_pool.connection_kwargs
    assert {name: kwargs[name] for name in client if name != "ssl"} == {k: v for k, v in client.items() if k != "ssl"}


@pytest.mark.parametrize(
    ("schema", "extra", "database"), [("", {}, 0), ("3", {}, 3), ("3", {"db": 0}, 0), ("", {"db": "12"}, 12)]
)
def test_the_database_is_a_number(schema: str, extra: dict[str, Any], database: int) -> None:
    given = connection(schema, **extra)
    assert read_extras(given).database == database
    assert connect(given).connection_pool.connection_kwargs["db"] == database


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_extra_is_named(name: str) -> None:
    assert name in refusal(**{name: SECRET}).what


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"ssl_ca_cert": "/ca.pem"}, "did you mean 'ssl_ca_certs'?"),
        ({"nonsense_of_ours": SECRET}, "leave it out"),
        ({"ssl": "verify"}, "write one of true, false, 1, 0"),
        ({"ssl": True, "ssl_cert_reqs": "require"}, "write one of required, optional, none"),
        ({"ssl": True, "ssl_ca_certs": "/nonexistent/ca.pem"}, "'ssl_ca_certs' cannot be read"),
        ({"ssl_ca_certs": __file__}, "nothing would be encrypted"),
        ({"ssl": False, "ssl_check_hostname": True}, "nothing would be encrypted"),
        ({"db": "one"}, "is not a whole number"),
        ({"db": None}, "is a list, an object or null"),
        ({"db": -1}, "is not a whole number"),
    ],
)
def test_a_wrong_name_or_value_is_refused(extra: dict[str, Any], words: str) -> None:
    assert words in str(refusal(**extra))


def test_a_schema_that_is_no_number_is_refused() -> None:
    with pytest.raises(ConnectionUnusable, match="database 'grid' is not a number"):
        read_extras(connection("grid"))
