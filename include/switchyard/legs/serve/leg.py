"""The serve leg: plan → (select) → stage → publish → (refresh_cache) → tidy. Each step takes a load_id only.

An event wakes the leg; the metastore says which version is current and the ledger which one is served.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from switchyard.catalog.lineage import select_step, serve_step
from switchyard.errors import PublishConflict, ReconcileMismatch, SwitchyardError
from switchyard.flow import naming
from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Flow, Serve
from switchyard.lake.metastore import TableVersion
from switchyard.ledger.drivers import require_driver_gone
from switchyard.ledger.flow_state import require_standing
from switchyard.ledger.loads import UNFINISHED, Load, NewLoad
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime, require_state, run_step
from switchyard.legs.serve import refresh_cache as serve_refresh_cache
from switchyard.legs.serve import select as serve_select
from switchyard.legs.serve import served
from switchyard.legs.serve.heal import trusted
from switchyard.legs.serve.served import served_part
from switchyard.legs.tables import vacuum
from switchyard.report import StepReport
from switchyard.serve.documents.columns import MICROSECONDS_FIELD
from switchyard.serve.mongo.target import MongoTarget
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import TIMESTAMP

log = logging.getLogger(__name__)


def plan(runtime: Runtime, flow: Flow) -> Load | str:
    """Recover, then pin the current version and write the load down (protocol step 0).

    Returns a sentence instead of a load when the current version is served already.
    """
    serve = served_part(flow)
    with runtime.ledger() as ledger:
        ledger.migrate()
        with ledger.lock(flow.flow, "serve"):
            recover(runtime, ledger, flow)
            version = _current_version(runtime, flow)
            serve_refresh_cache.check(runtime, flow)
            last = trusted(ledger.last_finished(flow.flow, "serve"))
            with MongoTarget(runtime.connections.get(serve.connection)) as mongo:
                mongo.ping()
                there = mongo.exists(serve.collection)
            if last and there and last.version == version.seq and _same_serving(thaw(last.spec), flow):
                serve_refresh_cache.restore_gate(runtime, flow, last)
                return f"seq {version.seq} of {version.database}.{version.table} is served already"
            previous = served.shown_version(ledger, last, flow, there)
            paths = {} if serve.select else {"paths": list(version.paths)}
            load = ledger.plan(
                NewLoad(
                    flow=flow,
                    leg="serve",
                    version=version.seq,
                    location=None if serve.select else version.path,
                    facts={"plan": {"previous": previous, **paths, **_described(version.columns)}},
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


def select(runtime: Runtime, load_id: str) -> StepReport:
    """Materialise the product: Hive runs `serve.select` into a landing, it is counted and flipped."""
    return run_step(runtime, "select", load_id, "serve", lambda ledger, load: _select(runtime, ledger, load))


def stage(runtime: Runtime, load_id: str) -> StepReport:
    """Find the changed keys, write what is to be published, prove it (protocol steps 1 and 2)."""
    return run_step(runtime, "stage", load_id, "serve", lambda ledger, load: _stage(runtime, ledger, load))


def publish(runtime: Runtime, load_id: str) -> StepReport:
    """Close the cache's gate, then rename the staging collection into place, or replay the changes (steps 3 to 5)."""
    return run_step(runtime, "publish", load_id, "serve", lambda ledger, load: _publish(runtime, ledger, load)[1])


def refresh_cache(runtime: Runtime, load_id: str) -> StepReport:
    """Invalidate exactly the changed keys, verify, warm, open the gate, record (protocol steps 6 and 7)."""
    return run_step(
        runtime, "refresh_cache", load_id, "serve", lambda ledger, load: _refresh_cache(runtime, ledger, load)
    )


def tidy(runtime: Runtime, load_id: str) -> StepReport:
    """Drop stagings and files of this load and of earlier ones; a later load may be at work already."""
    return run_step(runtime, "tidy", load_id, "serve", lambda ledger, load: _tidy(runtime, ledger, load))


def _select(runtime: Runtime, ledger: Ledger, load: Load) -> dict[str, Any]:
    flow = thaw(load.spec)
    require_state(load, "planned")
    made = serve_select.materialise(runtime, flow, load)
    facts = {"version": made.version, "rows": made.rows, **_described(made.columns)}
    load = ledger.advance(
        load, "planned", expected=["planned"], step="select", facts=facts, location=made.location, version=made.version
    )
    lineage = select_step(flow, lake_columns={column.name: column.type for column in made.source_columns})
    return {"version": made.version, "rows": made.rows, "lineage": lineage.facts()}


def _stage(runtime: Runtime, ledger: Ledger, load: Load) -> dict[str, Any]:
    require_state(load, "planned", "staged")
    from switchyard.legs.serve import (
        stage as serve_stage,  # with DuckDB and Arrow: half a second that only this step needs
    )

    facts = serve_stage.stage(runtime, thaw(load.spec), load)
    ledger.advance(load, "staged", expected=["planned", "staged"], step="stage", facts=facts)
    return facts


def _publish(runtime: Runtime, ledger: Ledger, load: Load) -> tuple[Load, dict[str, Any]]:
    flow = thaw(load.spec)
    require_state(load, "staged", "publishing", "refreshing", "served")
    facts = {"seq": load.seq, "version": load.version, "rows": load.facts["stage"]["rows"], "load_id": load.load_id}
    if load.state == "staged":
        require_standing(ledger, load.flow, load.version or 0)
    if load.state in ("staged", "publishing"):
        if load.facts["stage"].get("replacements"):
            facts |= _publish_in_place(runtime, ledger, flow, load)
        else:
            _publish_snapshot(runtime, ledger, flow, load)
        load = ledger.advance(load, "refreshing", expected=["publishing"], step="publish", facts=facts)
    if flow.cache is None and load.state == "refreshing":
        load = ledger.finish(load, step="publish", facts=facts)
    database = runtime.connections.get(served_part(flow).connection).schema
    lineage = serve_step(flow, mongo_database=database, columns=_served_fields(flow, load))
    return load, {**facts, "lineage": lineage.facts()}


def _publish_snapshot(runtime: Runtime, ledger: Ledger, flow: Flow, load: Load) -> None:
    """Drop older stagings (a zombie's rename then fails), close the gate, rename; nothing to rename: close only."""
    serve, staged = served_part(flow), load.facts["stage"]["staging"]
    with MongoTarget(runtime.connections.get(serve.connection)) as mongo:
        mongo.drop_stagings(serve.collection, older_than_seq=load.seq, keep=staged)
        resumed = load.state == "publishing"
        load = ledger.advance(load, "publishing", expected=["staged", "publishing"])
        serve_refresh_cache.close_gate(runtime, ledger, flow, load)
        if staged is not None and not (resumed and _is_renamed(mongo, serve, load)):
            mongo.publish_snapshot(staged, serve.collection)


def _publish_in_place(runtime: Runtime, ledger: Ledger, flow: Flow, load: Load) -> dict[str, Any]:
    """Close the gate, replay the files of changes. The ledger remembers that it began, should it be given up."""
    serve, resumed = served_part(flow), load.state == "publishing"
    with MongoTarget(runtime.connections.get(serve.connection)) as mongo:
        mongo.drop_stagings(serve.collection, older_than_seq=load.seq)
    began = {"began": True}
    load = ledger.advance(load, "publishing", expected=["staged", "publishing"], step="in_place", facts=began)
    serve_refresh_cache.close_gate(runtime, ledger, flow, load)
    try:
        from switchyard.legs.serve import stage as serve_stage

        done = serve_stage.publish_in_place(runtime, ledger, flow, load)
    except ReconcileMismatch as error:
        if not resumed:
            raise
        raise PublishConflict(f"again: {error.what}", where=error.where, next=error.next) from error
    return {"replaced": done.replaced, "deleted": done.deleted}


def _refresh_cache(runtime: Runtime, ledger: Ledger, load: Load) -> dict[str, Any]:
    flow = thaw(load.spec)
    require_state(load, "refreshing", "served")
    facts: dict[str, Any] = {}
    lineage: dict[str, Any] = {}
    if flow.cache is not None:
        with runtime.scratch() as scratch:
            facts = serve_refresh_cache.settle(runtime, flow, load, scratch)
        lineage = {"lineage": serve_refresh_cache.lineage(runtime, flow, _columns(load))}
    ledger.finish(load, step="refresh_cache", facts=facts)
    return {**facts, **lineage}


def _is_renamed(mongo: MongoTarget, serve: Serve, load: Load) -> bool:
    """Whether an earlier try of the publish got as far as the rename: the staging is gone and the collection is it."""
    stage = load.facts["stage"]
    return not mongo.exists(stage["staging"]) and mongo.digest(serve.collection).hex == stage["digest"]


def _served_fields(flow: Flow, load: Load) -> list[tuple[str, str]]:
    """Pairs of Hive column and document field; `timestamps: beside` makes two fields of a timestamp."""
    pairs = [(name, name) for name in _columns(load)]
    if served_part(flow).timestamps == "beside":
        timestamps = load.facts.get("select", load.facts["plan"])["timestamps"]
        pairs += [(name, MICROSECONDS_FIELD.format(name)) for name in timestamps]
    return pairs


def _described(columns: Iterable[HiveColumn]) -> dict[str, list[str]]:
    found = list(columns)
    return {
        "columns": [column.name for column in found],
        "timestamps": [column.name for column in found if column.type == TIMESTAMP],
    }


def _columns(load: Load) -> list[str]:
    return list(load.facts.get("select", load.facts["plan"])["columns"])


def _tidy(runtime: Runtime, ledger: Ledger, load: Load) -> dict[str, Any]:
    flow = thaw(load.spec)
    with MongoTarget(runtime.connections.get(served_part(flow).connection)) as mongo:
        dropped = mongo.drop_stagings(served_part(flow).collection, older_than_seq=load.seq + 1)
    directories = vacuum.delete_finished(runtime, ledger, flow, naming.serve_scratch(flow.lake.root, flow.flow))
    facts = {"dropped_stagings": len(dropped), "deleted_directories": directories}
    return {**facts, **vacuum.vacuum(runtime, ledger, flow, "serve")} if served_part(flow).select else facts


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


def _same_serving(before: Flow, now: Flow) -> bool:
    return before.serve == now.serve and before.cache == now.cache
