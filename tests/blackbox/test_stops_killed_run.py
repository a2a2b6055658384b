"""S19: what a kill -9 of `airflow dags test` leaves in Airflow's tables."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.checkout import CHECKOUT
from harness.outside.grounds import Ended, Grounds, Unprepared

AIRFLOW = str(Path(sys.executable).with_name("airflow"))


@pytest.fixture(scope="module")
def airflow(grounds: Grounds) -> dict[str, str]:
    """An Airflow of this file's own: tables in a file, the shipped DAG files, one flow."""
    flow = grounds.flow("killed", "id int primary key, v text")
    flow.sql("insert into {t} values (1, 'a')")
    dags = grounds.directory / "dags"
    shutil.copytree(CHECKOUT / "dags", dags, ignore=shutil.ignore_patterns("flows", "__pycache__"))
    shutil.copytree(flow.write(), dags / "flows")
    database = grounds.directory / "airflow.db"
    kwargs = next(iter(grounds.environ.values()))
    environ = {
        **grounds.environ,
        "FLOW": flow.name,
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}",
        "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS": kwargs,
        "AIRFLOW__DATAHUB__ENABLED": "False",
    }
    subprocess.run([AIRFLOW, "db", "migrate"], env={**os.environ, **environ}, check=True, capture_output=True)
    return environ


def start(airflow: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [AIRFLOW, *arguments],
        env={**os.environ, **airflow},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def end(child: subprocess.Popen[str]) -> Ended:
    said, _ = child.communicate(timeout=280)
    return Ended(child.returncode, said)


def running(airflow: Mapping[str, str], dag: str) -> list[str]:
    """Run ids that Airflow believes to be running."""
    listed = end(start(airflow, "dags", "list-runs", dag, "--state", "running", "-o", "plain"))
    if not listed.succeeded:
        raise Unprepared(listed.output)
    return re.findall(r"\bmanual__\S+", listed.output)


def kill_in_its_first_task(airflow: Mapping[str, str], dag: str, sign: str) -> str:
    """Start `airflow dags test`, kill it as soon as it prints `sign`; the id of the run that is left."""
    child = start(airflow, "dags", "test", dag)
    assert child.stdout is not None
    for line in child.stdout:
        if re.search(sign, line):
            break
    os.killpg(child.pid, signal.SIGKILL)
    end(child)
    left = running(airflow, dag)
    if len(left) != 1:
        raise Unprepared(f"{left} is running, and one run was to be left")
    return left[0]


@pytest.mark.kin
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("leg", "sign"),
    [
        pytest.param("ingest", "preflight", id="a leg"),
        pytest.param("diff", "verdict|compare__", id="a nightly DAG"),
    ],
)
def test_a_killed_run_does_not_stop_the_next_one(airflow: dict[str, str], leg: str, sign: str) -> None:
    """The next run ends it, or its log names it and says what to do."""
    dag = f"ingest__{airflow['FLOW']}" if leg == "ingest" else leg
    left = kill_in_its_first_task(airflow, dag, sign)
    following = end(start(airflow, "dags", "test", dag))
    if left in running(airflow, dag):
        named = re.search(re.escape(left) + r".{0,300}→", following.output, re.S)
        assert named, f"{left} is running for ever, and the next run says nothing of it:\n{following.output[-2000:]}"
