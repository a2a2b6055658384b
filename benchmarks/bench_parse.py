"""What a thousand flow files cost where it hurts: in the DAG processor, and in `switchyard lint`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import Bench

_LOADER = "read and check the flow files"
_FLOW = """\
description: Wattage of every grid node, as the substations report it.
owner: grid-operations
source: {{connection: powergrid_postgres, table: public.telemetry_{n}, key: [id]}}
lake: {{database: telemetry_db, table: telemetry_{n}}}
serve: {{connection: powergrid_mongo, collection: telemetry_{n}, key: [id], indexes: [[name]]}}
cache: {{connection: powergrid_redis, ttl: 15m, warm: 1000}}
"""
_PROGRAMS = {  # name: (before the clock starts, what is timed)
    "the YAML alone, by PyYAML's C loader": (
        "import yaml",
        "for file in flows.glob('*.yaml'): yaml.load(file.read_text(), yaml.CSafeLoader)",
    ),
    _LOADER: ("from switchyard.flow.loader import load_flows", "assert not load_flows(flows)[1]"),
    "import Airflow's SDK (not per flow)": ("", "import airflow.sdk"),
    "read, check, build the ingest DAGs": (
        "from switchyard.airflow.dags import ingest_dags",
        "list(ingest_dags(flows))",
    ),
    "read, check, build the serve DAGs": ("from switchyard.airflow.dags import serve_dags", "list(serve_dags(flows))"),
}
_CHILD = """\
from pathlib import Path
from time import perf_counter
flows = Path({flows!r})
{before}
started = perf_counter()
{timed}
print("seconds", perf_counter() - started)
"""


def run(runs: int, flows: int) -> None:
    """Each measurement is a fresh Python, as the DAG processor starts one for each parse."""
    bench = Bench(f"parsing {flows:,} flow files", "flows")
    with TemporaryDirectory() as scratch:
        for number in range(flows):
            Path(scratch, f"telemetry_{number}.yaml").write_text(_FLOW.format(n=number))
        for name, (before, timed) in _PROGRAMS.items():
            code = _CHILD.format(flows=scratch, before=before, timed=timed)
            for _ in range(runs):
                bench.add(name, _seconds(code), 0 if "not per flow" in name else flows)
    bench.show(_LOADER)


def _seconds(code: str) -> float:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return float(done.stdout.rpartition("seconds")[2])
