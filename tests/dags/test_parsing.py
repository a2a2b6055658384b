"""Parsing is free: no connection is opened, no heavy library imported, nothing asked of Airflow's database."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.checkout import CHECKOUT

DAGS = sorted((CHECKOUT / "dags").glob("*.py"))
HEAVY = ("pyarrow", "duckdb", "pymongo", "redis", "psycopg", "datahub", "hdfs_native", "pyhive", "numpy", "pandas")

PARSE = """
import json, runpy, socket, sys
import airflow.sdk, airflow.sdk.exceptions
from airflow.sdk import DAG, Asset, BaseOperator, Param, TaskGroup
before = set(sys.modules)

def refuse(*args, **kwargs):
    raise AssertionError(f"parsing opened a connection: {args}")

socket.socket.connect = refuse
socket.create_connection = refuse
modules = {}
for path in sys.argv[1:]:
    names = runpy.run_path(path)
    assert [value for value in names.values() if isinstance(value, DAG)], f"no DAG in {path}"
    modules[path] = sorted({name.split(".")[0] for name in set(sys.modules) - before})
print(json.dumps(modules))
"""


@pytest.fixture(scope="module")
def modules() -> dict[str, list[str]]:
    """What parsing imports, by DAG file; one process parses all, one after the other, as a DAG processor does."""
    parsed = subprocess.run([sys.executable, "-c", PARSE, *map(str, DAGS)], capture_output=True, text=True)
    assert parsed.returncode == 0, parsed.stderr
    listed: dict[str, list[str]] = json.loads(parsed.stdout.splitlines()[-1])
    return listed


@pytest.mark.parametrize("path", DAGS, ids=[path.stem for path in DAGS])
def test_parsing_opens_no_connection_and_imports_nothing_heavy(path: Path, modules: dict[str, list[str]]) -> None:
    assert set(HEAVY) & set(modules[str(path)]) == set()
