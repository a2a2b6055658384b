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


def read_inputs(hive: HiveSession, metastore: Metastore, flow: Flow, select: str) -> Mapping[str, str]:
    """Input → mark of its version, for all but the lake table. Reads the marks: call it before the query runs."""
    row = hive.run(f"explain dependency {select}")[0]
    lake = f"{flow.lake.database}.{flow.lake.table}".lower()
    names = [name for name in input_tables(str(row[0])) if name != lake]
    inputs = {name: _mark(metastore, name) for name in names}
    inputs |= dict.fromkeys(input_views(str(row[0])), UNKNOWN)
    return {**inputs, _MOMENT: UNKNOWN} if depends_on_the_moment(select) else inputs


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


def is_unchanged(runtime: Runtime, flow: Flow, inputs: Mapping[str, str]) -> bool:
    """True if every input of a product shows the version that it was made from."""
    metastore = runtime.metastore(flow)
    return all(mark != UNKNOWN and _mark(metastore, name) == mark for name, mark in inputs.items())


def _mark(metastore: Metastore, name: str) -> str:
    """Which version a table of Switchyard's shows; UNKNOWN for any other table."""
    version = metastore.read_version(*name.split(".", 1))
    return f"{version.seq} {version.load_id}" if version is not None and version.seq > 0 else UNKNOWN
