"""The metastore is restored to a version whose files `tidy` has deleted: no backup of it can bring those back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.backups import back_up_ledger, back_up_table
from harness.cases import Case
from harness.matrix import record
from switchyard.errors import SwitchyardError
from switchyard.legs.rebuild.rebuild import rebuild

pytestmark = pytest.mark.kin

TABLE = "create table t (id int primary key, at timestamptz not null default clock_timestamp())"


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_version_without_its_files_is_never_built_upon(new_case: Callable[..., Case], mode: str) -> None:
    """Its rows were read, and the bookmark is above them: a load would go on without them, and prove itself."""
    case = new_case(f"files_{mode}", source={"cursor": "at", "cursor_clock": "database"}, lake={"mode": mode})
    case.sql(TABLE, "insert into t (id) select generate_series(1, 3)")
    case.run("ingest")
    table, ledger = back_up_table(case), back_up_ledger(case)
    version = case.version()
    assert version is not None
    for path in version.paths:
        case.runtime.hdfs(case.flow()).delete(path)
    case.sql("insert into t (id) values (4)")
    for restore in (table, ledger):
        restore()
    case.settle()
    with pytest.raises(SwitchyardError) as caught:
        case.run("ingest")
    assert "are not in HDFS" in caught.value.what
    assert case.version() == version
    with case.runtime.ledger() as opened:
        rebuild(case.runtime, opened, case.flow())
    with pytest.raises(SwitchyardError, match="are not in HDFS"):
        case.run("ingest")
    record(f"ingest, {mode}", "recorded", "the version's files are gone", "refused")
