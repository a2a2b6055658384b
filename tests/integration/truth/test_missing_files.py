"""Files of the version that a table shows are gone, as after an old backup of the metastore: nothing is built upon it.

Its rows were read once, and the bookmark is above them: a load on top would go on without them, and prove itself.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.cases import Case
from harness.matrix import record
from switchyard.errors import ReconcileMismatch, SwitchyardError, TruthConflict
from switchyard.legs.rebuild.rebuild import rebuild

pytestmark = pytest.mark.kin

TABLE = "create table t (id int primary key, at timestamptz not null default clock_timestamp())"
LOST = {
    ("append", "the directory"): (TruthConflict, "1 are not in HDFS"),
    ("merge", "the directory"): (TruthConflict, "1 are not in HDFS"),
    ("merge", "its files"): (ReconcileMismatch, "the version before has 0 rows, and had 3 when it was published"),
}


@pytest.mark.parametrize(("mode", "what"), LOST)
def test_a_version_without_its_files_is_never_built_upon(new_case: Callable[..., Case], mode: str, what: str) -> None:
    case = new_case(f"lost_{mode}", source={"cursor": "at", "cursor_clock": "database"}, lake={"mode": mode})
    case.sql(TABLE, "insert into t (id) select generate_series(1, 3)")
    case.run("ingest")
    version, hdfs = case.version(), case.runtime.hdfs(case.flow())
    assert version is not None
    for path in version.paths:
        files = [file.path for file in hdfs.list_files(path)]
        for lost in files if what == "its files" else [path]:
            hdfs.delete(lost)
    case.sql("insert into t (id) values (4)")
    kind, sentence = LOST[mode, what]
    require_refused(case, kind, sentence)
    assert case.version() == version
    if what == "the directory":
        with case.runtime.ledger() as ledger:
            case.servers.postgres("delete from loads where flow = %s", [case.name], url="LEDGER_URL")
            assert any("are not in HDFS" in one for one in rebuild(case.runtime, ledger, case.flow()).sentences)
        require_refused(case, kind, sentence)
    record(f"ingest, {mode}", "recorded", f"{what} of the version gone", "refused")


def require_refused(case: Case, kind: type[SwitchyardError], sentence: str) -> None:
    case.settle()
    with pytest.raises(kind) as caught:
        case.run("ingest")
    assert sentence in caught.value.what
