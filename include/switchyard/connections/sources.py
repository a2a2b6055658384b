"""Airflow connections, seen without importing Airflow.

Secrets come from Airflow connections only. A step that runs as its own process reads the same places that Airflow
reads first: the file of Airflow's LocalFilesystemBackend when it is the configured secrets backend, then
`AIRFLOW_CONN_<ID>` (URI or JSON). Inside a task, `switchyard.airflow.connections` supplies the rest (Vault, …).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from switchyard.connections.variables import read_variable
from switchyard.errors import ConnectionMissing, ConnectionNotHanded

if TYPE_CHECKING:
    from pydantic import JsonValue

_KWARGS = "AIRFLOW__SECRETS__BACKEND_KWARGS"

ConnectionFields: TypeAlias = "dict[str, JsonValue]"
"""A connection in Airflow's JSON form: `conn_type`, `host`, `port`, `login`, `password`, `schema`, `extra`."""


def ledger_connection_id() -> str:
    """Airflow connection of the ledger: `$SWITCHYARD_LEDGER`, by default `switchyard_ledger`."""
    return read_variable("SWITCHYARD_LEDGER", "switchyard_ledger")


@dataclass(frozen=True)
class Connection:
    """One Airflow connection. The password is kept out of `repr`."""

    conn_id: str
    conn_type: str
    host: str = ""
    port: int | None = None
    login: str = ""
    password: str = field(default="", repr=False)
    schema: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_uri(cls, conn_id: str, uri: str) -> Connection:
        """Parse Airflow's URI form: `type://login:password@host:port/schema?extra=…`."""
        parts = urlsplit(uri)
        extra: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
        if "__extra__" in extra:
            extra = {**read_extra(conn_id, extra.pop("__extra__")), **extra}
        return cls(
            conn_id=conn_id,
            conn_type=_normal_type(parts.scheme),
            host=unquote(parts.hostname or ""),
            port=parts.port,
            login=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            schema=unquote(parts.path.lstrip("/")),
            extra=extra,
        )

    @classmethod
    def from_fields(cls, conn_id: str, fields: Mapping[str, Any]) -> Connection:
        """Build from Airflow's JSON form (`conn_type`, `host`, `port`, `login`, `password`, `schema`, `extra`)."""
        port = fields.get("port")
        return cls(
            conn_id=conn_id,
            conn_type=_normal_type(str(fields.get("conn_type") or "")),
            host=fields.get("host") or "",
            port=int(port) if port else None,
            login=fields.get("login") or "",
            password=fields.get("password") or "",
            schema=fields.get("schema") or "",
            extra=read_extra(conn_id, fields.get("extra")),
        )

    def fields(self) -> ConnectionFields:
        """Airflow's JSON form, password included: for a pipe to our own child process, never for a log."""
        return {
            "conn_type": self.conn_type,
            "host": self.host,
            "port": self.port,
            "login": self.login,
            "password": self.password,
            "schema": self.schema,
            "extra": dict(self.extra),
        }

    @property
    def address(self) -> str:
        """`host:port`, safe to print."""
        return f"{self._bracketed}:{self.port}" if self.port else self.host

    @property
    def _bracketed(self) -> str:
        """The host as a URL holds it: IPv6 in brackets."""
        return f"[{self.host}]" if self.host.count(":") > 1 and not self.host.startswith("[") else self.host

    def url(self, scheme: str, default_port: int) -> str:
        """A URL of this connection under another scheme, password included: never for a log."""
        auth = f"{quote(self.login, safe='')}:{quote(self.password, safe='')}@" if self.login else ""
        return f"{scheme}://{auth}{self._bracketed}:{self.port or default_port}/{quote(self.schema, safe='')}"


class Connections(Protocol):
    """A source of connections, looked up by id."""

    def get(self, conn_id: str) -> Connection:
        """Return the connection; raises ConnectionMissing."""


@dataclass(frozen=True)
class GivenConnections:
    """Connections that the parent process handed over, as `{conn_id: fields}`."""

    by_id: Mapping[str, Mapping[str, Any]] = field(repr=False)

    def get(self, conn_id: str) -> Connection:
        """Return the connection; raises ConnectionMissing."""
        if conn_id not in self.by_id:
            raise ConnectionMissing(
                "Airflow has no connection with this id, so that the task could not hand it to this step",
                where=f"connection {conn_id}",
                cure=how_to_add(conn_id),
            )
        return Connection.from_fields(conn_id, self.by_id[conn_id])


@dataclass(frozen=True)
class CallConnections:
    """Connections that a task handed over; for another one, which only the ledger knew of, the task is asked.

    `absent` are ids that it was asked for and Airflow does not have.
    """

    handed: GivenConnections
    absent: frozenset[str] = frozenset()

    def get(self, conn_id: str) -> Connection:
        """Return the connection; raises ConnectionMissing when Airflow has none, else ConnectionNotHanded."""
        if conn_id not in self.handed.by_id and conn_id not in self.absent:
            raise ConnectionNotHanded(conn_id)
        return self.handed.get(conn_id)


@dataclass(frozen=True)
class EnvironmentConnections:
    """Connections of the environment: the local filesystem secrets backend's file, then `AIRFLOW_CONN_*`.

    In this order, because Airflow asks a configured backend before its environment: a task and a shell with the same
    variables must never use different servers.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def get(self, conn_id: str) -> Connection:
        """Return the connection; raises ConnectionMissing."""
        stored = self._file().get(conn_id) or self.environ.get(f"AIRFLOW_CONN_{conn_id.upper()}")
        if stored is None:
            raise ConnectionMissing(
                "it is neither in the secrets file nor in AIRFLOW_CONN_*",
                where=f"connection {conn_id}",
                cure=_how_to_set(conn_id),
            )
        return _parse(conn_id, stored)

    def _file(self) -> Mapping[str, Any]:
        if "LocalFilesystemBackend" not in self.environ.get("AIRFLOW__SECRETS__BACKEND", ""):
            return {}
        kwargs = _read_object(read_variable(_KWARGS, "{}", self.environ), f"environment variable {_KWARGS}")
        path = Path(kwargs.get("connections_file_path") or os.devnull)
        if path.suffix != ".json":
            return {}
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            error_name = error.__class__.__name__
            raise ConnectionMissing(
                f"the secrets file cannot be read: {error_name}",
                where=str(path),
                cure=f"correct the path in {_KWARGS}, or the file's rights; on the local stack: "
                'eval "$(make -s env)" writes it',
            ) from error
        return _read_object(text or "{}", str(path))


def _read_object(text: str, where: str) -> Mapping[str, Any]:
    """JSON's object; raises ConnectionMissing for anything else, without showing it, because it may hold a secret."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, Mapping):
        raise ConnectionMissing(
            "Airflow's secrets are read from here, and this is not a JSON object",
            where=where,
            cure='write names and values, {"name": "value"}, as Airflow\'s local filesystem backend reads them',
        )
    return value


def read_extra(conn_id: str, extra: object) -> Mapping[str, Any]:
    """Return a connection's extra as names and values; a missing extra, or JSON's null, is an empty one.

    Raises ConnectionMissing for anything else, without showing it, because it may hold a secret.
    """
    try:
        value = json.loads(extra) if isinstance(extra, str) and extra.strip() else extra
    except ValueError:
        value = extra
    if value is None or (isinstance(value, str) and not value.strip()):
        return {}
    if isinstance(value, Mapping):
        return value
    value_kind = _KINDS.get(type(value), "not JSON")
    raise ConnectionMissing(
        f"its extra is {value_kind}; it has to be a JSON object",
        where=f"connection {conn_id}",
        cure='write names and values, {"name": "value"}, or leave the extra empty',
    )


_KINDS = {list: "a JSON list", str: "a text", int: "a number", float: "a number", bool: "a boolean"}


def _parse(conn_id: str, value: str | Mapping[str, Any]) -> Connection:
    try:
        if isinstance(value, str) and not value.lstrip().startswith("{"):
            return Connection.from_uri(conn_id, value)
        fields = json.loads(value) if isinstance(value, str) else value
        if not isinstance(fields, Mapping):
            raise ValueError("not a JSON object")
        return Connection.from_fields(conn_id, fields)
    except ValueError:  # not chained: its text may hold the password
        raise ConnectionMissing(
            "its value is neither a URI nor JSON in Airflow's form",
            where=f"connection {conn_id}",
            cure="correct its value: a URI (postgres://login:password@host:5432/db), or Airflow's JSON of a connection",
        ) from None


def _normal_type(conn_type: str) -> str:
    """As Airflow writes it, whichever way it was written."""
    return "postgres" if conn_type == "postgresql" else conn_type.replace("-", "_")


def how_to_add(conn_id: str) -> str:
    """The cure for a connection that Airflow does not have."""
    uri = "TYPE://LOGIN:PASSWORD@HOST:PORT/SCHEMA"
    return (
        f"add it: airflow connections add {conn_id} --conn-uri '{uri}', or set AIRFLOW_CONN_{conn_id.upper()} to that"
    )


def _how_to_set(conn_id: str) -> str:
    """The cure for a connection that a shell does not have: it sees its environment, not Airflow's database."""
    return (
        f"set AIRFLOW_CONN_{conn_id.upper()} to its URI or JSON, or add it to the secrets file; on the local stack: "
        'eval "$(make -s env)"; or let Airflow look it up: switchyard --airflow-connections …'
    )
