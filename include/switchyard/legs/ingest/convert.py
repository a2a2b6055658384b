"""Step convert: landed text becomes a batch of typed rows, refused rows go aside, and the batch becomes a version."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from switchyard.errors import ReconcileMismatch
from switchyard.extract.statement import REFUSED_FIELD
from switchyard.flow import naming
from switchyard.flow.cures import run_again
from switchyard.lake.hive import HiveSession
from switchyard.lake.hiveql import statements
from switchyard.ledger.loads import Load
from switchyard.ledger.results import Converted, Landed
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest.workspace import Batch
from switchyard.legs.runtime import Delivery, Runtime, require_state
from switchyard.legs.tables import versions
from switchyard.types.carry import carrier_field
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import STRING


def convert(runtime: Runtime, ledger: Ledger, load: Load) -> Delivery[Converted]:
    """Run the step: everything it writes has a name of this try."""
    require_state(load, "landed", "converted")
    batch = Batch(runtime, load, naming.new_try())
    now = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M:%S.%f}"
    sets_aside = load.result(Landed).read.refused > 0 or bool(batch.quarantining)
    with runtime.hive(batch.flow).session() as hive:
        text = _text_table(batch)
        directory = batch.landing if _is_the_version(batch) else batch.part("batch")
        typed = batch.table("batch", directory)
        hive.run(statements.convert(text, typed, batch.planned.columns))
        kept = _set_aside(batch, hive, text, typed, now) if sets_aside else typed
        quarantine = batch.refused if sets_aside else None
        converted = Converted(batch.try_id, batch.landing, quarantine, batch=typed, kept=kept)
        if batch.flow.lake.mode == "merge":
            converted = _merge(batch, hive, converted)
    batch.drop("text")
    ledger.advance(
        load,
        "converted",
        expected=["landed", "converted"],
        result=converted,
        try_id=batch.try_id,
        location=batch.landing,
    )
    return Delivery(converted)


def _is_the_version(batch: Batch) -> bool:
    """Whether the batch is written to the landing at once: nothing is left out of it, and nothing merged."""
    return batch.flow.lake.mode != "merge" and not batch.quarantining


def _text_table(batch: Batch) -> str:
    planned, load = batch.planned, batch.load
    fields = [HiveColumn("m", STRING), HiveColumn("q", REFUSED_FIELD)]
    fields += [HiveColumn(carrier_field(i), column.staged) for i, column in enumerate(planned.columns)]
    name = versions.staging_table(batch.runtime, batch.flow, "text", load.load_id, batch.try_id)
    url = batch.runtime.hdfs(batch.flow).url
    batch.metastore.create_json_table(naming.STAGING_DATABASE, name, fields, url + load.result(Landed).staging)
    return f"{naming.STAGING_DATABASE}.{name}"


def _set_aside(batch: Batch, hive: HiveSession, text: str, typed: str, now: str) -> str:
    """Write the refused rows into this try's quarantine; returns the table of the rows that stay."""
    planned = batch.planned
    target = batch.quarantine()
    if batch.load.result(Landed).read.refused:
        judged = [column for column in (*planned.columns, *planned.left_out) if column.unfit]
        hive.run(statements.quarantine_unfit(text, target, judged, now))
    if not batch.quarantining:
        return typed
    merging = batch.flow.lake.mode == "merge"
    kept = batch.table("kept", batch.part("kept") if merging else batch.landing)
    divided = statements.Division(typed, batch.quarantining, planned.hive_columns)
    hive.run(divided.keep(kept))
    hive.run(divided.quarantine(target, now))
    return kept


def _merge(batch: Batch, hive: HiveSession, converted: Converted) -> Converted:
    """Write the new version from the one before and the batch."""
    planned = batch.planned
    old_columns = [HiveColumn(name, kind) for name, kind in planned.before_columns.items()]
    old = batch.table("old", planned.before_paths[0], old_columns)
    merge = batch.merge(converted.kept, old)
    rows, nulls, keys, ties = (int(value or 0) for value in hive.run(merge.faults())[0])
    where = f"flow {batch.load.flow}"
    cure = (
        "nothing was published; name in source.key the columns that identify a row, or correct the rows at the source; "
        f"then {run_again('ingest', batch.load.flow)}"
    )
    if nulls:
        raise ReconcileMismatch(f"{nulls} rows have NULL in the key ({', '.join(planned.key)})", where=where, cure=cure)
    if ties:
        by = f" with the same {merge.cursor}" if merge.cursor else ""
        what = f"{ties} keys are repeated{by}, so the newest row cannot be chosen"
        raise ReconcileMismatch(what, where=where, cure=cure)
    hive.run(merge.into(batch.table("typed", batch.landing)))
    return replace(converted, old=old, repeated=rows - keys)
