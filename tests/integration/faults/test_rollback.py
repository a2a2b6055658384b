"""Kill -9 at every point of a rollback: Hive shows one version, whole; the next run settles it, hold and all."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from harness.cases import Case
from harness.matrix import members, record
from harness.readers import hive_reader
from harness.servers import Servers
from harness.stop_points import ledger_stop, wait_for
from harness.two_versions import Letter, TwoVersions
from harness.wires import WireStop
from switchyard.ledger.flow_state import read_state
from switchyard.legs.ingest.release import release

pytestmark = pytest.mark.fault

CALL = b"alter_table_with_environment_context"
STOPS: dict[str, tuple[str, bytes | str, str]] = {
    "before the plan is in the ledger": ("ledger", "planned", ""),
    "proved, not in the ledger": ("ledger", "proved", ""),
    "before `publishing` is in the ledger": ("ledger", "publishing", ""),
    "before the metastore hears": ("lake_metastore", CALL, "before"),
    "between metastore call and ledger": ("lake_metastore", CALL, "after"),
    "before `published` is in the ledger": ("ledger", "published", ""),
}
SHOWN = list(STOPS)[4:]
SETTLED = list(STOPS)[3:]


@pytest.fixture(scope="module")
def two(module_case: Callable[..., Case]) -> TwoVersions:
    return TwoVersions.load(module_case("unkill", serve={}, cache={}))


def in_hive(two: TwoVersions) -> Letter:
    found = two.name_rows(two.case.hive(what="id, x"))
    assert found in ("a", "b"), found
    return found


def held(case: Case) -> str | None:
    with case.runtime.ledger() as ledger:
        return read_state(ledger, case.name).held


@pytest.mark.parametrize("moment", members(STOPS, ["between metastore call and ledger"]))
def test_killed(two: TwoVersions, servers: Servers, moment: str) -> None:
    case, old = two.case, in_hive(two)
    new: Letter = "b" if old == "a" else "a"
    command = ("rollback", case.name, "--to", two.versions[new].load_id, "--why", moment)
    with hive_reader(servers, f"select id, x from {case.name}.t", two.name_rows, pause=0.3) as reader:
        where, what, when = STOPS[moment]
        with ledger_stop(case, what) if where == "ledger" else WireStop(case, where, what, when) as at:
            child = case.start(*command)
            reached = at.is_reached if where == "ledger" else at.reached.is_set
            wait_for(lambda: reached() or child.poll() is not None, moment)
            assert child.poll() is None, child.stdout.read()
            child.send_signal(signal.SIGKILL)
            child.wait()
        assert in_hive(two) == (new if moment in SHOWN else old)
        assert held(case) is None, "the ledger tells of it with the publish, in one transaction"
        if moment in SETTLED:
            code, said = case.switchyard("run", "ingest", case.name)
            assert (code, f"{moment}" in said) == (1, True), "the next run settles it, and is then refused by its hold"
        else:
            code, said = case.switchyard(*command)
            assert code == 0, said
        case.run("serve")
    assert set(reader.seen) <= {"a", "b"}
    assert len(reader.order) <= 2, "nobody went back to the old version"
    assert (in_hive(two), two.shown()) == (new, new)
    assert moment in held(case)
    newest = case.loads("ingest")[0]
    assert (newest.state, newest.kind, newest.seq) == ("published", "rollback", case.version().seq)
    assert set(case.states("ingest")) <= {"published", "abandoned"}
    release(case.runtime, case.flow())
    seen = "old" if moment in SHOWN else "undone"
    record("rollback", moment, "kill -9", f"{seen} version read, whole; next run settles it, flow on hold")
