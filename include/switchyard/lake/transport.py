"""Thrift transports to HiveServer2 and the metastore: binary or HTTP, plain or TLS, with or without a login."""

from __future__ import annotations

import ssl
from base64 import b64encode
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.parse import quote

from thrift.transport.THttpClient import THttpClient
from thrift.transport.TSocket import TSocket
from thrift.transport.TSSLSocket import TSSLSocket
from thrift.transport.TTransport import TBufferedTransport, TTransportBase, TTransportException

from switchyard.connections.hive import NO_SASL, ThriftAccess

if TYPE_CHECKING:
    from pyhive.sasl_compat import PureSASLClient

    from switchyard.connections import Connection

_ANY_LOGIN = "airflow"
"""HiveServer2Hook's."""
_ANY_PASSWORD = "x"  # noqa: S105 - a word that nobody looks at
"""HiveServer2 with `hive.server2.authentication=NONE` looks at none, and SASL's PLAIN must not have an empty one."""
_OK = 200


class _TlsSocket(TSSLSocket):  # type: ignore[misc]  # thrift has no types
    """A TLS socket that closes after a handshake that failed: thrift 0.25 raises then, and hides why it failed."""

    def close(self) -> None:
        if self.handle is not None:
            super().close()


class _Http(THttpClient):  # type: ignore[misc]  # thrift has no types
    """A transport whose errors are Thrift's: THttpClient hands on the page of an error as if it were an answer."""

    def close(self) -> None:
        if self.isOpen():
            super().close()

    def flush(self) -> None:
        try:
            super().flush()
        except HTTPException as error:
            raise TTransportException(message=f"no answer in HTTP: {error or type(error).__name__}") from error
        if self.code != _OK:
            raise TTransportException(message=f"HTTP {self.code} {self.message}")


def make_transport(connection: Connection, access: ThriftAccess, port: int, seconds: int) -> TTransportBase:
    """A transport that is not open yet; each call on it ends, with an error after so many seconds.

    Args:
        connection: to a server.
        access: how it is opened.
        port: of a connection which has none.
        seconds: for a connection whose extra `timeout` does not say.
    """
    timeout_ms = 1000 * (access.timeout or seconds)
    if access.http_path is not None:
        return _make_http(connection, access, access.http_path, port, timeout_ms)
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
    return _TlsSocket(host, connection.port or port, ssl_context=_tls_context(access), server_hostname=host)


def _make_http(connection: Connection, access: ThriftAccess, path: str, port: int, timeout_ms: int) -> TTransportBase:
    """Every request has the login; THttpClient takes a proxy from the environment, as HTTP's clients do."""
    host = connection.host or "localhost"
    scheme = "https" if access.tls else "http"
    url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{connection.port or port}/{quote(path)}"
    transport = _Http(url, ssl_context=_tls_context(access) if access.tls else None)
    login = f"{connection.login or _ANY_LOGIN}:{connection.password or _ANY_PASSWORD}"
    transport.setCustomHeaders({"Authorization": f"Basic {b64encode(login.encode()).decode()}"})
    transport.setTimeout(timeout_ms)
    return transport


def _tls_context(access: ThriftAccess) -> ssl.SSLContext:
    """Certificate and host name are verified."""
    return ssl.create_default_context(cafile=access.ca_cert or None)


def _plain_login(connection: Connection) -> PureSASLClient:
    from pyhive.sasl_compat import PureSASLClient

    login = connection.login or _ANY_LOGIN
    return PureSASLClient(connection.host, username=login, password=connection.password or _ANY_PASSWORD)
