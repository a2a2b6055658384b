"""The catalog that the Airflow connection `datahub` names: a DataHub server, or a local directory of files.

| connection type | host | catalog |
|---|---|---|
| `datahub-file` | a directory | the local catalog: files that `datahub check metadata-file` accepts |
| `datahub-rest` | URL of the server, token as password | that DataHub server |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from switchyard.connections import Connection, Connections
from switchyard.connections.variables import read_variable
from switchyard.errors import SwitchyardError

DEFAULT_CONNECTION = "datahub"


class Server(TypedDict):
    """A DataHub server as its clients are configured: the URL, and the token if it wants one."""

    server: str
    token: str | None


@dataclass(frozen=True)
class Target:
    """The catalog: exactly one of `directory` and `server`."""

    connection: str
    directory: Path | None = None
    server: Server | None = field(default=None, repr=False)


def connection_id() -> str:
    """Return the id of the connection that the plugin also uses: `[datahub] conn_id`, by its environment variable."""
    return read_variable("AIRFLOW__DATAHUB__CONN_ID", DEFAULT_CONNECTION)


def find_target(connections: Connections) -> Target:
    """Read the catalog's connection; raises ConnectionMissing, or SwitchyardError for a type we cannot write to."""
    connection = connections.get(connection_id())
    directory = local_catalog(connection.conn_type, connection.host)
    if directory is not None:
        return Target(connection.conn_id, directory=directory)
    if connection.conn_type.replace("_", "-") == "datahub-rest" and connection.host:
        return Target(connection.conn_id, server=_server(connection))
    raise SwitchyardError(
        f"metadata_sync cannot write to a connection of type {connection.conn_type!r}",
        where=f"connection {connection.conn_id}",
        cure="change the type to datahub-rest (host: the server's URL) or datahub-file (host: a directory)",
    )


def local_catalog(conn_type: str, host: str) -> Path | None:
    """The directory that a connection names as the local catalog; None for a server or a single file."""
    is_file = conn_type.replace("_", "-") == "datahub-file"
    return Path(host) if is_file and host and not host.endswith(".json") else None


def _server(connection: Connection) -> Server:
    host = connection.host if "://" in connection.host else f"http://{connection.host}"
    server = f"{host}:{connection.port}" if connection.port else host
    return {"server": server, "token": connection.password or None}
