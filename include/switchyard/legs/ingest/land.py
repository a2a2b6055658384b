"""Step land: the engine reads the source into a staging directory, and what arrived is counted."""

from __future__ import annotations

from switchyard.catalog.chain import hdfs_authority
from switchyard.catalog.lineage import land_step
from switchyard.extract import postgres
from switchyard.extract.engine import Engine, ExtractRequest
from switchyard.extract.session import SourceSession, begin, require_same, startup_options
from switchyard.extract.sqoop import SqoopEngine
from switchyard.extract.statement import build_manifest, build_statement, row_condition
from switchyard.extract.width import MeasuredSource, measure_source
from switchyard.flow import naming
from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Flow
from switchyard.handover import LineageStep
from switchyard.lake.hdfs import Hdfs
from switchyard.ledger.loads import Load
from switchyard.ledger.reports import LandedCounts
from switchyard.ledger.results import Landed
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest.blame import blaming_the_source
from switchyard.legs.ingest.planned import Planned
from switchyard.legs.ingest.unmoved import require_unmoved
from switchyard.legs.runtime import Delivery, Runtime, require_state
from switchyard.prove.reconcile import Landing, check_landing, check_snapshot, tally_lines
from switchyard.types.quoting import quote_postgres
from switchyard.types.read import Read

ENGINES: dict[str, Engine] = {"sqoop": SqoopEngine()}


def land(runtime: Runtime, ledger: Ledger, load: Load) -> Delivery[LandedCounts]:
    """Run the step: everything it writes has a name of this try."""
    require_state(load, "planned", "landed")
    flow = thaw(load.spec)
    planned = load.result(Planned)
    try_id = naming.new_try()
    staging = naming.staging(flow.lake.root, flow.lake.database, flow.lake.table, load.load_id, try_id)
    source = _measure(runtime, flow, planned)
    before = _count(runtime, flow, planned)
    _extract(runtime, flow, load, staging, source)
    _require_unmoved(runtime, flow, planned)
    landing = _tally(runtime.hdfs(flow), staging, planned, flow.flow)
    after = _count(runtime, flow, planned)
    with blaming_the_source(runtime, flow, planned):
        may_be_empty = planned.bounds is not None
        check_landing(landing, flow.flow, policy=flow.reconcile, may_be_empty=may_be_empty, before=before, after=after)
        read = landing.read(planned.columns)
        _require_one_snapshot(runtime, flow, planned, read)
    landed = Landed(try_id, staging, read, read.rows, landing.lines, landing.bytes)
    ledger.advance(load, "landed", expected=["planned", "landed"], result=landed)
    return Delivery(landed.counts, _lineage(runtime, flow, planned))


def _extract(runtime: Runtime, flow: Flow, load: Load, staging: str, source: MeasuredSource) -> None:
    """Let the flow's engine read the planned rows into the staging directory."""
    planned = load.result(Planned)
    hdfs = runtime.hdfs(flow)
    statement = build_statement(
        flow.source, planned.columns, planned.split_by, bounds=planned.bounds, left_out=planned.left_out
    )
    with runtime.scratch() as scratch:
        ENGINES[flow.engine.name].extract(
            ExtractRequest(
                name=f"switchyard {flow.flow} {load.load_id}",
                source=source.server,
                statement=statement,
                target=hdfs.url + staging,
                mappers=flow.engine.mappers,
                split_by=quote_postgres(planned.split_by) if planned.split_by else None,
                scratch=scratch,
                hdfs=hdfs.connection,
                options=startup_options(planned.session),
                fetch_rows=source.rows_at_once,
            )
        )


def _tally(hdfs: Hdfs, staging: str, planned: Planned, flow: str) -> Landing:
    """Count what arrived; raises SourceRefused when an extracting session had other settings than the plan's."""
    files = (hdfs.read_chunks(file.path) for file in hdfs.list_files(staging))
    landing = tally_lines(files, flow, staging)
    for session in landing.sessions:
        require_same("Sqoop", SourceSession.from_json(session), planned.session)
    return landing


def _lineage(runtime: Runtime, flow: Flow, planned: Planned) -> LineageStep:
    return land_step(
        flow,
        source_database=runtime.connections.get(flow.source.connection).schema,
        hdfs_authority=hdfs_authority(runtime.connections.get(flow.lake.hdfs)),
        columns=[(column.source, column.name) for column in planned.columns if column.source],
    )


def _measure(runtime: Runtime, flow: Flow, planned: Planned) -> MeasuredSource:
    """Look at the planned rows once more; raises SourceRefused when the plan looked at another server."""
    connection = runtime.connections.get(flow.source.connection)
    with postgres.connect(connection) as session:
        require_same("this step", begin(session), planned.session)
        require_unmoved(runtime, session, flow, planned)
        condition = row_condition(flow.source, planned.bounds)
        return measure_source(session, connection, flow.source, planned.columns, condition)


def _require_unmoved(runtime: Runtime, flow: Flow, planned: Planned) -> None:
    """Look once more after the reading: it saw the same source, since neither before nor after it was another."""
    with postgres.connect(runtime.connections.get(flow.source.connection)) as session:
        require_unmoved(runtime, session, flow, planned)


def _count(runtime: Runtime, flow: Flow, planned: Planned) -> int | None:
    """The source's rows in a snapshot of its own: asked for only when mappers share none."""
    if flow.engine.mappers == 1:
        return None
    with postgres.connect(runtime.connections.get(flow.source.connection)) as session:
        return postgres.count_rows(session, flow.source, row_condition(flow.source, planned.bounds))


def _require_one_snapshot(runtime: Runtime, flow: Flow, planned: Planned, read: Read) -> None:
    """Raise SourceMoved when several mappers read rows of several moments: a row may be in none of them, or in two.

    A window that ends at a watermark needs no look: whoever changes a row moves its cursor out, so the counts show it.
    """
    is_closed = planned.bounds is not None and planned.bounds.high is not None
    if flow.engine.mappers == 1 or is_closed:
        return
    manifest = build_manifest(flow.source, planned.columns, planned.bounds, planned.left_out)
    with postgres.connect(runtime.connections.get(flow.source.connection)) as session:
        row = session.execute(manifest.encode()).fetchone()
    assert row is not None and isinstance(row[0], dict)  # noqa: S101 - an aggregate gives a row, psycopg reads JSON
    check_snapshot(read, Read.from_json(row[0], "the manifest row of the source"), planned.columns, flow.flow)
