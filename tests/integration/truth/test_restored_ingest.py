"""One flow per mode goes through every state of a load; then each store is restored to each state, alone.

Every test is a cell of a table: mode, the store that is restored, and the state that it is restored to. All other
stores are at the last state, where the flow was rolled back and released, and rows wait at the source. The run is
right, or refuses in one sentence and changes nothing; then a rebuild makes the ledger equal to the table, and the run
is right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.backups import Backup, back_up_ledger, back_up_table
from harness.cases import Case
from harness.matrix import record
from harness.stop_points import StopAt, kill_at
from switchyard.errors import FlowHeld, TruthConflict
from switchyard.ledger.loads import Load
from switchyard.legs.ingest import leg as ingest_leg
from switchyard.legs.ingest.release import release
from switchyard.legs.rebuild.agreement import check_flow
from switchyard.legs.rebuild.rebuild import rebuild

MODES = ("append", "merge", "replace")
TABLE = "create table t (id int primary key, v text not null, at timestamptz not null default clock_timestamp())"
LEDGER_OLDER = "the ledger is older than the table, or of another environment"
TABLE_OLDER = "the metastore is older than the ledger"
TABLE_GONE = "is gone, and the ledger has load"

STATES = (
    *("nothing", "planned", "landed", "converted", "proved", "publishing", "partition shown", "altered", "recorded"),
    *("rolled back", "held", "released"),
)
"""Of the second load, which reads rows 4 to 6, and of its rollback; rows 7 to 9 wait. `nothing`: before the first load.

`partition shown` is of mode append alone; `rolled back`: the table is altered, and nothing else is done."""

SECOND_LOAD = ("publishing", "partition shown", "altered", "recorded")
SHOWN = {state: 6 if state in SECOND_LOAD else 3 for state in STATES} | {"nothing": 0}
"""How many rows Hive shows once a flow whose ledger and table are both of that state is settled."""

FROM_ITS_TABLE = SHOWN | {"publishing": 3}
"""The same when the ledger was made again from a table of that state: `publishing` was in the old ledger alone."""

REFUSED = {
    "ledger": dict.fromkeys(STATES[: STATES.index("rolled back")], LEDGER_OLDER),
    "metastore": {**dict.fromkeys(STATES[:-1], TABLE_OLDER), "nothing": TABLE_GONE},
    "both": {},
}
"""The sentence that refuses a store restored to that state; without one, the run is right at once.

`both`: ledger and metastore have backups of one moment, and agree; the files in HDFS are newer than both."""

WHOLE_RUNS = {("ledger", "nothing"), ("metastore", "recorded"), ("both", "partition shown"), ("both", "publishing")}
"""Where a whole load is run, too: elsewhere its plan shows what it would read, and on what."""

IN_MAKE_TEST = {
    ("append", "ledger", "publishing"),
    ("append", "metastore", "recorded"),
    ("append", "both", "partition shown"),
}


def cells() -> list[Any]:
    return [
        pytest.param(
            *(mode, store, state),
            id=f"{mode}: {store}, {state}",
            marks=[] if (mode, store, state) in IN_MAKE_TEST else pytest.mark.kin,
        )
        for mode in MODES
        for store in REFUSED
        for state in STATES
        if mode == "append" or state != "partition shown"
    ]


@dataclass
class Walk:
    """A flow after its walk, and what ledger and metastore had at each state. `rebuilt`: rows by state of the table."""

    case: Case
    loads: set[str] = field(default_factory=set)
    backups: dict[str, Backup] = field(default_factory=dict)
    current: dict[str, list[Any]] = field(default_factory=dict)
    rebuilt: dict[str, list[Any]] = field(default_factory=dict)

    def take(self, state: str) -> None:
        self.backups[state] = Backup({"ledger": back_up_ledger(self.case), "metastore": back_up_table(self.case)})
        self.current[state] = current(self.case)

    def restore(self, store: str, state: str) -> None:
        """The last state everywhere, then this one in one store."""
        self.backups[STATES[-1]].restore()
        self.backups[state].restore(*(() if store == "both" else (store,)))


@pytest.fixture(scope="module")
def walks(module_case: Callable[..., Case]) -> Callable[[str], Walk]:
    """The walk of a mode, gone once."""
    gone: dict[str, Walk] = {}

    def walk(mode: str) -> Walk:
        if mode not in gone:
            by_cursor = {"cursor": "at", "cursor_clock": "database"} if mode != "replace" else {}
            gone[mode] = go(Walk(module_case(f"restored_{mode}", source=by_cursor, lake={"mode": mode})))
        return gone[mode]

    return walk


def go(walk: Walk) -> Walk:
    """Through all states, a backup at each."""
    case = walk.case
    with case.runtime.ledger() as ledger:
        ledger.migrate()
    case.sql(TABLE)
    walk.take("nothing")
    insert(case, 1, 3)
    case.run("ingest")
    insert(case, 4, 6)
    load = plan(case)
    walk.take("planned")
    for step, state in (("land", "landed"), ("convert", "converted"), ("prove", "proved")):
        getattr(ingest_leg, step)(case.runtime, load.load_id)
        walk.take(state)
    with case.runtime.ledger() as ledger:
        ledger.advance(ledger.get(load.load_id), "publishing", expected=["proved"])
    walk.take("publishing")
    publish = ["step", "ingest", "publish", "--load", load.load_id]
    if is_append(case):
        kill_at(case, ALTER_BEFORE, *publish)
        walk.take("partition shown")
    kill_at(case, ALTER_AFTER, *publish)
    walk.take("altered")
    ingest_leg.publish(case.runtime, load.load_id)
    walk.take("recorded")
    insert(case, 7, 9)
    rollback = ["rollback", case.name, "--to", "1", "--why", "bad rows"]
    kill_at(case, DROP_BEFORE if is_append(case) else ALTER_AFTER, *rollback)
    walk.take("rolled back")
    with pytest.raises(FlowHeld, match="bad rows"):
        plan(case)
    walk.take("held")
    release(case.runtime, case.flow())
    walk.take("released")
    walk.loads = {load.load_id for load in case.loads("ingest")}
    return walk


ALTER = b"alter_table_with_environment_context"
ALTER_BEFORE: StopAt = ("lake_metastore", ALTER, "before")
ALTER_AFTER: StopAt = ("lake_metastore", ALTER, "after")
DROP_BEFORE: StopAt = ("lake_metastore", b"drop_partitions_req", "before")


@pytest.mark.timeout(2400)
@pytest.mark.parametrize(("mode", "store", "state"), cells())
def test_restored(walks: Callable[[str], Walk], mode: str, store: str, state: str) -> None:
    walk = walks(mode)
    walk.restore(store, state)
    case, sentence, rows = walk.case, REFUSED[store].get(state), shown_after(store, state)
    if sentence is not None and not (mode == "replace" and sentence is TABLE_GONE):  # it reads everything anyhow
        require_refused(case, sentence)
        table = STATES[-1] if store == "ledger" else state
        require_rebuilt(walk, table)
    require_right(case, rows)
    if (store, state) in WHOLE_RUNS:
        case.run("ingest")
        assert ids(case) == at_source(case) == list(range(1, 10)), "0 rows doubled or lost"
    record(f"ingest, {mode}", f"{store} restored: {state}", "an older backup", sentence or "right")


GIVEN_UP = {
    "proved": (0, "nothing of it was visible", "published abandoned"),
    "publishing": (0, "Hive shows another version: nothing of it is visible", "published abandoned"),
    "partition shown": (0, "Hive shows its partition already: the next run finishes it", "published abandoned"),
    "altered": (1, "is published: Hive table", "published publishing"),
}
"""Where a load is given up, ledger and metastore being at that state; what the command says, and the loads' states."""


@pytest.mark.kin
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("mode", MODES[:2])
@pytest.mark.parametrize("state", GIVEN_UP)
def test_given_up(walks: Callable[[str], Walk], mode: str, state: str) -> None:
    if state == "partition shown" and mode != "append":
        return
    walk = walks(mode)
    walk.restore("both", state)
    case, (expected, sentence, states) = walk.case, GIVEN_UP[state]
    before = (case.version(), ids(case))
    code, output = case.switchyard("abandon", case.name, "--leg", "ingest", "--why", "a drill")
    assert (code, sentence in " ".join(output.split())) == (expected, True), output
    assert (case.version(), ids(case)) == before, "nothing changed"
    assert case.states("ingest") == states.split()
    require_right(case, 6 if state in ("partition shown", "altered") else 3)
    record(f"ingest, {mode}", state, "the load was given up", "nothing changed; the next run is right")


def shown_after(store: str, state: str) -> int:
    if store == "ledger":
        return SHOWN[STATES[-1]]
    return (FROM_ITS_TABLE if store == "metastore" else SHOWN)[state]


def require_refused(case: Case, sentence: str) -> None:
    """A plan says why, in one sentence and its cure, and changes nothing."""
    before = (case.version(), case.loads("ingest"))
    with pytest.raises(TruthConflict) as caught:
        plan(case)
    assert sentence in caught.value.what
    assert caught.value.cure.startswith("nothing was changed; ")
    assert (case.version(), case.loads("ingest")) == before


def require_rebuilt(walk: Walk, table: str) -> None:
    """A rebuild makes the ledger equal to the table, whatever was in it; twice is once."""
    case = walk.case
    with case.runtime.ledger() as ledger:
        assert rebuild(case.runtime, ledger, case.flow()).history is not None
        assert check_flow(case.runtime, ledger, case.flow()).disagrees is None
        rows = [row for row in known(case) if row[0] in walk.loads]  # HDFS has those of earlier tests, too
        assert rebuild(case.runtime, ledger, case.flow()).history is None
    assert rows == walk.rebuilt.setdefault(table, rows), "every rebuild of one table is the same"
    recorded = {"altered": "recorded", "rolled back": "held"}  # the table shows what the ledger was about to record
    assert current(case) == walk.current[recorded.get(table, table)], "equal to what the ledger had"


def require_right(case: Case, rows: int) -> None:
    """The next load begins where the table ends, on what the table shows; a hold is kept, until it is released."""
    try:
        load = plan(case)
    except FlowHeld as error:
        assert "bad rows" in error.what
        release(case.runtime, case.flow())
        load = plan(case)
    version = case.version()
    assert version is not None
    assert ids(case) == list(range(1, rows + 1))
    assert version.strays == ()
    assert (load.previous_seq, load.low) == (version.seq, version.bookmark.high if version.bookmark else None)
    assert set(case.states("ingest")) <= {"published", "abandoned", "planned"}
    if case.spec["lake"]["mode"] != "replace":
        read = case.sql(f"select id from t where at <= {literal(load.low)} order by id")
        assert [row[0] for row in read] == ids(case), "what the next load will not read is what Hive shows"


def plan(case: Case) -> Load:
    case.settle()
    load = ingest_leg.plan(case.runtime, case.flow())
    assert isinstance(load, Load), "rows wait at the source"
    return load


def current(case: Case) -> list[Any]:
    """The loads that the ledger calls shown."""
    return [row for row in known(case) if row[-1]]


def known(case: Case) -> list[Any]:
    """The ingest loads of the ledger, and whether the table shows them."""
    return [
        (load.load_id, load.seq, load.kind, load.state, load.location, load.low, load.high, is_shown(load))
        for load in case.loads("ingest")
    ]


def is_shown(load: Load) -> bool:
    return load.state == "published" and load.superseded_at is None


def insert(case: Case, first: int, last: int) -> None:
    case.sql(f"insert into t select g, 'v' || g from generate_series({first}, {last}) g")


def ids(case: Case) -> list[int]:
    if case.version() is None:
        return []
    return [row[0] for row in case.hive("order by id", what="id")]


def at_source(case: Case) -> list[int]:
    return [row[0] for row in case.sql("select id from t order by id")]


def is_append(case: Case) -> bool:
    return bool(case.spec["lake"]["mode"] == "append")


def literal(value: str | None) -> str:
    return "null::timestamptz" if value is None else f"'{value}'::timestamptz"
