"""Thrift transports to HiveServer2 and the metastore: plain or TLS, with or without a login."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from thrift.transport.TSocket import TSocket
from thrift.transport.TSSLSocket import TSSLSocket
from thrift.transport.TTransport import TBufferedTransport, TTransportBase

from switchyard.connections.hive import NO_SASL, ThriftAccess

if TYPE_CHECKING:
    from pyhive.sasl_compat import PureSASLClient

    from switchyard.connections import Connection

_ANY_PASSWORD = "x"  # noqa: S105 - a word that nobody looks at
"""HiveServer2 with `hive.server2.authentication=NONE` looks at none, and SASL's PLAIN must not have an empty one."""


class _TlsSocket(TSSLSocket):  # type: ignore[misc]  # thrift has no types
    """A TLS socket that closes after a handshake that failed: thrift 0.25 raises then, and hides why it failed."""

    def close(self) -> None:
        if self.handle is not None:
            super().close()


def make_transport(connection: Connection, access: ThriftAccess, port: int, timeout_ms: int | None) -> TTransportBase:
    """A transport that is not open yet; `port` is that of a connection which has none."""
    socket = _make_socket(connection, access, port)
    socket.setTimeout(timeout_ms)
    if access.mechanism == NO_SASL:
        return TBufferedTransport(socket)
    from thrift_sasl import TSaslClientTransport

    return TSaslClientTransport(lambda: _plain_login(connection), "PLAIN", socket)


def _make_socket(connection: Connection, access: ThriftAccess, port: int) -> TSocket:
    host = connection.host or "localhost"
    if not access.tls:
        return TSocket(host, connection.port or port)
    context = ssl.create_default_context(cafile=access.ca_cert or None)
    return _TlsSocket(host, connection.port or port, ssl_context=context, server_hostname=host)


def _plain_login(connection: Connection) -> PureSASLClient:
    from pyhive.sasl_compat import PureSASLClient

    login = connection.login or "airflow"  # as HiveServer2Hook has it
    return PureSASLClient(connection.host, username=login, password=connection.password or _ANY_PASSWORD)
