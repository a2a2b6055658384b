"""Files of the tables that a product's query reads are gone: Hive would read them as empty, so the query is not run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from harness.cases import Case
from switchyard.errors import SourceMoved, SwitchyardError, TruthConflict
from switchyard.lake.partitions import add_partition
from switchyard.legs.serve.input_files import require_input_files
from switchyard.legs.serve.inputs import read_dependency
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import HiveType

COLUMNS = [HiveColumn("id", HiveType.parse("int"))]
DAY = HiveColumn("day", HiveType.parse("string"))
SEQ = HiveColumn("switchyard_seq", HiveType.parse("int"))


@dataclass(frozen=True)
class Table:
    """A table of the metastore and what is in its directory; `partitions`: value → parameters, each has a directory."""

    parameters: dict[str, str] = field(default_factory=dict)
    file: bytes | None = b"rows"
    partition: HiveColumn | None = None
    partitions: dict[str, dict[str, str]] = field(default_factory=dict)
    lost: str = ""


OURS = {"switchyard.seq": "3", "switchyard.flow": "names", "switchyard.load_id": "l3", "numRows": "5"}
PARTED = {**OURS, "switchyard.head": "3"}
PART = {"switchyard.load_id": "l3", "switchyard.rows": "5", "switchyard.bytes": "4", "switchyard.previous": "0"}
WHOLE: dict[str, Table] = {
    "of Switchyard": Table(OURS),
    "of Switchyard, mode append": Table(PARTED, None, SEQ, {"3": PART}),
    "somebody's": Table(),
    "somebody's, empty": Table(file=None),
    "somebody's, partitioned": Table(partition=DAY, partitions={"d": {}}),
    "somebody's, with a partition that is not read": Table(
        partition=DAY, partitions={"d": {}, "other": {}}, lost="other"
    ),
    "a copy of one of Switchyard": Table({**OURS, "switchyard.table": "other.t"}, file=None),
}
BROKEN: dict[str, tuple[Table, type[SwitchyardError], str]] = {
    "of Switchyard, directory gone": (Table(OURS, lost="."), TruthConflict, "is not in HDFS"),
    "of Switchyard, files gone": (Table(OURS, None), TruthConflict, "is empty, and had 5 rows"),
    "mode append, directory gone": (Table(PARTED, None, SEQ, {"3": PART}, "3"), TruthConflict, "is not in HDFS"),
    "mode append, other bytes": (
        Table(PARTED, None, SEQ, {"3": {**PART, "switchyard.bytes": "9"}}),
        TruthConflict,
        "have 4 bytes, and had 9 when they were proved",
    ),
    "mode append, between two calls of a publish": (
        Table(PARTED, None, SEQ, {"3": PART, "4": {**PART, "switchyard.previous": "3"}}),
        SourceMoved,
        "shows 1 partitions that belong to no published version",
    ),
    "somebody's, directory gone": (Table(lost="."), TruthConflict, "1 of its directories are gone"),
    "somebody's, partition gone": (Table(partition=DAY, partitions={"d": {}}, lost="d"), TruthConflict, "are gone"),
}


@pytest.fixture(scope="module")
def case(module_case: Callable[..., Case]) -> Case:
    select = "select id from t"
    case = module_case("inputs", serve={"select": select, "table": "product"})
    case.runtime.metastore(case.flow()).ensure_database(
        case.name, f"{case.runtime.hdfs(case.flow()).url}/lake/{case.name}"
    )
    return case


def make(case: Case, number: int, table: Table) -> str:
    """Make the table; returns what Hive says that a query of it reads."""
    flow, runtime = case.flow(), case.runtime
    metastore, hdfs, name = runtime.metastore(flow), runtime.hdfs(flow), f"x{number}"
    at = f"/lake/{case.name}/{name}"
    metastore.create_parquet_table(case.name, name, COLUMNS, hdfs.url + at, table.parameters, table.partition)
    hdfs.make_directory(at)
    if table.file and not table.partition:
        hdfs._write(f"{at}/rows", [table.file])
    for value, parameters in table.partitions.items():
        hdfs._write(f"{at}/{value}/rows", [b"rows"])
        add_partition(metastore, case.name, name, value, f"{hdfs.url}{at}/{value}", COLUMNS, parameters)
    where = "" if table.partition is None or table.partition is SEQ else " where day = 'd'"
    with runtime.hive(flow).session() as hive:
        dependency = read_dependency(hive, f"select id from `{case.name}`.`{name}`{where}")
    if table.lost:
        hdfs.delete(f"{at}/{table.lost}" if table.lost != "." else at)
    return dependency


@pytest.mark.parametrize("what", WHOLE)
def test_a_query_may_read_what_is_whole(case: Case, what: str) -> None:
    dependency = make(case, list(WHOLE).index(what), WHOLE[what])
    with case.runtime.ledger() as ledger:
        ledger.migrate()
        require_input_files(case.runtime, ledger, case.flow(), dependency)


@pytest.mark.parametrize("what", BROKEN)
def test_a_query_does_not_read_what_is_broken(case: Case, what: str) -> None:
    table, kind, words = BROKEN[what]
    dependency = make(case, 100 + list(BROKEN).index(what), table)
    with case.runtime.ledger() as ledger:
        ledger.migrate()
        with pytest.raises(kind) as caught:
            require_input_files(case.runtime, ledger, case.flow(), dependency)
    assert words in caught.value.what
    assert "nothing was published" in caught.value.cure
