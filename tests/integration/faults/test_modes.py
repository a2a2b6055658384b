"""Kill -9 in what modes append and merge do beyond a replace; the old version is read, the next run is right.

A killed run's rows are never there twice and never missing, whatever step it died at.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from harness.cases import Case
from harness.matrix import record
from harness.readers import hive_reader
from harness.servers import Servers
from harness.stop_points import ledger_stop, wait_for
from harness.wires import WireStop

pytestmark = pytest.mark.fault

TABLE = "create table t (id int primary key, v int not null, at timestamptz not null default now())"
CHECK = {"between": {"column": "v", "max": 100}, "severity": "quarantine"}

STOPS: dict[str, tuple[str, bytes | str, str, tuple[str, ...]]] = {
    "landed, not in the ledger": ("ledger", "landed", "", ("append", "merge")),
    "while Hive makes the batch": ("lake_hive", b".`batch_", "after", ("append", "merge")),
    "while Hive sets rows aside": ("lake_hive", b".`refused_", "after", ("append", "merge")),
    "while Hive merges": ("lake_hive", b"full outer join", "after", ("merge",)),
    "converted, not in the ledger": ("ledger", "converted", "", ("merge",)),
    "before the quarantine shows": ("lake_metastore", b"add_partition", "before", ("merge",)),
    "the quarantine shows, nothing proved": ("lake_metastore", b"add_partition", "after", ("merge",)),
    "`publishing` written, no partition": ("ledger", "publishing", "", ("append",)),
    "published in Hive, not in the ledger": (
        "lake_metastore",
        b"alter_table_with_environment_context",
        "after",
        ("append", "merge"),
    ),
    "the partition shows, the table's seq is the old one": (
        "lake_metastore",
        b"alter_table_with_environment_context",
        "before",
        ("append",),
    ),
    "before `published` and the bookmark are in the ledger": ("ledger", "published", "", ("append", "merge")),
}


FIRST = (
    ("append", "published in Hive, not in the ledger"),
    ("merge", "while Hive merges"),
)
MOMENTS = [(mode, moment) for mode in ("append", "merge") for moment, stop in STOPS.items() if mode in stop[3]]


@pytest.fixture(scope="module")
def case(request: pytest.FixtureRequest, module_case: Callable[..., Case]) -> Case:
    """A flow with three rows published, of which one was refused."""
    made: Case = module_case(
        f"kill_{request.param}",
        source={"cursor": "at", "cursor_clock": "database"},
        lake={"mode": request.param},
        checks=[CHECK],
        contract={"quarantine_threshold": "100%"},
    )
    made.sql(TABLE, "insert into t values (1, 1), (2, 2), (3, 101)")
    made.run("ingest")
    return made


def at_source(case: Case) -> list[tuple[int, int]]:
    return sorted(case.sql("select id, v from t where v <= 100"))


@pytest.mark.parametrize(
    ("case", "moment"),
    [pytest.param(*each, marks=[] if each in FIRST else [pytest.mark.kin]) for each in MOMENTS],
    indirect=["case"],
)
def test_killed(case: Case, servers: Servers, moment: str) -> None:
    where, what, when, _ = STOPS[moment]
    mode = case.spec["lake"]["mode"]
    before = at_source(case)
    case.sql("insert into t select max(id) + 1, 7 from t", "insert into t select max(id) + 1, 200 from t")
    if mode == "merge":
        case.sql("update t set v = v + 1, at = now() where id = 1")
    after = at_source(case)
    reader = hive_reader(servers, f"select id, v from {case.name}.t", lambda rows: tuple(sorted(rows)), pause=0.5)
    with reader:
        stop = ledger_stop(case, str(what)) if where == "ledger" else WireStop(case, where, what, when)  # type: ignore[arg-type]
        with stop as at:
            case.settle()
            child = case.start("run", "ingest", case.name)
            reached = at.is_reached if where == "ledger" else at.reached.is_set  # type: ignore[union-attr]
            wait_for(lambda: reached() or child.poll() is not None, moment)
            assert child.poll() is None, child.stdout and child.stdout.read()
            child.send_signal(signal.SIGKILL)
            child.wait()
        assert sorted(case.hive(what="id, v")) in (before, after)
        case.settle()
        code, said = case.switchyard("run", "ingest", case.name)
        assert code == 0, said
    assert sorted(case.hive(what="id, v")) == after
    assert set(case.states("ingest")) <= {"published", "abandoned"}
    assert set(reader.seen) <= {tuple(before), tuple(after)}, "each read is of one version, whole"
    record(f"ingest, {mode}", moment, "kill -9", "one version read, whole; next run right, nothing doubled")
