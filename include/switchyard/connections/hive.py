"""The `extra` of a HiveServer2 and of a metastore connection: how a client logs in, and whether it asks for TLS.

`auth_mechanism` is the name that Airflow's HiveServer2Hook reads; the hook has no TLS, so its names are impyla's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from switchyard.connections.extras import FLAG, KERBEROS, Extra, KnownExtras, unusable
from switchyard.connections.sources import Connection
from switchyard.connections.tls import TlsExtras

NO_SASL = "NOSASL"
_WITH_PASSWORD = ("LDAP", "CUSTOM")
_KERBEROS = ("KERBEROS", "GSSAPI")
_TLS = {"use_ssl": Extra(FLAG), "ca_cert": Extra(file=True)}
_NO_HTTP = (
    "leave it out: the metastore is spoken to by its binary protocol, metastore.server.thrift.transport.mode=binary"
)
_HTTP_PATH = "cliservice"
"""Hive's default of `hive.server2.thrift.http.path`; impyla's is empty."""

TLS_EXTRAS = TlsExtras("use_ssl", "ca_cert")
_TIMEOUT = {"timeout": Extra(number=True)}
"""impyla's name: seconds that a server has for one call. A statement that runs for hours is many short calls."""
HIVESERVER2: Mapping[str, Extra] = {
    "auth_mechanism": Extra((NO_SASL, "NONE", *_WITH_PASSWORD)),
    **_TLS,
    **_TIMEOUT,
    "use_http_transport": Extra(FLAG),
    "http_path": Extra(),
}
METASTORE: Mapping[str, Extra] = {"auth_mechanism": Extra((NO_SASL, "NONE")), **_TLS, **_TIMEOUT}
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("kerberos_service_name", "principal"), KERBEROS),
    "proxy_user": "leave it out: the connection's login is the user",
    "high_availability": "leave it out, and name one server: ZooKeeper is not asked",
    "use_beeline": "leave it out: no command line of Hive's is run",
}
METASTORE_REFUSED: Mapping[str, str] = {
    **REFUSED,
    **dict.fromkeys(("use_http_transport", "http_path"), _NO_HTTP),
}
UNUSED = ("run_set_variable_statements",)
"""An extra of HiveServer2Hook, which sets Airflow's variables in Hive by it; no statement here depends on them."""

_OF_SERVER = KnownExtras("HiveServer2", HIVESERVER2, REFUSED, UNUSED)
_OF_METASTORE = KnownExtras("metastore", METASTORE, METASTORE_REFUSED, UNUSED)


@dataclass(frozen=True)
class ThriftAccess:
    """How a client comes in.

    Args:
        mechanism: NOSASL: no handshake; else SASL's PLAIN, with the connection's login and password. By HTTP these are
            in every request.
        tls: whether TLS is asked for; the certificate and the host name are always verified.
        ca_cert: file of the CA's certificates; empty: those of the system.
        http_path: where the service is below the server's URL; None: Hive's binary protocol, not HTTP.
        timeout: seconds that the server has for one call; None: the connection does not say.
    """

    mechanism: str
    tls: bool
    ca_cert: str
    http_path: str | None = None
    timeout: int | None = None

    @property
    def described(self) -> str:
        """`auth_mechanism NOSASL, without TLS, by the binary protocol`, for messages."""
        protocol = "the binary protocol" if self.http_path is None else f"HTTP at /{self.http_path}"
        return f"auth_mechanism {self.mechanism}, {'with' if self.tls else 'without'} TLS, by {protocol}"


def hiveserver2_access(connection: Connection) -> ThriftAccess:
    """How HiveServer2 is opened; raises ConnectionUnusable for an extra that cannot be honoured.

    A missing `auth_mechanism` is NOSASL, as it always was here; Airflow's hook takes it for NONE.
    """
    access = _read(connection, _OF_SERVER)
    if access.mechanism in _WITH_PASSWORD and not (connection.login and connection.password):
        what = f"auth_mechanism {access.mechanism} needs a login and a password, and the connection lacks one of them"
        raise unusable(connection, what, "write login and password into the connection")
    return access


def metastore_access(connection: Connection) -> ThriftAccess:
    """How the metastore is opened, as `hiveserver2_access`; it has no passwords."""
    access = _read(connection, _OF_METASTORE)
    return ThriftAccess(NO_SASL, access.tls, access.ca_cert, timeout=access.timeout)


def _read(connection: Connection, all_extras: KnownExtras) -> ThriftAccess:
    if str(connection.extra.get("auth_mechanism", "")).upper() in _KERBEROS:
        raise unusable(connection, "Kerberos is not supported yet", _without_kerberos(all_extras))
    extras = all_extras.read(connection)
    tls = extras.get("use_ssl") == "true"
    if "ca_cert" in extras and not tls:
        what = "extra.ca_cert is set and extra.use_ssl is not true, so that no certificate would be verified"
        raise unusable(connection, what, "set extra.use_ssl to true, or remove extra.ca_cert")
    return ThriftAccess(
        extras.get("auth_mechanism", NO_SASL),
        tls,
        extras.get("ca_cert", ""),
        _http_path(connection, extras),
        _timeout(connection, extras),
    )


def _timeout(connection: Connection, extras: Mapping[str, str]) -> int | None:
    text = extras.get("timeout")
    if text is not None and int(text) == 0:
        what = "extra.timeout is 0, so that no call could be answered"
        raise unusable(connection, what, "write the seconds that one call may take, e.g. 300, or remove it")
    return None if text is None else int(text)


def _http_path(connection: Connection, extras: Mapping[str, str]) -> str | None:
    path = extras.get("http_path")
    if extras.get("use_http_transport") == "true":
        return (path or _HTTP_PATH).strip("/")
    if path is not None:
        what = "extra.http_path is set and extra.use_http_transport is not true, so that it would not be used"
        raise unusable(connection, what, "set extra.use_http_transport to true, or remove extra.http_path")
    return None


def _without_kerberos(all_extras: KnownExtras) -> str:
    supported = all_extras.honoured["auth_mechanism"].values
    return f"use a server that takes another login, and set extra.auth_mechanism to {' or '.join(supported)}"
