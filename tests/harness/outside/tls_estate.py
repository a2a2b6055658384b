"""HiveServer2, metastore, MongoDB stand-in and Redis, all by TLS only, and the connections that lead to them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.outside.certificates import Authority
from harness.outside.grounds import CACHE, MONGO
from harness.outside.tls_servers import (
    LOGIN,
    PASSWORD,
    TlsServer,
    open_tls_hiveserver2,
    open_tls_metastore,
    open_tls_mongo,
    open_tls_redis,
)

HIVE, METASTORE = "lake_hive", "lake_metastore"


@dataclass(frozen=True)
class TlsEstate:
    """The four servers, by the connection of the stack that each stands in for, and the extras that reach it."""

    servers: dict[str, TlsServer]
    extras: dict[str, dict[str, Any]]

    def fields(self, like: str, **over: Any) -> dict[str, Any]:
        """Fields of a connection to the server that stands in for `like`, some of them changed."""
        server = self.servers[like]
        login = {"login": LOGIN, "password": PASSWORD} if like == HIVE else {"login": None, "password": None}
        by_http = over.get("extra", {}).get("use_http_transport")
        port = server.http_port if by_http else server.port
        return {"host": "localhost", "port": port, **login, "extra": self.extras[like], **over}


@contextlib.contextmanager
def open_tls_estate(make_directory: Callable[[str], Path], authority: Authority) -> Iterator[TlsEstate]:
    """Start the four with certificates of this CA, and with client certificates where the server asks for one."""
    client = authority.issue("client", [])
    both = client.certificate.with_name("client.pem")
    both.write_bytes(client.key.read_bytes() + client.certificate.read_bytes())
    ca = str(authority.file)
    extras = {
        HIVE: {"auth_mechanism": "CUSTOM", "use_ssl": True, "ca_cert": ca},
        METASTORE: {"use_ssl": True, "ca_cert": ca},
        MONGO: {"tls": True, "tlsCAFile": ca, "tlsCertificateKeyFile": str(both)},
        CACHE: {
            "ssl": True,
            "ssl_ca_certs": ca,
            "ssl_certfile": str(client.certificate),
            "ssl_keyfile": str(client.key),
        },
    }
    with (
        open_tls_redis(make_directory("redis"), authority) as redis,
        open_tls_mongo(make_directory("mongo"), authority) as mongo,
        open_tls_metastore(make_directory("metastore"), authority) as metastore,
        open_tls_hiveserver2(make_directory("hiveserver2"), authority) as hive,
    ):
        yield TlsEstate({HIVE: hive, METASTORE: metastore, MONGO: mongo, CACHE: redis}, extras)
