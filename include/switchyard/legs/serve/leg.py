"""The serve leg: plan → (select) → stage → publish → (refresh_cache) → tidy. Each step takes a load_id only.

An event wakes the leg; the metastore says which version is current and the ledger which one is served.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from switchyard.catalog.lineage import select_step
from switchyard.errors import PublishConflict, SwitchyardError
from switchyard.flow import naming
from switchyard.flow.frozen import thaw
from switchyard.flow.servable import require_servable
from switchyard.flow.spec import Flow
from switchyard.handover import StepReport
from switchyard.lake.table_version import TableVersion
from switchyard.ledger import outcomes
from switchyard.ledger.drivers import require_driver_gone
from switchyard.ledger.loads import UNFINISHED, Load, NewLoad
from switchyard.ledger.reports import NothingNew, SelectedCounts, ServeTidied
from switchyard.ledger.results import CacheSettled, Selected, ServePlanned, ServePublished, Staged
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Delivery, Runtime, require_finished, require_state, run_step
from switchyard.legs.serve import check, served
from switchyard.legs.serve import refresh_cache as serve_refresh_cache
from switchyard.legs.serve import select as serve_select
from switchyard.legs.serve.heal import take_over_order
from switchyard.legs.serve.inputs import is_unchanged
from switchyard.legs.serve.publish import publish_load
from switchyard.legs.serve.reachable import VISIBLE, require_reachable, use_reachable
from switchyard.legs.serve.recorded import planned_record, require_newest, require_recorded
from switchyard.legs.serve.served import described, served_part
from switchyard.legs.tables import vacuum
from switchyard.legs.truth.check import require_agreement
from switchyard.legs.truth.missing import directories_of, require_files
from switchyard.serve.mongo.target import MongoTarget
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import TIMESTAMP

log = logging.getLogger(__name__)


def plan(runtime: Runtime, flow: Flow) -> Load | NothingNew:
    """Recover, then pin the current version and write the load down (protocol step 0)."""
    serve = served_part(flow)
    with runtime.ledger() as ledger:
        ledger.migrate()
        with ledger.lock(flow.flow, "serve"):
            require_agreement(runtime, ledger, flow)
            require_reachable(runtime, ledger, flow)
            check.require_known(runtime, ledger, flow)
            recover(runtime, ledger, flow)
            version = _current_version(runtime, flow)
            require_files(runtime.hdfs(flow), flow, version, ledger.find(version.load_id))
            serve_refresh_cache.check(runtime, flow)
            standing = check.find_standing(runtime, ledger, flow)
            last = standing.last
            same = last and _same_serving(last, flow, version) and _same_inputs(runtime, last, flow)
            if last and same and serve_refresh_cache.restore_gate(runtime, ledger, flow, last):
                return NothingNew(f"seq {version.seq} of {version.database}.{version.table} is served already")
            load = ledger.plan(
                NewLoad(
                    flow=flow,
                    leg="serve",
                    version=version.seq,
                    location=None if serve.select else version.path,
                    previous_seq=standing.record_seq,
                    above=max(standing.used, serve_refresh_cache.used_seq(runtime, flow)),
                    plan=_planned(ledger, flow, version, standing),
                )
            )
            take_over_order(ledger, load, last)
    log.info("planned load %s of flow %s: serve seq %s of the lake", load.load_id, flow.flow, version.seq)
    return load


def _planned(ledger: Ledger, flow: Flow, version: TableVersion, standing: check.Standing) -> ServePlanned:
    select = served_part(flow).select
    return ServePlanned(
        served.shown_version(ledger, standing.last, flow, standing.shown.exists),
        _names(version.columns),
        _timestamps(version.columns),
        None if select else version.paths,
        version.load_id,
        standing.marker,
        None if select else _bytes(ledger, version),
    )


def recover(runtime: Runtime, ledger: Ledger, flow: Flow) -> None:
    """Settle every unfinished load: one found in `publishing` or after is finished, any other abandoned."""
    require_driver_gone(ledger, flow.flow, "serve", runtime.driver)
    for load in reversed(ledger.list_loads(flow.flow, "serve", UNFINISHED)):
        why = f"taken over by {runtime.owner}"
        if load.state in VISIBLE:
            try:
                load = use_reachable(runtime, ledger, load, flow)
                _finish(runtime, ledger, load)
            except PublishConflict as error:
                why = error.what
            else:
                _tidy(runtime, ledger, load)
                log.info("recovered load %s: served", load.load_id)
                continue
        ledger.advance(load, "abandoned", expected=UNFINISHED, error=why)
        log.info("abandoned load %s, left %s by %s: %s", load.load_id, load.state, load.owner, why)


def _finish(runtime: Runtime, ledger: Ledger, load: Load) -> None:
    if load.state == "publishing":
        load, _ = publish_load(runtime, ledger, load)
    if load.state == "refreshing":
        _refresh_cache(runtime, ledger, load)


def select(runtime: Runtime, load_id: str) -> StepReport[SelectedCounts]:
    """Materialise the product: Hive runs `serve.select` into a landing, it is counted and flipped."""
    return run_step(runtime, "select", load_id, "serve", lambda ledger, load: _select(runtime, ledger, load))


def stage(runtime: Runtime, load_id: str) -> StepReport[Staged]:
    """Find the changed keys, write what is to be published, prove it (protocol steps 1 and 2)."""
    return run_step(runtime, "stage", load_id, "serve", lambda ledger, load: _stage(runtime, ledger, load))


def publish(runtime: Runtime, load_id: str) -> StepReport[ServePublished]:
    """Close the cache's gate, then rename the staging collection into place, or replay the changes (steps 3 to 5)."""
    return run_step(runtime, "publish", load_id, "serve", lambda ledger, load: publish_load(runtime, ledger, load)[1])


def refresh_cache(runtime: Runtime, load_id: str) -> StepReport[CacheSettled]:
    """Invalidate exactly the changed keys, verify, warm, open the gate, record (protocol steps 6 and 7)."""
    return run_step(
        runtime, "refresh_cache", load_id, "serve", lambda ledger, load: _refresh_cache(runtime, ledger, load)
    )


def tidy(runtime: Runtime, load_id: str) -> StepReport[ServeTidied]:
    """Drop stagings and files of this served load and of earlier ones; a later load may be at work already."""

    def body(ledger: Ledger, load: Load) -> Delivery[ServeTidied]:
        require_finished(load)
        return _tidy(runtime, ledger, load)

    return run_step(runtime, "tidy", load_id, "serve", body)


def _select(runtime: Runtime, ledger: Ledger, load: Load) -> Delivery[SelectedCounts]:
    flow = thaw(load.spec)
    require_state(load, "planned")
    product = serve_select.materialise(runtime, ledger, flow, load)
    columns = (_names(product.columns), _timestamps(product.columns))
    size = product.size
    selected = Selected(product.version, size.rows, *columns, product.ingest_load, product.inputs, size.bytes)
    ledger.advance(
        load, "planned", expected=["planned"], result=selected, location=product.location, version=product.version
    )
    lineage = select_step(flow, lake_columns={column.name: column.type for column in product.source_columns})
    return Delivery(selected.counts, lineage)


def _stage(runtime: Runtime, ledger: Ledger, load: Load) -> Delivery[Staged]:
    require_state(load, "planned", "staged")
    from switchyard.legs.serve import (
        stage as serve_stage,  # with DuckDB and Arrow: half a second that only this step needs
    )

    staged = serve_stage.stage(runtime, thaw(load.spec), load)
    ledger.advance(load, "staged", expected=["planned", "staged"], result=staged)
    return Delivery(staged)


def _refresh_cache(runtime: Runtime, ledger: Ledger, load: Load) -> Delivery[CacheSettled]:
    flow = thaw(load.spec)
    require_state(load, "refreshing", "served")
    require_newest(ledger, load)
    require_recorded(runtime, flow, load)
    delivery = Delivery(CacheSettled())
    if flow.cache is not None:
        with runtime.scratch() as scratch:
            settled = serve_refresh_cache.settle(runtime, flow, load, scratch)
        delivery = Delivery(settled, serve_refresh_cache.lineage(runtime, flow, described(load).columns))
    ledger.finish(load, result=delivery.result)
    return delivery


def _bytes(ledger: Ledger, version: TableVersion) -> tuple[int | None, ...]:
    """Of the files in each of the version's directories, as they were proved."""
    return tuple(directory.bytes for directory in directories_of(version, ledger.find(version.load_id)))


def _names(columns: Iterable[HiveColumn]) -> tuple[str, ...]:
    return tuple(column.name for column in columns)


def _timestamps(columns: Iterable[HiveColumn]) -> tuple[str, ...]:
    return tuple(column.name for column in columns if column.type == TIMESTAMP)


def _tidy(runtime: Runtime, ledger: Ledger, load: Load) -> Delivery[ServeTidied]:
    flow = thaw(load.spec)
    outcomes.prune(ledger)
    with MongoTarget(runtime.connections.get(served_part(flow).connection)) as mongo:
        dropped = mongo.drop_stagings(served_part(flow).collection, older_than_seq=load.seq + 1)
    directories = vacuum.delete_finished(runtime, ledger, flow, naming.serve_scratch(flow.lake.root, flow.flow))
    tidied = ServeTidied(len(dropped), directories)
    if served_part(flow).select:
        vacuumed = vacuum.vacuum(runtime, ledger, flow, "serve")
        tidied = replace(tidied, deleted=vacuumed.deleted, dropped_tables=vacuumed.dropped_tables)
    return Delivery(tidied)


def _current_version(runtime: Runtime, flow: Flow) -> TableVersion:
    """The version to serve; raises SwitchyardError without one, and when no rows of its columns could be served."""
    lake = flow.lake
    version = runtime.metastore(flow).read_version(lake.database, lake.table)
    if version is None or version.seq < 1:
        raise SwitchyardError(
            f"Hive table {lake.database}.{lake.table} has no published version",
            where=f"flow {flow.flow}, leg serve",
            cure=f"run the ingest leg first: switchyard run ingest {flow.flow}",
        )
    if served_part(flow).select is None:
        require_servable(flow, version.name, version.columns)
    return version


def _same_serving(last: Load, now: Flow, version: TableVersion) -> bool:
    """Whether the load that is served came from this very version of this table, by the same part of the flow file."""
    before = thaw(last.spec)
    same_table = (before.lake.database, before.lake.table) == (now.lake.database, now.lake.table)
    record = planned_record(before, last)
    same_seq = last.version == version.seq
    same_version = same_seq and record.ingest_load in ("", version.load_id)  # an earlier release did not write it down
    return same_table and same_version and before.serve == now.serve and before.cache == now.cache


def _same_inputs(runtime: Runtime, last: Load, flow: Flow) -> bool:
    """Whether what a product was made from, besides the lake table, is as it was."""
    selected = last.find_result(Selected)
    return selected is None or is_unchanged(runtime, flow, selected.inputs)
