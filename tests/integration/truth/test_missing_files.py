"""Files of the version that a table shows are gone, as after an old backup of the metastore: nothing is made of it.

Its rows were read once, and the bookmark is above them: a load on top would go on without them, and prove itself. So
would a collection that is made of what is left.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness.cases import Case
from harness.matrix import record
from harness.wires import WireStop
from switchyard.errors import ReconcileMismatch, TruthConflict
from switchyard.flow.naming import STAGING_DATABASE, Leg
from switchyard.handover import StepReport
from switchyard.ledger.loads import Load
from switchyard.legs.ingest import leg as ingest_leg
from switchyard.legs.rebuild.agreement import check_flow
from switchyard.legs.rebuild.rebuild import rebuild
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve import leg as serve_leg

pytestmark = pytest.mark.kin

TABLE = "create table t (id int primary key, at timestamptz(3) not null default clock_timestamp())"
LOST = (("append", "the directory"), ("append", "its files"), ("merge", "the directory"), ("merge", "its files"))


@pytest.mark.parametrize(("mode", "what"), LOST)
def test_a_version_without_its_files_is_never_built_upon(new_case: Callable[..., Case], mode: str, what: str) -> None:
    by_cursor = {"cursor": "at", "cursor_clock": "database"}
    case = new_case(f"lost_{mode}", source=by_cursor, lake={"mode": mode}, serve={})
    case.sql(TABLE, "insert into t (id) select generate_series(1, 3)")
    case.run("ingest")
    version = case.version()
    assert version is not None
    for path in version.paths:
        _delete(case, path, files_only=what == "its files")
    case.sql("insert into t (id) values (4)")
    require_refused(case, "ingest")
    require_refused(case, "serve")
    assert case.version() == version
    assert case.documents() == []
    with case.runtime.ledger() as ledger:
        checked = check_flow(case.runtime, ledger, case.flow())
        assert checked.disagrees is None
        assert "missing or were changed since" in checked.verdict
    if what == "the directory":
        with case.runtime.ledger() as ledger:
            case.servers.postgres("delete from loads where flow = %s", [case.name], url="LEDGER_URL")
            sentences = rebuild(case.runtime, ledger, case.flow()).sentences
            assert any("missing or were changed since" in one for one in sentences)
        require_refused(case, "ingest")
    record(f"ingest, {mode}", "recorded", f"{what} of the version gone", "refused")


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_a_load_whose_files_change_after_its_proof_is_not_published(new_case: Callable[..., Case], mode: str) -> None:
    by_cursor = {"cursor": "at", "cursor_clock": "database"} if mode == "append" else {}
    case = new_case(f"cut_{mode}", source=by_cursor, lake={"mode": mode})
    case.sql(TABLE, "insert into t (id) select generate_series(1, 3)")
    runtime, load_id = case.runtime, _proved(case)
    with runtime.ledger() as ledger:
        _delete(case, str(ledger.get(load_id).location), files_only=True)
    with pytest.raises(ReconcileMismatch, match="its files changed before it was published"):
        ingest_leg.publish(runtime, load_id)
    assert case.states("ingest") == ["abandoned"]
    assert case.hive() == []
    case.run("ingest")
    assert len(case.hive()) == 3
    record(f"ingest, {mode}", "proved", "a file of the landing deleted", "not published")


@pytest.mark.parametrize("select", [None, "select id, at from t"])
def test_a_collection_is_not_made_of_what_is_left_of_its_version(
    new_case: Callable[..., Case], select: str | None
) -> None:
    product = {"select": select, "table": "product"} if select else {}
    case = new_case("left", serve=product)
    case.sql(TABLE, "insert into t (id) select generate_series(1, 3)")
    case.run("ingest")
    runtime = case.runtime
    load = serve_leg.plan(runtime, case.flow())
    assert isinstance(load, Load)
    if select:
        serve_leg.select(runtime, load.load_id)
    with runtime.ledger() as ledger:
        _delete(case, str(ledger.get(load.load_id).location), files_only=True)
    with pytest.raises(ReconcileMismatch, match="changed while it was prepared"):
        serve_leg.stage(runtime, load.load_id)
    assert case.documents() == []


def test_a_file_that_is_deleted_right_after_its_rows_were_counted_is_missed(new_case: Callable[..., Case]) -> None:
    """The rows to publish are counted, and those that were refused are about to be."""
    checks = [{"between": {"column": "id", "min": 0, "max": 2}, "severity": "quarantine"}]
    case = new_case("counted", checks=checks, contract={"quarantine_threshold": "100%"})
    case.sql(TABLE, "insert into t (id) select generate_series(1, 3)")
    case.settle()
    load = ingest_leg.plan(case.runtime, case.flow())
    assert isinstance(load, Load)
    ingest_leg.land(case.runtime, load.load_id)
    ingest_leg.convert(case.runtime, load.load_id)
    refused = f"count(*) from `{STAGING_DATABASE}`.`refused_".encode()
    _delete_landing_before(case, f"t/load={load.load_id}", refused, ingest_leg.prove)
    with pytest.raises(ReconcileMismatch, match="its files changed before it was published"):
        ingest_leg.publish(case.runtime, load.load_id)
    assert case.hive() == []


def test_a_product_whose_files_are_deleted_right_after_the_counts_is_not_published(
    new_case: Callable[..., Case],
) -> None:
    case = new_case("counted", serve={"select": "select id, at from t", "table": "product"})
    case.sql(TABLE, "insert into t (id) select generate_series(1, 3)")
    case.run("ingest")
    load = serve_leg.plan(case.runtime, case.flow())
    assert isinstance(load, Load)
    with pytest.raises(ReconcileMismatch, match="its files changed before it was published"):
        _delete_landing_before(case, f"product/load={load.load_id}", b"drop view", serve_leg.select)
    assert case.hive(table="product") == []
    case.run("serve")
    assert len(case.documents()) == 3


def _delete_landing_before(
    case: Case, version: str, request: bytes, step: Callable[[Runtime, str], StepReport[Any]]
) -> None:
    """Run a step, and delete the files of a version, TABLE/load=ID, while a request to Hive stands still."""
    load_id = version.rpartition("=")[2]
    with WireStop(case, "lake_hive", request, "before") as wire, ThreadPoolExecutor(1) as runner:
        run = runner.submit(step, case.runtime, load_id)
        assert wire.reached.wait(120), f"no request with {request!r} came"
        _delete(case, f"/lake/{case.name}", files_only=True, of=f"/{version}/")
        wire.let_go()
        run.result()


def _proved(case: Case) -> str:
    runtime = case.runtime
    case.settle()
    load_id = ingest_leg.plan(runtime, case.flow()).load_id
    for step in (ingest_leg.land, ingest_leg.convert, ingest_leg.prove):
        step(runtime, load_id)
    return load_id


def _delete(case: Case, path: str, *, files_only: bool, of: str = "") -> None:
    """Delete a directory, or its files: those whose path has `of` in it."""
    hdfs = case.runtime.hdfs(case.flow())
    for lost in [file.path for file in hdfs.list_files(path)] if files_only else [path]:
        if of in lost:
            hdfs.delete(lost)


def require_refused(case: Case, leg: Leg) -> None:
    case.settle()
    with pytest.raises(TruthConflict) as caught:
        case.run(leg)
    assert "in 1 of them files are missing or were changed since" in caught.value.what
