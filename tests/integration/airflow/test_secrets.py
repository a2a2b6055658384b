"""Acceptance 3 and 8: `airflow dags test` runs both legs, and no password is left or shown anywhere it can be read."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import psutil
import pytest

from harness.outside.airflow_api import Airflow
from harness.servers import Servers

STATE = Path(os.environ.get("SWITCHYARD_STATE", "."))
SHORTEST = 8


class ProcessList:
    """Samples the argv of every process of the machine, as `ps` shows them to everybody."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> ProcessList:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._end.wait(0.2):
            for process in psutil.process_iter():
                with contextlib.suppress(psutil.Error):
                    self.seen.add(" ".join(process.cmdline()))


@pytest.fixture(scope="module")
def run(servers: Servers, telemetry_alone: None) -> ProcessList:
    """Both legs of the shipped flow by `airflow dags test`, while the process list is looked at."""
    servers.postgres("insert into public.telemetry (id, name, wattage) values (9100, 'secret test', 1)")
    try:
        dags = ("ingest__telemetry", "serve__telemetry")
        with Airflow().paused(*dags), ProcessList() as processes:
            for dag in dags:
                done = subprocess.run(
                    [str(Path(sys.executable).with_name("airflow")), "dags", "test", dag],
                    capture_output=True,
                    text=True,
                    timeout=400,
                )
                said = done.stdout + done.stderr
                assert done.returncode == 0, said[-3000:]
                processes.seen.add(said)
        assert servers.mongo["telemetry"].find_one({"_id": 9100}) is not None, "the run did move data"
    finally:
        servers.postgres("delete from public.telemetry where id = 9100")
    return processes


@pytest.fixture(scope="module")
def passwords() -> dict[str, str]:
    """Every password of every connection, by what it is for."""
    stored = json.loads(
        Path(json.loads(os.environ["AIRFLOW__SECRETS__BACKEND_KWARGS"])["connections_file_path"]).read_text()
    )
    found = {name: fields["password"] for name, fields in stored.items() if fields.get("password")}
    assert {"powergrid_postgres", "switchyard_ledger", "powergrid_mongo", "powergrid_redis"} <= found.keys()
    assert all(len(password) >= SHORTEST for password in found.values()), "too short to be searched for"
    return found


def found_in(text: str, passwords: dict[str, str]) -> list[str]:
    return [name for name, password in passwords.items() if password in text]


def test_no_password_is_in_the_process_list_or_in_what_airflow_prints(
    run: ProcessList, passwords: dict[str, str]
) -> None:
    assert any("org.apache.sqoop.Sqoop" in line and "--password-file" in line for line in run.seen), "Sqoop was seen"
    assert any("switchyard step ingest land" in line for line in run.seen), "the step was seen"
    assert [found_in(line, passwords) for line in run.seen if found_in(line, passwords)] == []


def text_files(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())


@pytest.mark.parametrize("directory", ["logs", "airflow/logs", "catalog"])
def test_no_password_is_in_a_log_or_in_captured_metadata(
    run: ProcessList, passwords: dict[str, str], directory: str
) -> None:
    searched = 0
    for path in text_files(STATE / directory):
        text = path.read_text(errors="replace")
        searched += len(text)
        assert found_in(text, passwords) == [], path
    assert searched > 1000, "there was something to search"


def tables(servers: Servers, url: str) -> list[str]:
    listed = "select quote_ident(tablename) from pg_tables where schemaname = 'public'"
    return [row[0] for row in servers.postgres(listed, url=url)]


@pytest.mark.parametrize(
    ("url", "witness"),
    [("AIRFLOW_DB", ("xcom", "load_id")), ("AIRFLOW_DB", ("rendered_task_instance_fields", "load_id")),
     ("LEDGER_URL", ("loads", "powergrid_postgres"))],
)  # fmt: skip
def test_no_password_is_in_a_database(
    run: ProcessList, servers: Servers, passwords: dict[str, str], url: str, witness: tuple[str, str]
) -> None:
    """XCom, rendered templates, serialised DAGs, logs of the API, loads and frozen flows: every row of every table."""
    servers.environ.setdefault("AIRFLOW_DB", os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", ""))
    has = f"select count(*) from {witness[0]} t where strpos(t::text, %s) > 0"
    assert servers.postgres(has, [witness[1]], url=url)[0][0] > 0, "the run left something to search"
    for table in tables(servers, url):
        for name, password in passwords.items():
            count = servers.postgres(
                f"select count(*) from {table} t where strpos(t::text, %s) > 0", [password], url=url
            )
            assert count == [(0,)], f"the password of {name} is in {table}"
