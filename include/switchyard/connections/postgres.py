"""The `extra` of a PostgreSQL connection, in the words of libpq and in those of pgjdbc. Pure, but for key files.

Airflow's hook hands every extra to libpq. Here each one is honoured by every client of the connection (preflight,
Sqoop, diff, the ledger, metadata_sync), or refused by its name: none is dropped, because a dropped `sslmode` is a
server that nobody has verified.

Source: libpq's list of connection parameters (PostgreSQL 17, 32.1.2); org.postgresql.PGProperty of pgjdbc 42.7;
PostgresHook of Airflow's provider 7.1.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from switchyard.connections.extras import FLAG, KERBEROS, Extra, KnownExtras, read_file, unusable
from switchyard.connections.sources import Connection

_CONNECT_SECONDS = "10"
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_JDBC_FLAG = {"1": "true", "0": "false"}
_SERVER_TYPES = {
    "any": "any",
    "read-write": "primary",
    "primary": "primary",
    "standby": "secondary",
    "read-only": "secondary",
    "prefer-standby": "preferSecondary",
}
_GSS_MODES = ("disable", "prefer", "require")
_BINDINGS = ("disable", "prefer", "require")


@dataclass(frozen=True)
class PostgresExtra(Extra):
    """One extra that is honoured, by both drivers.

    Args:
        jdbc: its name in pgjdbc's URL; empty: pgjdbc has nothing like it, and Sqoop's session goes without.
        in_jdbc: pgjdbc's word for a value, where it is another one.
    """

    jdbc: str = ""
    in_jdbc: Mapping[str, str] = field(default_factory=dict)


HONOURED: Mapping[str, PostgresExtra] = {
    "sslmode": PostgresExtra(_SSL_MODES, jdbc="sslmode"),
    "sslrootcert": PostgresExtra(file=True, jdbc="sslrootcert"),
    "sslcert": PostgresExtra(file=True, jdbc="sslcert"),
    "sslkey": PostgresExtra(file=True, jdbc="sslkey"),
    "gssencmode": PostgresExtra(_GSS_MODES, jdbc="gssEncMode"),
    "channel_binding": PostgresExtra(_BINDINGS, jdbc="channelBinding"),
    "options": PostgresExtra(jdbc="options"),
    "connect_timeout": PostgresExtra(number=True, jdbc="connectTimeout"),
    "application_name": PostgresExtra(jdbc="ApplicationName"),
    "target_session_attrs": PostgresExtra(tuple(_SERVER_TYPES), jdbc="targetServerType", in_jdbc=_SERVER_TYPES),
    "keepalives": PostgresExtra(FLAG, jdbc="tcpKeepAlive", in_jdbc=_JDBC_FLAG),
    "keepalives_idle": PostgresExtra(number=True),
    "keepalives_interval": PostgresExtra(number=True),
    "keepalives_count": PostgresExtra(number=True),
    "tcp_user_timeout": PostgresExtra(number=True),
}
"""By libpq's name. What pgjdbc lacks are timings of TCP, by which no row and no secret changes."""

_KEYS = {bytes.fromhex("2a8648ce3d0201"): "EC", bytes.fromhex("06032b6570"): "Ed25519"}
"""Object id of an algorithm, as DER has it."""
_FIELD = "write it in the connection's own field"
_CLOUD = "a cloud's token is not fetched here: write a password into the connection"
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("host", "hostaddr", "port", "dbname", "user", "password"), _FIELD),
    **dict.fromkeys(("service", "servicefile", "passfile"), "write host, login and password into the connection"),
    **dict.fromkeys(("iam", "aws_conn_id", "azure_conn_id"), _CLOUD),
    **dict.fromkeys(("redshift", "redshift-serverless", "cluster-identifier", "workgroup-name"), _CLOUD),
    "client_encoding": "leave it out: every session here is in UTF-8",
    "sslpassword": "leave it out, and give sslkey a key without a passphrase that only the worker's user can read",
    "sslcrl": "leave it out: Sqoop's driver reads no revocation list, and one client that does is no protection",
    "sslcrldir": "leave it out: Sqoop's driver reads no revocation list, and one client that does is no protection",
    "sslnegotiation": "leave it out: Sqoop's and Python's drivers must open TLS in one way",
    "require_auth": "leave it out; set the methods in the server's pg_hba.conf",
    "krbsrvname": KERBEROS,
    "gsslib": KERBEROS,
    "gssdelegation": KERBEROS,
    "requiressl": "write sslmode: require",
    "replication": "leave it out: a load reads by SQL",
}
"""Extras that libpq or Airflow's hook knows and we cannot honour everywhere, each with what to do."""

UNUSED = ("cursor", "sqlalchemy_scheme", "sqlalchemy_query", "enable_log_db_messages")
"""Extras of Airflow's hook that shape only the hook's own Python objects: nothing here is changed by them."""
_KNOWN = KnownExtras("PostgreSQL", HONOURED, REFUSED, UNUSED)


@dataclass(frozen=True)
class PostgresExtras:
    """What `extra` asks of a session.

    Args:
        libpq: parameters by libpq's names, for psycopg and SQLAlchemy; texts.
        jdbc: parameters of pgjdbc's URL, for Sqoop.
        python_only: names that Sqoop's session goes without; the preflight says so.
    """

    libpq: Mapping[str, str]
    jdbc: Mapping[str, str]
    python_only: tuple[str, ...]


def read_extras(connection: Connection) -> PostgresExtras:
    """Judge and translate the extras of a PostgreSQL connection; raises ConnectionUnusable, by name and with a cure."""
    if connection.extra.get("sslrootcert") == "system":
        cure = "set extra.sslrootcert to the file with the CA's certificates"
        raise unusable(connection, "extra.sslrootcert is 'system', which libpq knows and Sqoop's driver does not", cure)
    libpq = _KNOWN.read(connection)
    if "keepalives" in libpq:
        libpq["keepalives"] = {"true": "1", "false": "0"}[libpq["keepalives"]]
    jdbc = {
        extra.jdbc: extra.in_jdbc.get(libpq[name], libpq[name])
        for name, extra in HONOURED.items()
        if name in libpq and extra.jdbc
    }
    if libpq.get("sslmode") == "require" and "sslrootcert" in libpq:
        jdbc["sslmode"] = "verify-ca"  # as libpq takes it; pgjdbc would not look at the certificate
    if "sslkey" in libpq:
        key = read_file(connection, "sslkey", libpq["sslkey"])
        _require_plain_pkcs8(connection, libpq["sslkey"], key)
        jdbc["pemKeyAlgorithm"] = _key_algorithm(key)
    return PostgresExtras(libpq, jdbc, tuple(name for name in libpq if not HONOURED[name].jdbc))


def libpq_parameters(connection: Connection, options: str = "") -> dict[str, str]:
    """What psycopg and SQLAlchemy are given beside the address; raises ConnectionUnusable.

    `options` are startup options of ours; they come after those of the connection, so that they win.
    """
    parameters = {
        "connect_timeout": _CONNECT_SECONDS,
        "application_name": "switchyard",
        **read_extras(connection).libpq,
    }
    options = f"{parameters.get('options', '')} {options}".strip()
    return {**parameters, "options": options} if options else parameters


def write_conninfo(connection: Connection, parameters: Mapping[str, str]) -> str:
    """What psycopg connects with; `parameters` are those of `libpq_parameters`. It holds the password."""
    from psycopg.conninfo import make_conninfo

    return make_conninfo(
        host=connection.host,
        port=connection.port or 5432,
        user=connection.login,
        password=connection.password,
        dbname=connection.schema,
        client_encoding="UTF8",
        **parameters,
    )


def _require_plain_pkcs8(connection: Connection, path: str, key: bytes) -> None:
    """Raise for a key that libpq can read and pgjdbc cannot."""
    head = key[:64]
    if b"ENCRYPTED" in head:
        raise unusable(
            connection,
            "the key in extra.sslkey has a passphrase, which nobody could type",
            "set extra.sslkey to a key without a passphrase that only the worker's user can read",
        )
    if head.startswith(b"-----BEGIN") and b"BEGIN PRIVATE KEY" not in head:
        convert = f"openssl pkcs8 -topk8 -nocrypt -in {path} -out {path}.pk8.pem"
        what = "the key in extra.sslkey is not in PKCS#8, and Sqoop's driver reads no other form"
        raise unusable(connection, what, f"convert it: {convert}; then set extra.sslkey to {path}.pk8.pem")


def _key_algorithm(key: bytes) -> str:
    """Java's name for what a PKCS#8 key is of; pgjdbc would take every PEM file for RSA. Source: RFC 5208, 8410."""
    if key.startswith(b"-----BEGIN"):
        key = base64.b64decode(b"".join(line for line in key.splitlines() if not line.startswith(b"-----")))
    return next((name for object_id, name in _KEYS.items() if object_id in key[:64]), "RSA")
