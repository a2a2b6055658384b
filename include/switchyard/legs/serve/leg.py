"""The serve leg: plan → (select) → stage → publish → (refresh_cache) → tidy. Each step takes a load_id only.

An event wakes the leg; the metastore says which version is current and the ledger which one is served.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from switchyard.catalog.lineage import select_step, serve_step
from switchyard.errors import PublishConflict, ReconcileMismatch, SwitchyardError
from switchyard.flow import naming
from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Flow, Serve
from switchyard.handover import StepReport
from switchyard.lake.table_version import TableVersion
from switchyard.ledger import outcomes
from switchyard.ledger.drivers import require_driver_gone
from switchyard.ledger.flow_state import require_standing
from switchyard.ledger.loads import UNFINISHED, Load, NewLoad
from switchyard.ledger.reports import NothingNew, SelectedCounts, ServeTidied
from switchyard.ledger.results import CacheSettled, InPlaceBegun, Selected, ServePlanned, ServePublished, Staged
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Done, Runtime, require_state, run_step
from switchyard.legs.serve import check, served
from switchyard.legs.serve import refresh_cache as serve_refresh_cache
from switchyard.legs.serve import select as serve_select
from switchyard.legs.serve.reachable import use_reachable
from switchyard.legs.serve.recorded import (
    begin_writing,
    end_writing,
    own_marker,
    planned_record,
    require_files,
    require_recorded,
)
from switchyard.legs.serve.served import served_part
from switchyard.legs.tables import vacuum
from switchyard.legs.truth.check import require_agreement
from switchyard.serve.documents.columns import MICROSECONDS_FIELD
from switchyard.serve.mongo.target import MongoTarget
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import TIMESTAMP

if TYPE_CHECKING:
    from switchyard.serve.mongo.in_place import InPlaceReport

log = logging.getLogger(__name__)


def plan(runtime: Runtime, flow: Flow) -> Load | NothingNew:
    """Recover, then pin the current version and write the load down (protocol step 0)."""
    serve = served_part(flow)
    with runtime.ledger() as ledger:
        ledger.migrate()
        with ledger.lock(flow.flow, "serve"):
            require_agreement(runtime, ledger, flow)
            check.require_known(runtime, ledger, flow)
            recover(runtime, ledger, flow)
            version = _current_version(runtime, flow)
            serve_refresh_cache.check(runtime, flow)
            standing = check.find_standing(runtime, ledger, flow)
            last = standing.last
            same = last and last.version == version.seq and _same_serving(last, flow, version)
            if last and same and serve_refresh_cache.restore_gate(runtime, ledger, flow, last):
                return NothingNew(f"seq {version.seq} of {version.database}.{version.table} is served already")
            plan = ServePlanned(
                served.shown_version(ledger, last, flow, standing.shown.exists),
                _names(version.columns),
                _timestamps(version.columns),
                None if serve.select else version.paths,
                version.load_id,
                standing.marker,
            )
            load = ledger.plan(
                NewLoad(
                    flow=flow,
                    leg="serve",
                    version=version.seq,
                    location=None if serve.select else version.path,
                    previous_seq=standing.record_seq,
                    above=max(standing.used, serve_refresh_cache.used_seq(runtime, flow)),
                    plan=plan,
                )
            )
    log.info("planned load %s of flow %s: serve seq %s of the lake", load.load_id, flow.flow, version.seq)
    return load


def recover(runtime: Runtime, ledger: Ledger, flow: Flow) -> None:
    """Settle every unfinished load: one found in `publishing` or after is finished, any other abandoned."""
    require_driver_gone(ledger, flow.flow, "serve", runtime.driver)
    for load in reversed(ledger.list_loads(flow.flow, "serve", UNFINISHED)):
        why = f"taken over by {runtime.owner}"
        if load.state in ("publishing", "refreshing"):
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
        load, _ = _publish(runtime, ledger, load)
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
    return run_step(runtime, "publish", load_id, "serve", lambda ledger, load: _publish(runtime, ledger, load)[1])


def refresh_cache(runtime: Runtime, load_id: str) -> StepReport[CacheSettled]:
    """Invalidate exactly the changed keys, verify, warm, open the gate, record (protocol steps 6 and 7)."""
    return run_step(
        runtime, "refresh_cache", load_id, "serve", lambda ledger, load: _refresh_cache(runtime, ledger, load)
    )


def tidy(runtime: Runtime, load_id: str) -> StepReport[ServeTidied]:
    """Drop stagings and files of this load and of earlier ones; a later load may be at work already."""
    return run_step(runtime, "tidy", load_id, "serve", lambda ledger, load: _tidy(runtime, ledger, load))


def _select(runtime: Runtime, ledger: Ledger, load: Load) -> Done[SelectedCounts]:
    flow = thaw(load.spec)
    require_state(load, "planned")
    made = serve_select.materialise(runtime, flow, load)
    columns = (_names(made.columns), _timestamps(made.columns))
    selected = Selected(made.version, made.rows, *columns, made.ingest_load)
    ledger.advance(load, "planned", expected=["planned"], result=selected, location=made.location, version=made.version)
    lineage = select_step(flow, lake_columns={column.name: column.type for column in made.source_columns})
    return Done(selected.counts, lineage)


def _stage(runtime: Runtime, ledger: Ledger, load: Load) -> Done[Staged]:
    require_state(load, "planned", "staged")
    from switchyard.legs.serve import (
        stage as serve_stage,  # with DuckDB and Arrow: half a second that only this step needs
    )

    staged = serve_stage.stage(runtime, thaw(load.spec), load)
    ledger.advance(load, "staged", expected=["planned", "staged"], result=staged)
    return Done(staged)


def _publish(runtime: Runtime, ledger: Ledger, load: Load) -> tuple[Load, Done[ServePublished]]:
    flow = thaw(load.spec)
    require_state(load, "staged", "publishing", "refreshing", "served")
    staged = load.result(Staged)
    published = ServePublished(load.seq, load.version, staged.rows, load.load_id)
    if load.state == "staged":
        require_standing(ledger, load.flow, load.version or 0)
    if load.state in ("staged", "publishing"):
        if staged.replacements:
            applied = _publish_in_place(runtime, ledger, flow, load)
            published = replace(published, replaced=applied.replaced, deleted=applied.deleted)
        else:
            _publish_snapshot(runtime, ledger, flow, load, staged)
        load = ledger.advance(load, "refreshing", expected=["publishing"], result=published)
    if flow.cache is None and load.state == "refreshing":
        load = ledger.finish(load, result=published)
    database = runtime.connections.get(served_part(flow).connection).schema
    lineage = serve_step(flow, mongo_database=database, columns=_served_fields(flow, load))
    return load, Done(published, lineage)


def _publish_snapshot(runtime: Runtime, ledger: Ledger, flow: Flow, load: Load, staged: Staged) -> None:
    """Drop older stagings (a zombie's rename then fails), close the gate, rename; nothing to rename: close only."""
    serve, staging = served_part(flow), staged.staging
    with MongoTarget(runtime.connections.get(serve.connection)) as mongo:
        mongo.drop_stagings(serve.collection, older_than_seq=load.seq, keep=staging)
        resumed = load.state == "publishing"
        load = ledger.advance(load, "publishing", expected=["staged", "publishing"])
        begin_writing(mongo, flow, load)
        serve_refresh_cache.leave_former(runtime, ledger, flow, load)
        serve_refresh_cache.close_gate(runtime, flow, load)
        if staging is not None and not (resumed and _is_renamed(mongo, serve, load, staged)):
            mongo.publish_snapshot(staging, serve.collection)
        end_writing(mongo, flow, load)


def _publish_in_place(runtime: Runtime, ledger: Ledger, flow: Flow, load: Load) -> InPlaceReport:
    """Close the gate, replay the files of changes. The ledger remembers that it began, should it be given up."""
    serve, resumed = served_part(flow), load.state == "publishing"
    with MongoTarget(runtime.connections.get(serve.connection)) as mongo:
        mongo.drop_stagings(serve.collection, older_than_seq=load.seq)
        load = ledger.advance(load, "publishing", expected=["staged", "publishing"], result=InPlaceBegun())
        begin_writing(mongo, flow, load)
        serve_refresh_cache.leave_former(runtime, ledger, flow, load)
        serve_refresh_cache.close_gate(runtime, flow, load)
        require_files(runtime, flow, load)
        applied = _apply_in_place(runtime, ledger, flow, load, resumed=resumed)
        end_writing(mongo, flow, load)
    return applied


def _apply_in_place(runtime: Runtime, ledger: Ledger, flow: Flow, load: Load, *, resumed: bool) -> InPlaceReport:
    try:
        from switchyard.legs.serve import stage as serve_stage

        return serve_stage.publish_in_place(runtime, ledger, flow, load)
    except ReconcileMismatch as error:
        if not resumed:
            raise
        raise PublishConflict(f"again: {error.what}", where=error.where, next=error.next) from error


def _refresh_cache(runtime: Runtime, ledger: Ledger, load: Load) -> Done[CacheSettled]:
    flow = thaw(load.spec)
    require_state(load, "refreshing", "served")
    require_recorded(runtime, flow, load)
    done = Done(CacheSettled())
    if flow.cache is not None:
        with runtime.scratch() as scratch:
            settled = serve_refresh_cache.settle(runtime, flow, load, scratch)
        done = Done(settled, serve_refresh_cache.lineage(runtime, flow, _described(load).columns))
    ledger.finish(load, result=done.result)
    return done


def _is_renamed(mongo: MongoTarget, serve: Serve, load: Load, staged: Staged) -> bool:
    """Whether an earlier try of the publish got as far as the rename: the staging is gone and the collection is it.

    The staging of an earlier release has no marker; its documents say it.
    """
    assert staged.staging is not None  # noqa: S101 - the caller saw it
    if mongo.exists(staged.staging):
        return False
    there = mongo.marker(serve.collection)
    if there is not None:
        return there == own_marker(load)
    return mongo.digest(serve.collection).hex == staged.digest


def _served_fields(flow: Flow, load: Load) -> list[tuple[str, str]]:
    """Pairs of Hive column and document field; `timestamps: beside` makes two fields of a timestamp."""
    described = _described(load)
    pairs = [(name, name) for name in described.columns]
    if served_part(flow).timestamps == "beside":
        pairs += [(name, MICROSECONDS_FIELD.format(name)) for name in described.timestamps]
    return pairs


def _names(columns: Iterable[HiveColumn]) -> tuple[str, ...]:
    return tuple(column.name for column in columns)


def _timestamps(columns: Iterable[HiveColumn]) -> tuple[str, ...]:
    return tuple(column.name for column in columns if column.type == TIMESTAMP)


def _described(load: Load) -> Selected | ServePlanned:
    """What knows the columns that are served: the product's, or the plan's."""
    return load.find_result(Selected) or load.result(ServePlanned)


def _tidy(runtime: Runtime, ledger: Ledger, load: Load) -> Done[ServeTidied]:
    flow = thaw(load.spec)
    outcomes.prune(ledger)
    with MongoTarget(runtime.connections.get(served_part(flow).connection)) as mongo:
        dropped = mongo.drop_stagings(served_part(flow).collection, older_than_seq=load.seq + 1)
    directories = vacuum.delete_finished(runtime, ledger, flow, naming.serve_scratch(flow.lake.root, flow.flow))
    tidied = ServeTidied(len(dropped), directories)
    if served_part(flow).select:
        vacuumed = vacuum.vacuum(runtime, ledger, flow, "serve")
        tidied = replace(tidied, deleted=vacuumed.deleted, dropped_tables=vacuumed.dropped_tables)
    return Done(tidied)


def _current_version(runtime: Runtime, flow: Flow) -> TableVersion:
    lake = flow.lake
    version = runtime.metastore(flow).read_version(lake.database, lake.table)
    if version is None or version.seq < 1:
        raise SwitchyardError(
            f"Hive table {lake.database}.{lake.table} has no published version",
            where=f"flow {flow.flow}, leg serve",
            next=f"run the ingest leg first: switchyard run ingest {flow.flow}",
        )
    return version


def _same_serving(last: Load, now: Flow, version: TableVersion) -> bool:
    """Whether the load that is served came from this very version of this table, by the same part of the flow file."""
    before = thaw(last.spec)
    same_table = (before.lake.database, before.lake.table) == (now.lake.database, now.lake.table)
    record = planned_record(before, last)
    same_version = record.ingest_load in ("", version.load_id)  # an earlier release did not write it down
    return same_table and same_version and before.serve == now.serve and before.cache == now.cache
