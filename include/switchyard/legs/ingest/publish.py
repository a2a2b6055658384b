"""Step publish: the one metastore call, then the ledger; and what an earlier run left is finished the same way."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from switchyard.catalog.chain import hdfs_authority
from switchyard.catalog.lineage import publish_step
from switchyard.errors import PublishConflict, ReconcileMismatch
from switchyard.flow import naming
from switchyard.flow.bookmark import Bookmark
from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Flow
from switchyard.handover import LineageStep
from switchyard.lake.partitions import add_partition
from switchyard.lake.table_version import Part
from switchyard.ledger.drivers import require_driver_gone
from switchyard.ledger.loads import UNFINISHED, Load
from switchyard.ledger.results import FlowChanges, Proved, Published
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest.earlier_release import bookmark_of_load
from switchyard.legs.ingest.planned import Planned
from switchyard.legs.ingest.reachable import use_reachable
from switchyard.legs.ingest.rollback_target import head_of
from switchyard.legs.runtime import Delivery, Runtime, require_state
from switchyard.legs.tables import versions
from switchyard.legs.truth.missing import require_landing

log = logging.getLogger(__name__)


def publish(runtime: Runtime, ledger: Ledger, load: Load) -> Delivery[Published]:
    """Run the step.

    Raises PublishConflict when another version came first, ReconcileMismatch when the load's files are not those that
    were proved; the load is abandoned then.
    """
    flow = thaw(load.spec)
    if load.state == "published":
        return Delivery(load.result(Published), _lineage(runtime, flow, load))
    require_state(load, "proved", "publishing")
    load = ledger.advance(load, "publishing", expected=["proved", "publishing"])
    try:
        if runtime.metastore(flow).read_load_id(flow.lake.database, flow.lake.table) != load.load_id:
            require_landing(runtime.hdfs(flow), load)
        rev = _alter_table(runtime, ledger, flow, load)
    except PublishConflict as error:
        ledger.advance(load, "abandoned", expected=["publishing"], error=f"superseded: {error.what}")
        raise
    except ReconcileMismatch as error:
        ledger.advance(load, "abandoned", expected=["publishing"], error=error.what)
        raise
    return Delivery(_record(ledger, flow, load, rev), _lineage(runtime, flow, load))


def recover(runtime: Runtime, ledger: Ledger, flow: Flow) -> int:
    """Settle every unfinished load: one found in `publishing` is finished or superseded, any other abandoned.

    So is one whose files are not those that were proved.

    Returns how many there were.
    Raises SwitchyardError when the flow's connections were changed and do not reach a load that was being published.
    """
    require_driver_gone(ledger, flow.flow, "ingest", runtime.driver)
    unfinished = ledger.list_loads(flow.flow, "ingest", UNFINISHED)
    for load in reversed(unfinished):
        if load.state == "publishing":
            try:
                publish(runtime, ledger, use_reachable(runtime, ledger, load, flow))
                log.info("recovered load %s: published", load.load_id)
            except PublishConflict:
                log.info("recovered load %s: superseded", load.load_id)
            except ReconcileMismatch as error:
                log.warning("load %s was being published, and is given up: %s", load.load_id, error.what)
            continue
        ledger.advance(load, "abandoned", expected=[load.state], error=f"taken over by {runtime.owner}")
        log.info("abandoned load %s, left %s by %s", load.load_id, load.state, load.owner)
    return len(unfinished)


def own_parameters(load: Load, bookmark: Bookmark | None) -> Mapping[str, str | None]:
    """What the publish writes into the table beyond seq, load, rev and counts; None takes a parameter away.

    A hold is set by a rollback only, and taken away by a release only.
    """
    back = load.result(Planned).rollback
    own: dict[str, str | None] = {
        naming.KIND_PROPERTY: load.kind,
        naming.HEAD_PROPERTY: str(head_of(load)),
        naming.BOOKMARK_PROPERTY: bookmark.record() if bookmark else None,
    }
    if back is not None:
        own[naming.HELD_PROPERTY] = back.flow_changes.held
    return own


def _alter_table(runtime: Runtime, ledger: Ledger, flow: Flow, load: Load) -> int | None:
    """Let the table show the load, in the order of its kind; returns the table's rev."""
    planned = load.result(Planned)
    columns, size = planned.hive_columns, versions.size_of(load.result(Proved))
    assert load.location is not None  # noqa: S101 - a proved load has a landing
    if planned.adopted is not None and planned.rollback is None:  # a rollback to it has its plan
        return versions.adopt_version(runtime, flow, load, size, proved_at=planned.adopted.changed_at)
    published = ledger.list_loads(load.flow, "ingest", ["published"]) if planned.head is None else []
    own = own_parameters(load, bookmark_of_load(runtime, load, published))
    if planned.rollback is not None:
        return versions.rollback_version(runtime, flow, load, columns, size, own)
    appends = flow.lake.mode == "append"
    if appends:
        _add_partition(runtime, flow, load)
    target = versions.Target(flow.lake.database, flow.lake.table, columns, load.location)
    return versions.publish(runtime, flow, target, load, size, moves=not appends, own=own)


def _add_partition(runtime: Runtime, flow: Flow, load: Load) -> None:
    """Show the rows: one call, after one for new columns. The table's seq follows; a reader sees whole versions.

    The partition says what it is and what it stands on, so that it can be finished without the ledger.
    """
    planned = load.result(Planned)
    columns = planned.hive_columns
    versions.widen(runtime, flow, load, columns)
    location = f"{runtime.hdfs(flow).url}{load.location}"
    proved = load.result(Proved)
    part = Part(load.seq, load.load_id, proved.inserted, planned.head, location, proved.hive_bytes)
    lake = flow.lake
    add_partition(
        runtime.metastore(flow), lake.database, lake.table, str(load.seq), location, columns, part.parameters()
    )


def _record(ledger: Ledger, flow: Flow, load: Load, rev: int | None) -> Published:
    """Write the publish into the ledger: what it undoes is superseded; the rest of an append table stays."""
    proved, back = load.result(Proved), load.result(Planned).rollback
    published = Published(load.seq, proved.hive_rows, proved.hive_bytes, load.load_id, proved.quarantined_rows)
    changes = FlowChanges(load.high) if load.kind == "load" and load.high is not None else None
    above = load.seq if flow.lake.mode == "append" else 0
    if back is not None:
        changes = back.flow_changes
        above = back.to_seq if flow.lake.mode == "append" else 0
    ledger.finish(load, result=published, above=above, flow_changes=changes, rev=rev)
    return published


def _lineage(runtime: Runtime, flow: Flow, load: Load) -> LineageStep:
    authority = hdfs_authority(runtime.connections.get(flow.lake.hdfs))
    columns = [column.name for column in load.result(Planned).columns]
    return publish_step(flow, hdfs_authority=authority, columns=columns)
