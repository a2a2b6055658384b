"""The stack that is up, clients of its servers, and flows with names of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.cases import Case, open_cases
from harness.servers import Servers
from harness.stack_fixtures import new_case, servers
from switchyard.legs.runtime import Runtime

__all__ = ["new_case", "servers"]


@pytest.fixture(scope="module")
def telemetry_alone(servers: Servers) -> Iterator[None]:
    """The shipped flow `telemetry`, for one file at a time: a second run would take over the first one's load."""
    with servers.session("LEDGER_URL", autocommit=True) as session:
        session.execute("select pg_advisory_lock(59171)")
        yield


@pytest.fixture(scope="session")
def own_airflow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """For `airflow dags test` with DAGs of a test's own: Airflow's tables in a file.

    The stack's DAG processor would take the DAGs for deleted ones, and its scheduler begin their tasks, too.
    """
    home = tmp_path_factory.mktemp("airflow")
    environ = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}"}
    command = [str(Path(sys.executable).with_name("airflow")), "db", "migrate"]
    subprocess.run(command, env={**os.environ, **environ}, check=True, capture_output=True, timeout=240)
    return environ


@pytest.fixture(scope="module")
def module_case(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Case]]:
    """Makes flows that the tests of a module share."""
    with open_cases(servers, tmp_path_factory.mktemp("flows")) as make:
        yield make


@pytest.fixture
def runtime() -> Runtime:
    """Connections of the environment, as the command line has them."""
    from switchyard.connections import EnvironmentConnections

    return Runtime(EnvironmentConnections(), "tests")
