"""What a run does before it begins: the check, then what an earlier run left, then what the ledger did not know."""

from __future__ import annotations

import logging

from switchyard.errors import FlowHeld
from switchyard.flow.spec import Flow
from switchyard.lake.hdfs import Hdfs
from switchyard.lake.partitions import drop_partitions
from switchyard.lake.table_version import Part, TableVersion
from switchyard.ledger import registry, table_memory
from switchyard.ledger.drivers import require_driver_gone
from switchyard.ledger.results import Proved
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest import earlier_release
from switchyard.legs.ingest.manifest import Manifest, read_manifest
from switchyard.legs.ingest.publish import publish, recover
from switchyard.legs.ingest.reachable import require_reachable, use_connections
from switchyard.legs.runtime import Runtime
from switchyard.legs.truth.check import Inspection, lake_table, look, refusal, require_allowed
from switchyard.legs.truth.decide import Action, StrayAction, decide_stray
from switchyard.legs.truth.missing import ProvedDirectory, find_faults

log = logging.getLogger(__name__)


def settle(runtime: Runtime, ledger: Ledger, flow: Flow, *, from_beginning: bool = False) -> TableVersion | None:
    """Bring table and ledger together, or refuse; returns the table's version, None when there is no table.

    The check comes before everything: a ledger that is older than the table would abandon what is published.

    Raises:
        TruthConflict: they disagree. LoadInProgress: another run is at work. SwitchyardError: a load was being
            published by connections that are not the flow file's any more, and those do not reach its data.
    """
    require_reachable(runtime, ledger, flow)
    inspection = look(runtime, ledger, flow)
    require_allowed(flow, inspection, from_beginning=from_beginning)
    require_driver_gone(ledger, flow.flow, "ingest", runtime.driver)
    if inspection.action.refuses:
        _believe_the_table(ledger, flow, inspection)
    if inspection.action is Action.RECORD:
        _revive(ledger, inspection)
    recovered = recover(runtime, ledger, flow)
    if recovered or inspection.action.refuses:
        inspection = look(runtime, ledger, flow)
    if inspection.action is Action.WRITE_PARAMETERS:
        earlier_release.write_parameters(runtime, ledger, inspection)
        inspection = look(runtime, ledger, flow)
    elif inspection.action is Action.COPY:
        copy_to_ledger(ledger, inspection)
    return _settle_strays(runtime, ledger, flow, inspection.version)


def require_released(flow: Flow, version: TableVersion | None) -> None:
    """Raise FlowHeld when the table says that no load may begin."""
    if version is not None and version.held is not None:
        raise FlowHeld(
            f"the flow is on hold, so that no load begins: {version.held}",
            where=f"flow {flow.flow}",
            cure=f"when the reason is gone: switchyard release {flow.flow}",
        )


def copy_to_ledger(ledger: Ledger, inspection: Inspection) -> None:
    """Let the ledger remember an alter that it missed: a release."""
    version, newest = inspection.version, inspection.memory.newest
    assert version is not None and version.rev is not None and newest is not None  # noqa: S101 - the row says so
    table_memory.note_rev(ledger, newest, version.rev, held=version.held)
    log.info("the ledger learns rev %s of %s", version.rev, version.name)


def _believe_the_table(ledger: Ledger, flow: Flow, inspection: Inspection) -> None:
    """A load that reads everything was allowed: what the ledger has beyond the table is superseded by it."""
    version = inspection.version
    log.warning("%s; it is loaded from the beginning", refusal(flow, inspection).what)
    shown = {version.load_id, *(part.load_id for part in version.chain)} if version and version.seq > 0 else set()
    table_memory.accept_table(ledger, lake_table(flow), shown, version.rev if version else None)


def _revive(ledger: Ledger, inspection: Inspection) -> None:
    """Put a load back into `publishing` that was abandoned although the table shows it; recovery finishes it."""
    load = inspection.memory.named
    if load is not None and load.state == "abandoned":
        ledger.advance(load, "publishing", expected=["abandoned"])
        log.warning("load %s was abandoned, and %s shows it: it is published", load.load_id, load.flow)


def _settle_strays(runtime: Runtime, ledger: Ledger, flow: Flow, version: TableVersion | None) -> TableVersion | None:
    """Finish the partition that was shown before the table was altered; drop the others that belong to no version.

    Returns the version that the table shows then; `version` is the one that it shows now.
    """
    while version is not None and version.strays:
        manifests = {part: read_manifest(runtime.hdfs(flow), part.path) for part in version.strays}
        forward = [
            manifests[part]
            for part in version.strays
            if _rolls_forward(runtime.hdfs(flow), version, part, manifests[part])
        ]
        if forward and forward[0] is not None:
            log.warning("%s has the rows of load %s: it is published", version.name, forward[0].load_id)
            load = registry.register(ledger, forward[0].load("publishing"))
            publish(runtime, ledger, use_connections(ledger, load, flow))
        else:
            _drop_strays(runtime, flow, version)
        version = look(runtime, ledger, flow).version
    return version


def _drop_strays(runtime: Runtime, flow: Flow, version: TableVersion) -> None:
    seqs = [part.seq for part in version.strays]
    log.warning("%s: partitions %s belong to no version and are dropped; no file is deleted", version.name, seqs)
    drop_partitions(runtime.metastore(flow), version.database, version.table, seqs)


def _rolls_forward(hdfs: Hdfs, version: TableVersion, part: Part, manifest: Manifest | None) -> bool:
    action = decide_stray(
        seq=part.seq,
        previous=part.previous,
        is_whole=manifest is not None and not find_faults(hdfs.size_of, [_proved(part, manifest)]),
        table_seq=version.seq,
        head=version.head,
    )
    return action is StrayAction.ROLL_FORWARD


def _proved(part: Part, manifest: Manifest) -> ProvedDirectory:
    proved = manifest.result(Proved)
    return ProvedDirectory(part.path, proved.hive_bytes, part.rows)
