"""The lineage of every shipped flow, step by step, as it was reviewed: `UPDATE_GOLDEN=1` writes it anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.checkout import CHECKOUT
from switchyard.catalog import lineage
from switchyard.catalog.lineage import LineageStep
from switchyard.connections.variables import read_switch
from switchyard.flow.files.loader import load_flows
from switchyard.flow.spec import Flow

HERE = Path(__file__).parent
FLOWS, _ = load_flows(CHECKOUT / "dags" / "flows")
COLUMNS: dict[str, dict[str, str]] = json.loads((HERE / "columns.json").read_text())


def steps(flow: Flow) -> dict[str, LineageStep]:
    """Every step that moves data, with the columns that the flow's table has in Hive."""
    columns = COLUMNS[flow.flow]
    found = {
        "land": lineage.land_step(
            flow, source_database="sourcedb", hdfs_authority="namenode:8020", columns=[(name, name) for name in columns]
        ),
        "publish to Hive": lineage.publish_step(flow, hdfs_authority="namenode:8020", columns=columns),
    }
    served = list(columns)
    if flow.serve is not None and flow.serve.select is not None:
        found["select"] = lineage.select_step(flow, lake_columns=columns)
        served = [edge.downstream[1] for edge in found["select"].columns]
    if flow.serve is not None:
        found["publish to MongoDB"] = lineage.serve_step(flow, mongo_database="docs", columns=[(c, c) for c in served])
    if flow.cache is not None:
        found["refresh cache"] = lineage.cache_step(flow, mongo_database="docs", redis_database=0, fields=served)
    return found


def printed(step: LineageStep) -> dict[str, Any]:
    """Edges as a reviewer reads them: `target ← sources`."""
    edges = {edge.downstream[1]: [column for _, column in edge.upstreams] for edge in step.columns}
    return {"reads": list(step.inputs), "writes": list(step.outputs), "columns": edges}


@pytest.mark.parametrize("flow", FLOWS.values(), ids=lambda flow: flow.flow)
def test_lineage_is_as_reviewed(flow: Flow) -> None:
    path = HERE / "lineage" / f"{flow.flow}.json"
    found = {name: printed(step) for name, step in steps(flow).items()}
    if read_switch("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    assert found == json.loads(path.read_text())


def test_every_shipped_flow_is_covered() -> None:
    assert {path.stem for path in (HERE / "lineage").glob("*.json")} == set(FLOWS)
