"""What a thousand flow files cost where it hurts: in the DAG processor, and in `switchyard lint`."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
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
_PROGRAMS = {
    "start Python, import nothing": "pass",
    "the YAML alone, by PyYAML's C loader": (
        "import yaml\nfor f in flows.glob('*.yaml'): yaml.load(f.read_text(), yaml.CSafeLoader)"
    ),
    _LOADER: "from switchyard.flow.loader import load_flows\nassert not load_flows(flows)[1]",
    "import Airflow's SDK": "import airflow.sdk",
    "the ingest DAGs": "from switchyard.airflow.dags import ingest_dags\nlist(ingest_dags(flows))",
    "the serve DAGs": "from switchyard.airflow.dags import serve_dags\nlist(serve_dags(flows))",
}


def run(runs: int, flows: int) -> None:
    """Each measurement is a fresh Python, as the DAG processor starts one for each parse."""
    bench = Bench(f"parsing {flows:,} flow files", "flows")
    with TemporaryDirectory() as scratch:
        for number in range(flows):
            Path(scratch, f"telemetry_{number}.yaml").write_text(_FLOW.format(n=number))
        for name, program in _PROGRAMS.items():
            code = f"from pathlib import Path\nflows = Path({scratch!r})\n{program}"
            reads = "import " not in name and "YAML" not in name
            bench.repeat(name, runs, partial(_python, code), flows if reads else 0)
    bench.show(_LOADER)


def _python(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
