"""The `extra` of a Redis connection, as Airflow's RedisHook reads it. Pure, but for the files that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from switchyard.connections.extras import FLAG, Extra, KnownExtras, unusable
from switchyard.connections.sources import Connection
from switchyard.connections.tls import TlsExtras

TLS_EXTRAS = TlsExtras("ssl", "ssl_ca_certs", "ssl_certfile")
_TLS: Mapping[str, Extra] = {
    "ssl": Extra(FLAG),
    "ssl_cert_reqs": Extra(("required", "optional", "none")),
    "ssl_ca_certs": Extra(file=True),
    "ssl_certfile": Extra(file=True),
    "ssl_keyfile": Extra(file=True),
    "ssl_check_hostname": Extra(FLAG),
}
HONOURED: Mapping[str, Extra] = {"db": Extra(number=True), **_TLS, "switchyard_volatile": Extra(FLAG)}
_NO_FAILOVER = "leave it out, and name one Redis without replicas: a failover may bring back a gate with old values"
_ONE_FILE = "leave it out, and name one file with the CA's certificates: ssl_ca_certs"
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("cluster", "sentinel", "master_name"), _NO_FAILOVER),
    **dict.fromkeys(("ssl_ca_path", "ssl_ca_data"), _ONE_FILE),
    "ssl_password": "leave it out, and give ssl_keyfile a key without a passphrase",
}
_KNOWN = KnownExtras("Redis", HONOURED, REFUSED)


@dataclass(frozen=True)
class RedisExtras:
    """What `extra` asks for.

    Args:
        database: the number of the database.
        tls: parameters of redis-py's client, by its names; empty: no TLS.
        declared_volatile: the operator says that the server keeps nothing on disk, where it does not let us look.
    """

    database: int
    tls: Mapping[str, str | bool]
    declared_volatile: bool


def read_extras(connection: Connection) -> RedisExtras:
    """Judge the extras; raises ConnectionUnusable, by name and with a cure.

    The database is extra `db`, or else the connection's schema. A certificate and its host name are verified unless
    `ssl_cert_reqs` or `ssl_check_hostname` says otherwise.
    """
    extras = _KNOWN.read(connection)
    database = extras.get("db") or connection.schema or "0"
    if not database.isdecimal():
        raise unusable(
            connection, f"the Redis database {database!r} is not a number", "set extra.db to a number, e.g. 0"
        )
    tls = {name: extras[name] for name in _TLS if name in extras}
    if tls and tls.get("ssl") != "true":
        others = [name for name in tls if name != "ssl"]
        if others:
            what = f"extra {', '.join(others)} is set and extra.ssl is not true, so that nothing would be encrypted"
            raise unusable(connection, what, f"set extra.ssl to true, or remove {', '.join(others)}")
        tls = {}
    values = {name: value == "true" if HONOURED[name].values == FLAG else value for name, value in tls.items()}
    if values.get("ssl_cert_reqs") == "none":
        values["ssl_check_hostname"] = False  # a name says nothing when nobody vouches for it
    return RedisExtras(int(database), values, extras.get("switchyard_volatile") == "true")
