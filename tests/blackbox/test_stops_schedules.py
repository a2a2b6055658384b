"""S18: a schedule is in UTC, whatever zone Airflow takes for its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from harness.checkout import CHECKOUT


@pytest.fixture(scope="module")
def times_under_berlin(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """DAG → its next runs in January and in July, in UTC, under an Airflow whose default zone is Berlin's."""
    zone = {"AIRFLOW__CORE__DEFAULT_TIMEZONE": "Europe/Berlin", "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    home = {"AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")), "AIRFLOW__DATAHUB__ENABLED": "False"}
    asked = subprocess.run(
        [sys.executable, str(CHECKOUT / "tests" / "harness" / "outside" / "next_runs.py"), str(CHECKOUT / "dags")],
        env={**os.environ, **zone, **home},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    times: dict[str, list[str]] = json.loads(asked.stdout.splitlines()[-1])
    return times


def test_a_flow_s_schedule_is_in_utc(times_under_berlin: dict[str, list[str]]) -> None:
    """grid_loads has `30 2 * * *`, in mode replace."""
    assert times_under_berlin["ingest__grid_loads"] == ["02:30", "02:30"]


def test_no_schedule_moves_with_daylight_saving(times_under_berlin: dict[str, list[str]]) -> None:
    """The DAGs over all flows, too."""
    moved = {dag for dag, (january, july) in times_under_berlin.items() if january != july}
    assert moved == set()
