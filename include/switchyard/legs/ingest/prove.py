"""Step prove: every count and aggregate of a load compared, every check judged, before anything is published."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import replace

from switchyard.errors import CheckFailed, QuarantineExceeded, ReconcileMismatch, SwitchyardError, cut_value
from switchyard.flow import naming
from switchyard.flow.cures import run_again
from switchyard.flow.proof import Reconcile
from switchyard.flow.threshold import rows_allowed
from switchyard.lake.hive import HiveSession
from switchyard.lake.hiveql import statements
from switchyard.lake.hiveql.merging import COUNTS
from switchyard.lake.partitions import add_partition
from switchyard.ledger.loads import Load
from switchyard.ledger.results import Converted, Landed, Proved
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest.blame import blaming_the_source
from switchyard.legs.ingest.manifest import Manifest
from switchyard.legs.ingest.replay_guard import require_unloaded
from switchyard.legs.ingest.workspace import Batch
from switchyard.legs.runtime import Delivery, Runtime, require_state
from switchyard.prove.checks import Verdict
from switchyard.prove.reconcile import check_converted, check_equation, check_shrink
from switchyard.types.aggregates import Aggregates
from switchyard.types.carry import CarriedColumn
from switchyard.types.columns import HiveColumn
from switchyard.types.quoting import quote_hive

log = logging.getLogger(__name__)

_EXAMPLES = 3
_EXACT = Reconcile.model_validate({})
"""Two counts of one table have no tolerance."""


def prove(runtime: Runtime, ledger: Ledger, load: Load) -> Delivery[Proved]:
    """Run the step. Raises ReconcileMismatch, QuarantineExceeded or CheckFailed; quarantined rows stay to be seen."""
    require_state(load, "converted", "proved")
    batch = Batch(runtime, load, load.result(Converted).try_id)
    if load.state == "proved":
        _clean_up(batch)
        return Delivery(load.result(Proved))
    with runtime.hive(batch.flow).session() as hive:
        require_unloaded(batch, hive, load.result(Converted).kept)
        proved = _count(batch, hive)
        proved = replace(proved, warnings=_judge(batch, hive, _rows_to_judge(batch, proved)))
    before = batch.metastore.read_version(batch.flow.lake.database, batch.flow.lake.table)
    runtime.hdfs(batch.flow).write_manifest(batch.landing, Manifest.of(load, proved, before).document())
    ledger.advance(load, "proved", expected=["converted"], result=proved)
    _clean_up(batch)
    return Delivery(proved)


def _rows_to_judge(batch: Batch, proved: Proved) -> int:
    """Rows that the checks look at: of an append table those of this load, else those of the whole version."""
    return proved.hive_rows if proved.inserted is None or batch.flow.lake.mode != "append" else proved.inserted


def _clean_up(batch: Batch) -> None:
    """Delete what only the proof needed."""
    batch.drop("batch", "kept", "old", "typed", "refused")
    for directory in (batch.load.result(Landed).staging, batch.part("batch"), batch.part("kept")):
        batch.runtime.hdfs(batch.flow).delete(directory)


def _count(batch: Batch, hive: HiveSession) -> Proved:
    """Compare all counts: what the source statement read = what became of it."""
    load, flow, planned = batch.load, batch.flow, batch.planned
    landed, converted = load.result(Landed), load.result(Converted)
    # Before the rows are counted: a file that somebody deletes after this is missed by a count, or by the publish.
    files = batch.runtime.hdfs(flow).list_files(batch.landing)
    rows, aggregates = _count_batch(hive, converted.batch, planned.columns, flow.flow)
    with blaming_the_source(batch.runtime, flow, planned):
        check_converted(landed.read, rows, aggregates, planned.columns, flow.flow)
    kept = rows if converted.kept == converted.batch else _rows(hive, converted.kept)
    quarantined = _quarantine(batch, hive, converted)
    parts = {"kept": kept, "quarantined": quarantined}
    difference = check_equation(
        "the source statement read", landed.read.rows, "Hive has", parts, flow.flow, flow.reconcile
    )
    proved = Proved(
        source_rows=landed.read.rows,
        landed_rows=landed.landed_rows,
        quarantined_rows=quarantined,
        hive_rows=kept,
        hive_bytes=sum(file.bytes for file in files),
        hive_files=len(files),
        differences=(difference,) if difference else (),
    )
    if flow.lake.mode == "merge":
        proved = _count_merge(batch, hive, converted, proved)
    if flow.lake.mode == "append":
        proved = replace(proved, inserted=kept, hive_rows=(planned.before_rows or 0) + kept)
    else:
        check_shrink(planned.before_rows, proved.hive_rows, flow.flow, flow.reconcile)
    _check_threshold(batch, landed.read.rows, quarantined)
    return proved


def _count_batch(
    hive: HiveSession, table: str, columns: Sequence[CarriedColumn], flow: str
) -> tuple[int, list[Aggregates]]:
    """Rows of a batch, and the aggregates of every column: by several queries when the table is wide."""
    rows: int | None = None
    aggregates: list[Aggregates] = []
    for group in statements.column_groups(columns):
        counted, of_group = statements.read_counts(hive.run(statements.count_all(table, group))[0], group)
        if rows is not None:
            check_equation(
                "Hive counted the rows of this load more than once, and the counts differ: now",
                counted,
                "before that",
                {"of the same table": rows},
                flow,
                _EXACT,
            )
        rows = counted
        aggregates += of_group
    return rows or 0, aggregates


def _count_merge(batch: Batch, hive: HiveSession, converted: Converted, proved: Proved) -> Proved:
    """Compare the new version with the one before it and the batch; `proved` has the batch's rows as `hive_rows`."""
    flow, kept, repeated = batch.flow, proved.hive_rows, converted.repeated or 0
    merge = batch.merge(converted.kept, converted.old or "")
    counts = dict(zip(COUNTS, (int(value) for value in hive.run(merge.counts())[0]), strict=True))
    _require_before(batch, counts["before"])
    changed = {name: counts[name] for name in ("inserted", "updated", "unchanged", "late", "unknown")}
    changed["repeated"] = repeated
    dead = kept - sum(changed.values())
    if not (0 if merge.sweep else counts["deleted"]) <= dead <= counts["deleted"]:
        _require_single_keys(batch, int(hive.run(merge.repeated_before())[0][0]))
        counts_by_kind = " + ".join(f"{count} {name}" for name, count in changed.items())
        deleted = counts["deleted"]
        raise ReconcileMismatch(
            f"the merge does not account for every row of this load: {kept} rows were read, and the merge counts "
            f"{counts_by_kind} + {deleted} deleted",
            where=f"flow {flow.flow}",
            cure=f"nothing was published; {run_again('ingest', flow.flow)}; if it happens again, see HiveServer2's log",
        )
    target = f"{naming.STAGING_DATABASE}.{naming.staging_table('typed', batch.load.load_id, batch.try_id)}"
    rows, placed = (int(value) for value in hive.run(merge.placed(target))[0])
    expected = {"before": counts["before"], "inserted": counts["inserted"], "deleted": -counts["deleted"]}
    check_equation("the new version has", rows, "it must have", expected, flow.flow, flow.reconcile)
    in_version = {name: counts[name] for name in ("inserted", "updated", "unchanged")}
    check_equation("of this load the new version holds", placed, "it must hold", in_version, flow.flow, flow.reconcile)
    return replace(
        proved,
        hive_rows=rows,
        before=counts["before"],
        inserted=counts["inserted"],
        updated=counts["updated"],
        unchanged=counts["unchanged"],
        late=counts["late"],
        deleted=counts["deleted"],
        unknown=counts["unknown"],
        repeated=repeated,
    )


def _require_single_keys(batch: Batch, repeated: int) -> None:
    """Raise ReconcileMismatch when rows of the version before share a key, as a load of mode replace may have left."""
    if repeated:
        key = ", ".join(batch.planned.key)
        table = f"{batch.flow.lake.database}.{batch.flow.lake.table}"
        raise ReconcileMismatch(
            f"{repeated} keys ({key}) have several rows each in Hive table {table}, so that a row of the source cannot "
            "take the place of one",
            where=f"flow {batch.flow.flow}",
            cure="nothing was published; set lake.table to a new name, and the next run loads everything into it; or "
            "set lake.mode: replace, run the flow once the source has one row for each key, and set lake.mode: merge "
            "again",
        )


def _require_before(batch: Batch, rows: int) -> None:
    """Raise ReconcileMismatch when the version that is merged into has not the rows that it was published with."""
    expected = batch.planned.before_rows
    if expected is not None and expected >= 0 and rows != expected:
        raise ReconcileMismatch(
            f"the version that Hive shows has {rows} rows, and had {expected} when it was published",
            where=f"flow {batch.flow.flow}, HDFS directory {batch.planned.before_paths[0]}",
            cure="nothing was published; somebody wrote or deleted files in that directory: restore them, or go back "
            f"to another version: switchyard rollback {batch.flow.flow}",
        )


def _quarantine(batch: Batch, hive: HiveSession, converted: Converted) -> int:
    """Count the refused rows, and show them to everybody as a partition of the quarantine table, whatever comes."""
    directory = converted.quarantine
    if directory is None:
        return 0
    rows = _rows(hive, batch.quarantine())
    if rows:
        lake, table = batch.flow.lake, naming.quarantine_table(batch.flow.lake.table)
        url = batch.runtime.hdfs(batch.flow).url
        root = naming.table_root(lake.root, lake.database, table)
        _require_quarantine(batch, table)
        own = {naming.FLOW_PROPERTY: batch.flow.flow}
        batch.metastore.create_parquet_table(
            lake.database, table, statements.QUARANTINE_COLUMNS, url + root, own, statements.QUARANTINE_PARTITION
        )
        location = url + directory
        add_partition(
            batch.metastore, lake.database, table, batch.load.load_id, location, statements.QUARANTINE_COLUMNS
        )
    return rows


def _require_quarantine(batch: Batch, table: str) -> None:
    """Raise SwitchyardError when the quarantine's name is taken by a lake table: only those have versions."""
    lake = batch.flow.lake
    version = batch.metastore.read_version(lake.database, table)
    if version is not None and version.seq >= 0:
        other_flow = version.flow
        raise SwitchyardError(
            f"this flow keeps its refused rows in Hive table {version.name}, which is loaded by flow {other_flow!r}",
            where=f"flow {batch.flow.flow}",
            cure="nothing was published; set another lake.table in one of the two flow files",
        )


def _check_threshold(batch: Batch, read: int, quarantined: int) -> None:
    threshold, lake = batch.flow.contract.quarantine_threshold, batch.flow.lake
    if quarantined <= rows_allowed(threshold, read):
        return
    table = f"{lake.database}.{naming.quarantine_table(lake.table)}"
    raise QuarantineExceeded(
        f"{quarantined} of {read} rows were refused, more than contract.quarantine_threshold: {threshold}",
        where=f"flow {batch.flow.flow}",
        cure=f"nothing was published; see the reasons in Hive: select * from {table} where load_id = "
        f"'{batch.load.load_id}'; correct the rows at the source; or say in the flow file how many of the rows that a "
        "load reads may be refused: contract: {quarantine_threshold: 0.1%} (0 unless it says otherwise)",
    )


def _judge(batch: Batch, hive: HiveSession, expected: int) -> tuple[str, ...]:
    """Judge the checks on the rows that would be published; returns the warnings.

    Raises CheckFailed with all that failed, ReconcileMismatch when Hive did not look at all of the rows.
    """
    tests, totals = batch.judging, batch.totals
    if not tests and not totals:
        return ()
    planned = batch.planned
    merged = f"{naming.STAGING_DATABASE}.{naming.staging_table('typed', batch.load.load_id, batch.try_id)}"
    table = merged if batch.flow.lake.mode == "merge" else batch.load.result(Converted).kept
    selects = [total.select for total in totals]
    row = hive.run(statements.count_broken(table, tests, selects, planned.hive_columns))[0]
    rows, broken, values = int(row[0]), row[1 : 1 + len(tests)], row[1 + len(tests) :]
    check_equation("the checks looked at", rows, "Hive has", {"to publish": expected}, batch.flow.flow, _EXACT)
    verdicts = [
        Verdict(test.label, test.severity, int(count), rows, examples=_examples(batch, hive, table, test.broken))
        for test, count in zip(tests, broken, strict=True)
        if int(count)
    ]
    now = dt.datetime.now(dt.UTC)
    for total, value in zip(totals, values, strict=True):
        finding = total.judge(value, now)
        if finding:
            verdicts.append(Verdict(total.label, total.severity, 0, rows, finding))
    failed = [str(verdict) for verdict in verdicts if verdict.severity == "fail"]
    if failed:
        for sentence in failed:
            log.error("%s", sentence)
        raise CheckFailed(
            "rows break checks of severity fail:",
            where=f"flow {batch.flow.flow}",
            cure="nothing was published; correct the rows at the source, or the check in the flow file; then "
            f"{run_again('ingest', batch.flow.flow)}",
            findings=failed,
            more="the log of this step has all",
        )
    for verdict in verdicts:
        log.warning("%s", verdict)
    return tuple(str(verdict) for verdict in verdicts)


def _examples(batch: Batch, hive: HiveSession, table: str, broken: str) -> tuple[str, ...]:
    """Keys of some rows that break a check."""
    if not batch.planned.key:
        return ()
    key = ", ".join(map(quote_hive, batch.planned.key))
    columns: list[HiveColumn] = batch.planned.hive_columns
    tested = f"select {statements.names(columns)}, {broken} as t0 from {statements.quote_table(table)}"
    rows = hive.run(f"select {key} from ({tested}) t where t0 limit {_EXAMPLES}")
    return tuple(
        ", ".join(f"{name} {cut_value(str(value))}" for name, value in zip(batch.planned.key, row, strict=True))
        for row in rows
    )


def _rows(hive: HiveSession, table: str) -> int:
    return int(hive.run(f"select count(*) from {statements.quote_table(table)}")[0][0])
