"""Airflow's connections for our steps: whatever Airflow can resolve inside a task, handed to the child by a pipe."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from switchyard.connections import Connection, how_to_add
from switchyard.errors import ConnectionMissing

if TYPE_CHECKING:
    from typing import TypeAlias

    from airflow.models import Connection as ServerConnection
    from airflow.sdk import Connection as TaskConnection

    from switchyard.connections import ConnectionFields

    Stored: TypeAlias = ServerConnection | TaskConnection


def resolve(conn_ids: Iterable[str]) -> dict[str, ConnectionFields]:
    """Return the fields of each connection, passwords included; raises ConnectionMissing for the first missing one."""
    return {conn_id: _fields(conn_id) for conn_id in conn_ids}


def resolve_known(conn_ids: Iterable[str]) -> dict[str, ConnectionFields]:
    """The same, without those that Airflow does not have."""
    resolved = {}
    for conn_id in conn_ids:
        with suppress(ConnectionMissing):
            resolved[conn_id] = _fields(conn_id)
    return resolved


def _fields(conn_id: str) -> ConnectionFields:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise ConnectionMissing(
            "Airflow has no connection with this id",
            where=f"connection {conn_id}",
            cure=how_to_add(conn_id),
        ) from error
    return Connection.from_fields(conn_id, stored_fields(connection)).fields()


def stored_fields(connection: Stored) -> ConnectionFields:
    """The fields of one of Airflow's connections as it has them, password included."""
    fields = ("conn_type", "host", "port", "login", "password", "schema", "extra")
    return {name: getattr(connection, name) for name in fields}
