"""Airflow connections, seen without importing Airflow; and what the `extra` of each kind means to every client."""

from __future__ import annotations

from switchyard.connections.sources import (
    CallConnections,
    Connection,
    ConnectionFields,
    Connections,
    EnvironmentConnections,
    GivenConnections,
    how_to_add,
    ledger_connection_id,
    read_extra,
)

__all__ = [
    "CallConnections",
    "Connection",
    "ConnectionFields",
    "Connections",
    "EnvironmentConnections",
    "GivenConnections",
    "how_to_add",
    "ledger_connection_id",
    "read_extra",
]
