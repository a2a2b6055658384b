"""The step publish: the staging is renamed into place, or the changes are replayed, with the gate closed before.

The order of the calls is what makes it safe: the ledger, then MongoDB's record, then the gate, then what readers see;
so that a crash between two of them is recognised by whichever of the three is left.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from switchyard.catalog.lineage import serve_step
from switchyard.errors import PublishConflict, ReconcileMismatch
from switchyard.flow.cures import run_again
from switchyard.flow.frozen import thaw
from switchyard.flow.naming import MICROSECONDS_FIELD
from switchyard.flow.spec import Flow, Serve
from switchyard.ledger.flow_state import require_standing
from switchyard.ledger.loads import Load
from switchyard.ledger.reports import ChangedKeys
from switchyard.ledger.results import InPlaceBegun, ServePublished, Staged
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Delivery, Runtime, require_state
from switchyard.legs.serve import refresh_cache as serve_refresh_cache
from switchyard.legs.serve.recorded import begin_writing, end_writing, own_marker, require_files
from switchyard.legs.serve.served import described, served_part
from switchyard.serve.mongo.target import MongoTarget

if TYPE_CHECKING:
    from switchyard.serve.mongo.in_place import InPlaceReport


def publish_load(runtime: Runtime, ledger: Ledger, load: Load) -> tuple[Load, Delivery[ServePublished]]:
    """Publish a staged load, or go on with one that was being published; the load as it is then."""
    flow = thaw(load.spec)
    require_state(load, "staged", "publishing", "refreshing", "served")
    staged = load.result(Staged)
    changed = ChangedKeys(staged.inserted, staged.updated, staged.deleted, staged.changes_known)
    published = ServePublished(load.seq, load.version, staged.rows, load.load_id, changed_keys=changed)
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
    return load, Delivery(published, lineage)


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
        difference = error.what
        raise PublishConflict(
            f"the publish failed twice: {difference}",
            where=f"flow {flow.flow}, collection {served_part(flow).collection}",
            cure=f"another client writes to the collection: stop it; then {run_again('serve', flow.flow)}; the new run "
            "replaces the whole collection; until then readers bypass the cache",
        ) from error


def _is_renamed(mongo: MongoTarget, serve: Serve, load: Load, staged: Staged) -> bool:
    """Whether an earlier try of the publish got as far as the rename: the staging is gone and the collection is it.

    The staging of an earlier release has no marker; its documents say it.
    """
    assert staged.staging is not None  # noqa: S101 - the caller saw it
    if mongo.exists(staged.staging):
        return False
    marker = mongo.marker(serve.collection)
    if marker is not None:
        return marker == own_marker(load)
    return mongo.digest(serve.collection).hex == staged.digest


def _served_fields(flow: Flow, load: Load) -> list[tuple[str, str]]:
    """Pairs of Hive column and document field; `timestamps: beside` makes two fields of a timestamp."""
    served = described(load)
    pairs = [(name, name) for name in served.columns]
    if served_part(flow).timestamps == "beside":
        pairs += [(name, MICROSECONDS_FIELD.format(name)) for name in served.timestamps]
    return pairs
