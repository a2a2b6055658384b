"""The sentence that tells people to run a leg again: as a command, and as what to do in Airflow."""

from __future__ import annotations

from switchyard.flow.naming import Leg, dag_id


def run_again(leg: Leg, flow: str) -> str:
    """A whole new run, which recovers what the failed one left; a task that is cleared goes on with the old load."""
    return f"run again: switchyard run {leg} {flow}, or in Airflow trigger DAG {dag_id(leg, flow)}"
