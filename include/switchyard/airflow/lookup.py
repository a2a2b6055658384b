"""Looks connections up for a shell, as a process of its own: an id a line comes in, an answer in JSON a line goes out.

Unlike a task, it also reads Airflow's database, which a task asks the API server for. The order is Airflow's: the
secrets backend that is configured, the environment, the database. Passwords go out by the pipe to our parent alone.
"""

from __future__ import annotations

import json
import os
import sys

from switchyard.airflow.connections import stored_fields


def main() -> None:
    """Answer `{"fields": …}`, or `{"failed": places that could not be asked}`, until there are no more ids."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # Airflow logs to standard output
    from airflow.models import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    for line in sys.stdin:
        conn_id = line.strip()
        try:
            answer = json.dumps({"fields": stored_fields(Connection.get_connection_from_secrets(conn_id))})
        except AirflowNotFoundException:
            answer = json.dumps({"failed": list_failures(conn_id)})
        print(answer, file=answers, flush=True)


def list_failures(conn_id: str) -> list[str]:
    """The places that failed: Airflow goes on to the next one, and says at the end that there is nothing."""
    from airflow.configuration import ensure_secrets_loaded

    failed = []
    for backend in ensure_secrets_loaded():
        try:
            backend.get_connection(conn_id=conn_id)
        except Exception as error:  # whatever a backend of somebody's raises; its text may hold a secret
            failed.append(f"{type(backend).__name__} failed with {type(error).__name__}")
    return failed


if __name__ == "__main__":
    main()
