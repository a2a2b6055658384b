"""Step prove: every count and aggregate of a load compared, every check judged, before anything is published."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from switchyard.errors import CheckFailed, QuarantineExceeded, ReconcileMismatch
from switchyard.flow import naming
from switchyard.flow.proof import Reconcile
from switchyard.flow.threshold import rows_allowed
from switchyard.lake.hive import HiveSession
from switchyard.lake.hiveql import statements
from switchyard.lake.hiveql.merging import COUNTS
from switchyard.lake.partitions import add_partition
from switchyard.ledger.loads import Load
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest.workspace import Batch
from switchyard.legs.runtime import Runtime, require_state
from switchyard.prove.checks import Verdict
from switchyard.prove.reconcile import Read, check_converted, check_equation, check_shrink
from switchyard.types.columns import HiveColumn
from switchyard.types.quoting import quote_hive

log = logging.getLogger(__name__)

_EXAMPLES = 3
_EXACT = Reconcile.model_validate({})
"""Two counts of one table have no tolerance."""


def prove(runtime: Runtime, ledger: Ledger, load: Load) -> dict[str, Any]:
    """Run the step. Raises ReconcileMismatch, QuarantineExceeded or CheckFailed; quarantined rows stay to be seen."""
    require_state(load, "converted", "proved")
    batch = Batch(runtime, load, load.facts["convert"]["try"])
    if load.state == "proved":
        _clean_up(batch)
        return dict(load.facts["prove"])
    with runtime.hive(batch.flow).session() as hive:
        facts = _count(batch, hive)
        facts["warnings"] = _judge(batch, hive, facts["inserted" if batch.flow.lake.mode == "append" else "hive_rows"])
    hdfs = runtime.hdfs(batch.flow)
    files = hdfs.list_files(batch.landing)
    facts |= {"hive_bytes": sum(file.bytes for file in files), "hive_files": len(files)}
    types = {name: kind.shown for name, kind in batch.planned.hive_types.items()}
    told = {"load_id": load.load_id, "flow": load.flow, "seq": load.seq, "columns": types}
    hdfs.write_manifest(batch.landing, {**told, **facts})
    ledger.advance(load, "proved", expected=["converted"], step="prove", facts=facts)
    _clean_up(batch)
    return facts


def _clean_up(batch: Batch) -> None:
    """Delete what only the proof needed."""
    batch.drop("batch", "kept", "old", "typed", "refused")
    for directory in (batch.load.facts["land"]["staging"], batch.part("batch"), batch.part("kept")):
        batch.runtime.hdfs(batch.flow).delete(directory)


def _count(batch: Batch, hive: HiveSession) -> dict[str, Any]:
    """Compare all counts: what the source statement read = what became of it."""
    load, flow, planned = batch.load, batch.flow, batch.planned
    land, made = load.facts["land"], load.facts["convert"]
    read = Read.of(land["read"])
    counted = hive.run(statements.count_all(made["batch"], planned.columns))[0]
    rows, aggregates = statements.read_counts(counted, planned.columns)
    check_converted(read, rows, aggregates, planned.columns, flow.flow)
    kept = rows if made["kept"] == made["batch"] else _rows(hive, made["kept"])
    quarantined = _quarantine(batch, hive)
    said = check_equation(
        "the source statement read", read.rows, {"kept": kept, "quarantined": quarantined}, flow.flow, flow.reconcile
    )
    facts = {
        "source_rows": read.rows,
        "landed_rows": land["landed_rows"],
        "quarantined_rows": quarantined,
        "hive_rows": kept,
        "differences": [said] if said else [],
    }
    if flow.lake.mode == "merge":
        facts |= _count_merge(batch, hive, kept)
    if flow.lake.mode == "append":
        facts |= {"inserted": kept, "hive_rows": (planned.before_rows or 0) + kept}
    else:
        check_shrink(planned.before_rows, facts["hive_rows"], flow.flow, flow.reconcile)
    _check_threshold(batch, read.rows, quarantined)
    return facts


def _count_merge(batch: Batch, hive: HiveSession, kept: int) -> dict[str, int]:
    made, flow = batch.load.facts["convert"], batch.flow
    target = f"{naming.STAGING_DATABASE}.{naming.staging_table('typed', batch.load.load_id, batch.try_id)}"
    merge = batch.merge(made["kept"], made["old"])
    counts = dict(zip(COUNTS, (int(value) for value in hive.run(merge.counts())[0]), strict=True))
    counts["repeated"] = made["repeated"]
    changed = {name: counts[name] for name in ("inserted", "updated", "unchanged", "late", "unknown", "repeated")}
    dead = kept - sum(changed.values())
    if not (0 if merge.sweep else counts["deleted"]) <= dead <= counts["deleted"]:
        told = " + ".join(f"{count} {name}" for name, count in changed.items())
        raise ReconcileMismatch(
            f"the batch has {kept} rows, and there are {told}, {counts['deleted']} deleted",
            where=f"flow {flow.flow}",
            next="nothing was published; run again, and see HiveServer2's log",
        )
    rows, placed = (int(value) for value in hive.run(merge.placed(target))[0])
    expected = {"before": counts["before"], "inserted": counts["inserted"], "deleted": -counts["deleted"]}
    check_equation("the new version has", rows, expected, flow.flow, flow.reconcile)
    there = {name: counts[name] for name in ("inserted", "updated", "unchanged")}
    check_equation("the new version holds of the batch", placed, there, flow.flow, flow.reconcile)
    return {"hive_rows": rows, **counts}


def _quarantine(batch: Batch, hive: HiveSession) -> int:
    """Count the refused rows, and show them to everybody as a partition of the quarantine table, whatever comes."""
    directory = batch.load.facts["convert"]["quarantine"]
    if directory is None:
        return 0
    rows = _rows(hive, batch.quarantine())
    if rows:
        lake, table = batch.flow.lake, naming.quarantine_table(batch.flow.lake.table)
        url = batch.runtime.hdfs(batch.flow).url
        root = naming.table_root(lake.root, lake.database, table)
        own = {naming.FLOW_PROPERTY: batch.flow.flow}
        batch.metastore.create_parquet_table(
            lake.database, table, statements.QUARANTINE_COLUMNS, url + root, own, statements.QUARANTINE_PARTITION
        )
        location = url + directory
        add_partition(
            batch.metastore, lake.database, table, batch.load.load_id, location, statements.QUARANTINE_COLUMNS
        )
    return rows


def _check_threshold(batch: Batch, read: int, quarantined: int) -> None:
    threshold, lake = batch.flow.contract.quarantine_threshold, batch.flow.lake
    if quarantined <= rows_allowed(threshold, read):
        return
    table = f"{lake.database}.{naming.quarantine_table(lake.table)}"
    raise QuarantineExceeded(
        f"{quarantined} of {read} rows were refused, more than contract.quarantine_threshold: {threshold}",
        where=f"flow {batch.flow.flow}",
        next=f"nothing was published; see why: select * from {table} where load_id = '{batch.load.load_id}'",
    )


def _judge(batch: Batch, hive: HiveSession, expected: int) -> list[str]:
    """Judge the checks on the rows that would be published; returns the warnings.

    Raises CheckFailed with all that failed, ReconcileMismatch when Hive did not look at all of the rows.
    """
    tests, totals = batch.judging, batch.totals
    if not tests and not totals:
        return []
    made, planned = batch.load.facts["convert"], batch.planned
    merged = f"{naming.STAGING_DATABASE}.{naming.staging_table('typed', batch.load.load_id, batch.try_id)}"
    table = merged if batch.flow.lake.mode == "merge" else made["kept"]
    asked = [total.select for total in totals]
    row = hive.run(statements.count_broken(table, tests, asked, planned.hive_columns))[0]
    rows, broken, values = int(row[0]), row[1 : 1 + len(tests)], row[1 + len(tests) :]
    check_equation("the checks looked at", rows, {"to publish": expected}, batch.flow.flow, _EXACT)
    verdicts = [
        Verdict(test.label, test.severity, int(count), rows, examples=_examples(batch, hive, table, test.broken))
        for test, count in zip(tests, broken, strict=True)
        if int(count)
    ]
    now = dt.datetime.now(dt.UTC)
    for total, value in zip(totals, values, strict=True):
        if said := total.judge(value, now):
            verdicts.append(Verdict(total.label, total.severity, 0, rows, said))
    failed = [str(verdict) for verdict in verdicts if verdict.severity == "fail"]
    if failed:
        raise CheckFailed(
            "; ".join(failed),
            where=f"flow {batch.flow.flow}",
            next="nothing was published; correct the rows at the source, or the check in the flow file",
        )
    for verdict in verdicts:
        log.warning("%s", verdict)
    return [str(verdict) for verdict in verdicts]


def _examples(batch: Batch, hive: HiveSession, table: str, broken: str) -> tuple[str, ...]:
    """Keys of some rows that break a check."""
    if not batch.planned.key:
        return ()
    key = ", ".join(map(quote_hive, batch.planned.key))
    columns: list[HiveColumn] = batch.planned.hive_columns
    tested = f"select {statements.names(columns)}, {broken} as t0 from {statements.quote_table(table)}"
    found = hive.run(f"select {key} from ({tested}) t where t0 limit {_EXAMPLES}")
    return tuple(", ".join(f"{n} {v}" for n, v in zip(batch.planned.key, row, strict=True)) for row in found)


def _rows(hive: HiveSession, table: str) -> int:
    return int(hive.run(f"select count(*) from {statements.quote_table(table)}")[0][0])
