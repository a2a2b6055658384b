"""What a product is made from besides its lake table: other Hive tables, and the moment.

The seq of the lake table does not say whether those changed, so it does not say whether a served product is current.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from switchyard.flow.spec import Flow
from switchyard.lake.hive import HiveSession
from switchyard.lake.metastore import Metastore
from switchyard.legs.runtime import Runtime

UNKNOWN = ""
"""Mark of an input whose changes nobody can see: it counts as changed."""
_MOMENT = "the moment"
_OF_THE_MOMENT = re.compile(
    r"(?<!\w)(?:current_date|current_timestamp|unix_timestamp|rand|uuid|current_user|logged_in_user)(?!\w)", re.I
)


def read_dependency(hive: HiveSession, select: str) -> str:
    """Hive's answer to EXPLAIN DEPENDENCY: the tables, views and partitions that a query reads, as JSON."""
    return str(hive.run(f"explain dependency {select}")[0][0])


def read_marks(metastore: Metastore, flow: Flow, dependency: str) -> Mapping[str, str]:
    """Mark of the version of the lake table, and of each table that a query reads."""
    return {name: _mark(metastore, name) for name in {*input_tables(dependency), _lake_name(flow)}}


def inputs_of(flow: Flow, select: str, dependency: str, marks: Mapping[str, str]) -> Mapping[str, str]:
    """Input → mark of its version, for all but the lake table. `marks` are those of before the query ran."""
    inputs = {name: mark for name, mark in marks.items() if name != _lake_name(flow)}
    inputs |= dict.fromkeys(input_views(dependency), UNKNOWN)
    return {**inputs, _MOMENT: UNKNOWN} if depends_on_the_moment(select) else inputs


def _lake_name(flow: Flow) -> str:
    return f"{flow.lake.database}.{flow.lake.table}".lower()


def depends_on_the_moment(select: str) -> bool:
    """True if a query names a function that says something else later; a string that holds such a name counts too."""
    return _OF_THE_MOMENT.search(select) is not None


def input_tables(dependency: str) -> list[str]:
    """`database.table` of each table in the answer of EXPLAIN DEPENDENCY; a view is there with the tables below it."""
    listed = json.loads(dependency)["input_tables"]
    return sorted({str(t["tablename"]).replace("@", ".", 1) for t in listed if t["tabletype"] != "VIRTUAL_VIEW"})


def input_views(dependency: str) -> list[str]:
    """`database.view` of each view in the answer of EXPLAIN DEPENDENCY: it can be redefined, or name the moment."""
    listed = json.loads(dependency)["input_tables"]
    return sorted({str(t["tablename"]).replace("@", ".", 1) for t in listed if t["tabletype"] == "VIRTUAL_VIEW"})


def input_partitions(dependency: str) -> Mapping[str, list[str]]:
    """`database.table` → names of its partitions that a query reads, in the answer of EXPLAIN DEPENDENCY."""
    partitions: dict[str, list[str]] = {}
    for listed in json.loads(dependency)["input_partitions"]:
        database, table, name = str(listed["partitionName"]).split("@", 2)
        partitions.setdefault(f"{database}.{table}", []).append(name)
    return partitions


def is_unchanged(runtime: Runtime, flow: Flow, inputs: Mapping[str, str]) -> bool:
    """True if every input of a product shows the version that it was made from."""
    metastore = runtime.metastore(flow)
    return all(mark != UNKNOWN and _mark(metastore, name) == mark for name, mark in inputs.items())


def _mark(metastore: Metastore, name: str) -> str:
    """Which version a table of Switchyard's shows; UNKNOWN for any other table."""
    version = metastore.read_version(*name.split(".", 1))
    return (
        f"{version.seq} {version.load_id}" if version is not None and version.is_ours and version.seq > 0 else UNKNOWN
    )
