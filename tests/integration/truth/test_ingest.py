"""Ledger and metastore lost, or restored from a copy of any moment: a load is right or refused; a rebuild helps.

The copies are of one flow's rows, taken while its loads go through their states; the table goes on to the last of them.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from harness.cases import Case
from harness.matrix import record
from harness.stop_points import wait_for
from harness.wires import WireStop
from switchyard.errors import SwitchyardError, TruthConflict
from switchyard.flow import naming
from switchyard.flow.frozen import frozen_spec, spec_hash
from switchyard.flow.spec import Flow
from switchyard.ledger.results import Proved
from switchyard.legs.ingest import leg as ingest_leg
from switchyard.legs.ingest.manifest import Manifest, VersionRecord
from switchyard.legs.ingest.planned import Planned
from switchyard.legs.rebuild.agreement import check_flow
from switchyard.legs.rebuild.rebuild import Rebuilt, rebuild
from switchyard.legs.tables import versions
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import HiveType

TABLE = "create table t (id int primary key, v text not null, at timestamptz not null default clock_timestamp())"
ALTER = b"alter_table_with_environment_context"


class LedgerCopies:
    """Backups of a flow's rows in the ledger."""

    def __init__(self, case: Case) -> None:
        self.case, self.names = case, ["nothing"]

    def take(self, name: str) -> None:
        for table in ("loads", "flows"):
            self._run(
                f"create table {self._copy(table, name)} as select * from {table} where flow = '{self.case.name}'"
            )
        self.names.append(name)

    def restore(self, name: str) -> None:
        for table in ("loads", "flows"):
            self._run(f"delete from {table} where flow = '{self.case.name}'")
            if name != "nothing":
                self._run(f"insert into {table} select * from {self._copy(table, name)}")

    def drop(self) -> None:
        for name in self.names[1:]:
            for table in ("loads", "flows"):
                self._run(f"drop table {self._copy(table, name)}")

    def _copy(self, table: str, name: str) -> str:
        return f"copy_{self.case.name}_{name}_{table}"[:63]

    def _run(self, statement: str) -> None:
        self.case.servers.postgres(statement, url="LEDGER_URL")


@contextmanager
def ledger_copies(case: Case) -> Iterator[LedgerCopies]:
    copies = LedgerCopies(case)
    try:
        yield copies
    finally:
        copies.drop()


def insert(case: Case, first: int, last: int) -> None:
    case.sql(f"insert into t select g, 'v' || g from generate_series({first}, {last}) g")


def ids(case: Case) -> list[int]:
    return [row[0] for row in case.hive("order by id", what="id")]


def refuses(case: Case) -> str:
    """What the next run says when table and ledger disagree; it changes nothing."""
    before = (case.version(), ids(case))
    with pytest.raises(TruthConflict) as caught:
        ingest_leg.plan(case.runtime, case.flow())
    assert caught.value.cure.startswith("nothing was changed; ")
    assert (case.version(), ids(case)) == before
    return caught.value.what


def rebuilt(case: Case) -> Rebuilt:
    with case.runtime.ledger() as ledger:
        return rebuild(case.runtime, ledger, case.flow())


def agrees(case: Case) -> bool:
    with case.runtime.ledger() as ledger:
        return check_flow(case.runtime, ledger, case.flow()).disagrees is None


@pytest.mark.kin
@pytest.mark.parametrize("name", ["nothing", "one", "planned"])
def test_a_partition_that_was_shown_is_finished_without_the_ledgers_memory(
    new_case: Callable[..., Case], name: str
) -> None:
    """Killed between the partition and the alter; then the ledger is an older copy, or none."""
    case = new_case("forward", source={"cursor": "at", "cursor_clock": "database"}, lake={"mode": "append"})
    case.sql(TABLE)
    with ledger_copies(case) as copies:
        insert(case, 1, 3)
        case.run("ingest")
        copies.take("one")
        insert(case, 4, 6)
        with WireStop(case, "lake_metastore", ALTER, "before") as at:
            case.settle()
            child = case.start("run", "ingest", case.name)
            wait_for(lambda: at.reached.is_set() or child.poll() is not None, "the alter")
            assert child.poll() is None, child.stdout and child.stdout.read()
            child.send_signal(signal.SIGKILL)
            child.wait()
        assert ids(case) == [1, 2, 3, 4, 5, 6], "shown, the seq is the old one"
        assert (case.version().seq, [part.seq for part in case.version().strays]) == (1, [2])
        if name == "planned":
            case.servers.postgres(
                "update loads set state = 'planned', try_id = null, location = null, facts = facts - '{land,convert,"
                "prove}'::text[] where flow = %s and state = 'publishing'",
                [case.name],
                url="LEDGER_URL",
            )
        else:
            copies.restore(name)
        if name == "nothing":
            refuses(case)
            assert rebuilt(case).history is not None
        insert(case, 7, 9)
        case.run("ingest")
    assert ids(case) == list(range(1, 10)), "nothing doubled, nothing lost"
    assert [part.seq for part in case.version().chain] == [1, 2, 3]
    assert case.version().strays == ()
    record(
        "ingest, append", f"the partition shows, ledger: {name}", "kill -9, ledger restored", "rolled forward, right"
    )


@pytest.mark.kin
def test_a_foreign_partition_is_dropped_and_a_renamed_table_refused(new_case: Callable[..., Case]) -> None:
    case = new_case("stray", source={"cursor": "at", "cursor_clock": "database"}, lake={"mode": "append"})
    case.sql(TABLE)
    insert(case, 1, 3)
    case.run("ingest")
    case.servers.hive(f"alter table `{case.name}`.t add partition (load_seq = 9) location '{case.version().path}/x'")
    insert(case, 4, 4)
    case.run("ingest")
    assert [part.seq for part in case.version().chain] == [1, 2]
    assert (ids(case), case.version().strays) == ([1, 2, 3, 4], ())
    case.servers.hive(f"alter table `{case.name}`.t rename to `{case.name}`.u")
    case.change(lake={"table": "u"})
    with pytest.raises(SwitchyardError, match="has Switchyard's parameters of"):
        ingest_leg.plan(case.runtime, case.flow())


@pytest.mark.kin
@pytest.mark.parametrize("mode", ["append", "merge", "replace"])
def test_a_dropped_table_is_loaded_from_the_beginning_when_asked_aloud(
    new_case: Callable[..., Case], mode: str
) -> None:
    by_cursor = {"source": {"cursor": "at", "cursor_clock": "database"}} if mode != "replace" else {}
    case = new_case(f"dropped_{mode}", lake={"mode": mode}, **by_cursor)
    case.sql(TABLE)
    insert(case, 1, 3)
    case.run("ingest")
    case.servers.hive(f"drop table `{case.name}`.t")
    insert(case, 4, 4)
    case.settle()
    code, said = case.switchyard("run", "ingest", case.name)
    if mode == "replace":
        assert (code, "it is loaded from the beginning" in said) == (0, True), said
    else:
        assert (code, "is gone, and the ledger has load" in said) == (1, True), said
        code, said = case.switchyard("run", "ingest", case.name, "--from-beginning")
        assert code == 0, said
    assert ids(case) == [1, 2, 3, 4]
    assert agrees(case)
    if mode == "append":
        code, said = case.switchyard("run", "ingest", case.name, "--from-beginning")
        assert (code, "mode append never rewrites partitions" in said) == (1, True), said
        assert ids(case) == [1, 2, 3, 4]


FLOWS, LOADS = 50, 3


@pytest.mark.kin
def test_fifty_flows_are_rebuilt_within_a_minute(new_case: Callable[..., Case]) -> None:
    case = new_case("fifty")
    flows = [case.flow(flow=f"{case.name}_{n}", lake={"table": f"t{n}"}) for n in range(FLOWS)]
    runtime = case.runtime
    for flow in flows:
        publish_by_hand(case, flow)
    try:
        with runtime.ledger() as ledger:
            ledger.migrate()
            began = time.monotonic()
            made = [rebuild(runtime, ledger, flow) for flow in flows]
            seconds = time.monotonic() - began
            assert all(one.history is not None and len(one.history.loads) == LOADS for one in made)
            assert all(check_flow(runtime, ledger, flow).disagrees is None for flow in flows)
        assert seconds <= 60
        record("ingest", f"{FLOWS} flows, {FLOWS * LOADS} loads", "ledger lost", f"rebuilt in {seconds:.1f} s")
    finally:
        for table in ("loads", "flows"):
            case.servers.postgres(f"delete from {table} where flow like %s", [f"{case.name}\\_%"], url="LEDGER_URL")


def publish_by_hand(case: Case, flow: Flow) -> None:
    """Loads of one row each, by the publish's own call, without a Sqoop run."""
    runtime, metastore, hdfs = case.runtime, case.runtime.metastore(flow), case.runtime.hdfs(flow)
    columns = [HiveColumn("id", HiveType.parse("int"))]
    versions.ensure_table(runtime, flow, flow.lake.table, columns)
    for seq in range(1, LOADS + 1):
        before = metastore.read_version(flow.lake.database, flow.lake.table)
        load_id = f"2026010{seq}t000000_{flow.flow}"
        location = naming.landing(flow.lake.root, flow.lake.database, flow.lake.table, load_id, "0" * 12)
        planned = Planned((), (), (), None, None, False, (), {}, (), None, head=before.head)
        manifest = Manifest(
            load_id=load_id,
            flow=flow.flow,
            seq=seq,
            previous_seq=seq - 1,
            kind="load",
            low=None,
            high=None,
            replays=None,
            bookmark=None,
            spec=frozen_spec(flow),
            spec_hash=spec_hash(flow),
            try_id="0" * 12,
            location=location,
            created_at=f"2026-01-0{seq}T00:00:00+00:00",
            facts={"plan": planned.to_json(), "prove": Proved(seq, 0, 0).to_json()},
            replaces=VersionRecord.of(before) if before.seq else None,
        )
        hdfs.write_manifest(location, manifest.document())
        own = {naming.HEAD_PROPERTY: str(seq), naming.KIND_PROPERTY: "load"}
        metastore.publish(before, hdfs.url + location, columns, seq, load_id, {"numRows": seq}, own)
