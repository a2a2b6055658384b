"""Parsing is free: no connection is opened, no heavy library imported, nothing asked of Airflow's database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.checkout import CHECKOUT

DAGS = sorted((CHECKOUT / "dags").glob("*.py"))
HEAVY = ("pyarrow", "duckdb", "pymongo", "redis", "psycopg", "datahub", "hdfs_native", "pyhive", "numpy", "pandas")

PARSE = """
import runpy, socket, sys
import airflow.sdk, airflow.sdk.exceptions
from airflow.sdk import DAG, Asset, BaseOperator, Param, TaskGroup
before = set(sys.modules)

def refuse(*args, **kwargs):
    raise AssertionError(f"parsing opened a connection: {args}")

socket.socket.connect = refuse
socket.create_connection = refuse
found = runpy.run_path(sys.argv[1])
assert [value for value in found.values() if isinstance(value, DAG)], "no DAG"
print(" ".join(sorted({name.split(".")[0] for name in set(sys.modules) - before})))
"""


@pytest.mark.parametrize("path", DAGS, ids=[path.stem for path in DAGS])
def test_parsing_a_dag_file_opens_no_connection_and_imports_nothing_heavy(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PARSE, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(HEAVY) & set(done.stdout.split()) == set()
