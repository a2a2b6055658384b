"""The ingest leg: preflight → plan → land → convert → prove → publish → tidy. Each step takes a load_id only."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

from switchyard.catalog.chain import hdfs_authority
from switchyard.catalog.lineage import land_step, publish_step
from switchyard.errors import PreflightRefused, PublishConflict
from switchyard.extract import postgres
from switchyard.extract.engine import Engine, ExtractRequest
from switchyard.extract.preflight import Examined, examine, examine_values
from switchyard.extract.sqoop import SqoopEngine
from switchyard.extract.statement import build_statement
from switchyard.flow import naming
from switchyard.flow.frozen import frozen_spec, spec_hash, thaw
from switchyard.flow.spec import Flow
from switchyard.lake.hive import LIST_READER, Hive, count_statement, quote_table
from switchyard.lake.metastore import HiveColumn
from switchyard.lake.types import CarriedColumn, quote_hive, quote_postgres
from switchyard.ledger.loads import UNFINISHED, Load, NewLoad
from switchyard.ledger.store import Ledger
from switchyard.legs import versions
from switchyard.legs.runtime import Runtime, require_state, run_step
from switchyard.prove.reconcile import Tally, check_converted, check_landing, tally_lines
from switchyard.report import StepReport

log = logging.getLogger(__name__)

ENGINES: dict[str, Engine] = {"sqoop": SqoopEngine()}


def preflight(runtime: Runtime, flow: Flow) -> Examined:
    """Look at the live source; raises PreflightRefused with every finding and its cure."""
    with postgres.connect(runtime.connections.get(flow.source.connection)) as session:
        examined = examine_values(session, flow, examine(session, flow))
    _require_list_reader(runtime, flow, examined)
    return examined


def _require_list_reader(runtime: Runtime, flow: Flow, examined: Examined) -> None:
    lists = [column.source for column in examined.columns if column.hive_type.startswith("ARRAY")]
    if lists and (hive := runtime.hive(flow)).readers_setting(LIST_READER) != "false":
        raise PreflightRefused(
            f"Hive's readers would see other values in the arrays {', '.join(lists)}: its vectorized reader makes 0 of"
            " a NULL in a list, and [0] or NULL of an empty one",
            where=f"flow {flow.flow}, connection {hive.connection.conn_id}",
            next=f"set {LIST_READER} to false in HiveServer2's hive-site.xml; or carry their text, with `as: string`",
        )


def plan(runtime: Runtime, flow: Flow) -> Load:
    """Recover what an earlier run left, then write the new load down with its frozen flow (protocol step 0)."""
    with runtime.ledger() as ledger:
        ledger.migrate()
        with ledger.lock(flow.flow, "ingest"):
            with postgres.connect(runtime.connections.get(flow.source.connection)) as session:
                examined = examine(session, flow)
            recover(runtime, ledger, flow)
            columns = _hive_columns(examined.columns)
            version = versions.ensure_table(runtime, flow, flow.lake.table, columns)
            load = ledger.plan(
                NewLoad(
                    flow=flow.flow,
                    leg="ingest",
                    spec=frozen_spec(flow),
                    spec_hash=spec_hash(flow),
                    owner=runtime.owner,
                    previous_seq=version.seq,
                    facts={"plan": _plan_facts(examined)},
                )
            )
    log.info("planned load %s of flow %s: seq %s after %s", load.load_id, flow.flow, load.seq, load.previous_seq)
    return load


def recover(runtime: Runtime, ledger: Ledger, flow: Flow) -> None:
    """Settle every unfinished load: one found in `publishing` is finished or superseded, any other abandoned."""
    for load in reversed(ledger.list_loads(flow.flow, "ingest", UNFINISHED)):
        if load.state == "publishing":
            try:
                _publish(runtime, ledger, load)
                log.info("recovered load %s: published", load.load_id)
            except PublishConflict:
                log.info("recovered load %s: superseded", load.load_id)
            continue
        ledger.advance(load, "abandoned", expected=[load.state], error=f"taken over by {runtime.owner}")
        log.info("abandoned load %s, left %s by %s", load.load_id, load.state, load.owner)


def land(runtime: Runtime, load_id: str) -> StepReport:
    """Extract into a staging directory of its own and count what arrived (protocol step 1)."""
    return run_step(runtime, "land", load_id, "ingest", lambda ledger, load: _land(runtime, ledger, load))


def convert(runtime: Runtime, load_id: str) -> StepReport:
    """Make typed Parquet of the landed text, in a landing of its own."""
    return run_step(runtime, "convert", load_id, "ingest", lambda ledger, load: _convert(runtime, ledger, load))


def prove(runtime: Runtime, load_id: str) -> StepReport:
    """Compare what the source statement read with what Hive reads (protocol step 2)."""
    return run_step(runtime, "prove", load_id, "ingest", lambda ledger, load: _prove(runtime, ledger, load))


def publish(runtime: Runtime, load_id: str) -> StepReport:
    """Publish by one metastore call and record it (protocol steps 3 to 5)."""
    return run_step(runtime, "publish", load_id, "ingest", lambda ledger, load: _publish(runtime, ledger, load))


def tidy(runtime: Runtime, load_id: str) -> StepReport:
    """Delete debris and versions that nobody needs any more (protocol step 7)."""

    def body(ledger: Ledger, load: Load) -> dict[str, Any]:
        return versions.vacuum(runtime, ledger, thaw(load.spec), "ingest")

    return run_step(runtime, "tidy", load_id, "ingest", body)


def _land(runtime: Runtime, ledger: Ledger, load: Load) -> dict[str, Any]:
    flow, columns = thaw(load.spec), _carried(load)
    source = runtime.connections.get(flow.source.connection)
    hdfs = runtime.hdfs(flow)
    try_id = naming.new_try()
    staging = naming.staging(flow.lake.root, flow.lake.database, flow.lake.table, load.load_id, try_id)
    split_by = load.facts["plan"]["split_by"]
    statement = build_statement(flow.source, columns, split_by)
    before = _count(runtime, flow)
    with runtime.scratch() as scratch:
        ENGINES[flow.engine.name].extract(
            ExtractRequest(
                name=f"switchyard {flow.flow} {load.load_id}",
                source=source,
                statement=statement,
                target=hdfs.url + staging,
                mappers=flow.engine.mappers,
                split_by=quote_postgres(split_by) if split_by else None,
                scratch=scratch,
                hdfs=hdfs.connection,
            )
        )
    landed = tally_lines((hdfs.read_chunks(file.path) for file in hdfs.list_files(staging)), len(columns))
    check_landing(landed, flow.flow, allow_empty=flow.reconcile.allow_empty, before=before, after=_count(runtime, flow))
    facts = {
        "try": try_id,
        "staging": staging,
        "source_rows": landed.read.rows,
        "source_values": list(landed.read.values),
        "landed_rows": landed.lines,
        "landed_bytes": landed.bytes,
    }
    ledger.advance(load, "landed", expected=["planned", "landed"], step="land", facts=facts)
    lineage = land_step(
        flow,
        source_database=source.schema,
        hdfs_authority=hdfs_authority(hdfs.connection),
        columns=[(column.source, column.name) for column in columns],
    )
    shown = {name: facts[name] for name in ("source_rows", "landed_rows", "landed_bytes")}
    return {**shown, "lineage": lineage.facts()}


def _convert(runtime: Runtime, ledger: Ledger, load: Load) -> dict[str, Any]:
    flow, columns = thaw(load.spec), _carried(load)
    require_state(load, "landed", "converted")
    metastore, url = runtime.metastore(flow), runtime.hdfs(flow).url
    try_id = naming.new_try()
    landing = naming.landing(flow.lake.root, flow.lake.database, flow.lake.table, load.load_id, try_id)
    fields = [HiveColumn("m", "string"), *(HiveColumn(f"c{i}", column.staged) for i, column in enumerate(columns))]
    text = versions.staging_table(runtime, flow, "text", load.load_id, try_id)
    metastore.create_json_table(naming.STAGING_DATABASE, text, fields, url + load.facts["land"]["staging"])
    typed = versions.typed_table(runtime, flow, _hive_columns(columns), landing, load.load_id, try_id)
    casts = ", ".join(f"{column.cast} as {quote_hive(column.name)}" for column in columns)
    with runtime.hive(flow).session() as hive:
        hive.run(
            f"insert overwrite table {quote_table(f'{naming.STAGING_DATABASE}.{typed}')}"
            f" select {casts} from {quote_table(f'{naming.STAGING_DATABASE}.{text}')} where m is null"
        )
    metastore.drop_table(naming.STAGING_DATABASE, text)
    facts = {"try": try_id, "landing": landing}
    ledger.advance(
        load,
        "converted",
        expected=["landed", "converted"],
        step="convert",
        facts=facts,
        try_id=try_id,
        location=landing,
    )
    return facts


def _prove(runtime: Runtime, ledger: Ledger, load: Load) -> dict[str, Any]:
    flow, columns = thaw(load.spec), _carried(load)
    require_state(load, "converted", "proved")
    landing, try_id = load.facts["convert"]["landing"], load.facts["convert"]["try"]
    typed = versions.typed_table(runtime, flow, _hive_columns(columns), landing, load.load_id, try_id)
    hive = _tally(runtime.hive(flow), f"{naming.STAGING_DATABASE}.{typed}", [c.name for c in columns])
    land_facts = load.facts["land"]
    read = Tally(land_facts["source_rows"], tuple(land_facts["source_values"]))
    check_converted(read, hive, [c.name for c in columns], flow.flow)
    hdfs = runtime.hdfs(flow)
    files = hdfs.list_files(landing)
    facts = {
        "source_rows": read.rows,
        "landed_rows": land_facts["landed_rows"],
        "hive_rows": hive.rows,
        "hive_bytes": sum(file.bytes for file in files),
        "hive_files": len(files),
    }
    hive_types = {column.name: column.hive_type for column in columns}
    told = {"load_id": load.load_id, "flow": flow.flow, "seq": load.seq, "columns": hive_types, **facts}
    hdfs.write_manifest(landing, told)
    runtime.metastore(flow).drop_table(naming.STAGING_DATABASE, typed)
    ledger.advance(load, "proved", expected=["converted", "proved"], step="prove", facts=facts)
    hdfs.delete(land_facts["staging"])
    return facts


def _publish(runtime: Runtime, ledger: Ledger, load: Load) -> dict[str, Any]:
    flow = thaw(load.spec)
    if load.state == "published":
        return {**load.facts["publish"], "lineage": _publish_lineage(runtime, flow, load)}
    require_state(load, "proved", "publishing")
    load = ledger.advance(load, "publishing", expected=["proved", "publishing"])
    proof = load.facts["prove"]
    assert load.location is not None  # noqa: S101 - a proved load has a landing
    target = versions.Target(flow.lake.database, flow.lake.table, _hive_columns(_carried(load)), load.location)
    try:
        versions.publish(runtime, flow, target, load, proof)
    except PublishConflict as error:
        ledger.advance(load, "abandoned", expected=["publishing"], error=f"superseded: {error.what}")
        raise
    facts = {"seq": load.seq, "rows": proof["hive_rows"], "bytes": proof["hive_bytes"], "load_id": load.load_id}
    ledger.finish(load, step="publish", facts=facts)
    return {**facts, "lineage": _publish_lineage(runtime, flow, load)}


def _publish_lineage(runtime: Runtime, flow: Flow, load: Load) -> dict[str, Any]:
    authority = hdfs_authority(runtime.connections.get(flow.lake.hdfs))
    return publish_step(flow, hdfs_authority=authority, columns=[c.name for c in _carried(load)]).facts()


def _plan_facts(examined: Examined) -> dict[str, Any]:
    return {
        "columns": [dataclasses.asdict(column) for column in examined.columns],
        "key": list(examined.shape.primary_key),
        "split_by": examined.split_by,
        "estimated_rows": examined.shape.estimated_rows,
    }


def _carried(load: Load) -> list[CarriedColumn]:
    return [CarriedColumn(**fields) for fields in load.facts["plan"]["columns"]]


def _hive_columns(columns: tuple[CarriedColumn, ...] | list[CarriedColumn]) -> list[HiveColumn]:
    return [HiveColumn(column.name, column.hive_type, column.comment) for column in columns]


def _count(runtime: Runtime, flow: Flow) -> int | None:
    if flow.engine.mappers == 1:
        return None
    with postgres.connect(runtime.connections.get(flow.source.connection)) as session:
        return postgres.count_rows(session, flow.source)


def _tally(hive: Hive, table: str, columns: list[str]) -> Tally:
    row = hive.query(count_statement(table, columns))[0]
    return Tally(int(row[0]), tuple(int(value) for value in row[1:]))
