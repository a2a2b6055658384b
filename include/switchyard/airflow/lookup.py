"""Looks connections up for a shell, as a process of its own: an id a line comes in, an answer in JSON a line goes out.

Unlike a task, it also reads Airflow's database, which a task asks the API server for. The order is Airflow's: the
secrets backend that is configured, the environment, the database. Passwords go out by the pipe to our parent alone.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from switchyard.airflow.connections import fields_of
from switchyard.connections import how_to_add
from switchyard.errors import ConnectionMissing

if TYPE_CHECKING:
    from pydantic import JsonValue


def main() -> None:
    """Answer `{"fields": …}`, or `{"missing": …, "cure": …}`, until there are no more ids."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # Airflow logs to standard output
    from airflow.models import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    for line in sys.stdin:
        conn_id = line.strip()
        answer: dict[str, JsonValue]
        try:
            answer = {"fields": fields_of(conn_id, Connection.get_connection_from_secrets(conn_id))}
        except AirflowNotFoundException:
            answer = _explain_missing(conn_id)
        except ConnectionMissing as error:
            answer = {"missing": error.what, "cure": error.cure}
        print(json.dumps(answer), file=answers, flush=True)


def _explain_missing(conn_id: str) -> dict[str, JsonValue]:
    """Airflow goes on when one of its places fails, and says at the end that there is nothing."""
    from airflow.configuration import ensure_secrets_loaded

    failed = []
    for backend in ensure_secrets_loaded():
        try:
            backend.get_connection(conn_id=conn_id)
        except Exception as error:  # whatever a backend of somebody's raises; its text may hold a secret
            failed.append(f"{type(backend).__name__} failed with {type(error).__name__}")
    if not failed:
        return {"missing": "Airflow has no connection with this id", "cure": how_to_add(conn_id)}
    cure = f"see why, with: airflow connections get {conn_id}; or {how_to_add(conn_id)}"
    return {"missing": f"Airflow did not find it: {', '.join(failed)}", "cure": cure}


if __name__ == "__main__":
    main()
