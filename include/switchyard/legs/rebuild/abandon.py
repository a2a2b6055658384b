"""Give up a load that cannot be finished: its connection is gone, or its server was replaced.

Nothing changes that a reader did not see already. The stores are looked at as far as they answer, and what is half done
is said; the next run of the leg finds it by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from switchyard.errors import SwitchyardError
from switchyard.flow.frozen import thaw
from switchyard.flow.naming import Leg
from switchyard.ledger.drivers import require_driver_gone
from switchyard.ledger.loads import UNFINISHED, Load
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve.refresh_cache import gate_of
from switchyard.legs.serve.served import served_part
from switchyard.serve.mongo.record import read_shown
from switchyard.serve.mongo.target import MongoTarget


@dataclass(frozen=True)
class GivenUp:
    """A load that was given up, and what readers can see of it."""

    load_id: str
    state: str
    sentences: tuple[str, ...]


def abandon(runtime: Runtime, flow: str, leg: Leg, why: str) -> tuple[GivenUp, ...]:
    """Give up every unfinished load of a flow's leg. The flow's file may be gone.

    Raises:
        LoadInProgress: a run is at work. SwitchyardError: there is nothing to give up, or the table shows the load.
    """
    with runtime.ledger() as ledger:
        ledger.migrate()
        with ledger.lock(flow, leg):
            require_driver_gone(ledger, flow, leg, runtime.driver)
            loads = ledger.list_loads(flow, leg, UNFINISHED)
            if not loads:
                raise SwitchyardError(
                    "no load is unfinished",
                    where=f"flow {flow}, leg {leg}",
                    cure=f"do nothing, or name the other leg; the flow's loads: switchyard loads {flow}",
                )
            given_up = [GivenUp(load.load_id, load.state, _look(runtime, load)) for load in loads]
            for load in loads:
                error = f"given up by {runtime.owner}: {why}"
                ledger.advance(load, "abandoned", expected=[load.state], error=error)
    return tuple(given_up)


def _look(runtime: Runtime, load: Load) -> tuple[str, ...]:
    if load.state not in ("publishing", "refreshing"):
        return ("nothing of it was visible",)
    if load.leg == "ingest":
        return (_tried("the metastore", lambda: _see_table(runtime, load)),)
    return (
        _tried("MongoDB", lambda: _see_collection(runtime, load)),
        _tried("the cache", lambda: _see_gate(runtime, load)),
    )


def _tried(server: str, look: Callable[[], str]) -> str:
    try:
        return look()
    except SwitchyardError as error:
        if isinstance(error, StillPublished):
            raise
        return f"{server} could not be looked at: {error.what}"


class StillPublished(SwitchyardError):
    """The load is published; only the ledger does not say so yet."""


def _see_table(runtime: Runtime, load: Load) -> str:
    flow = thaw(load.spec)
    version = runtime.metastore(flow).read_version(flow.lake.database, flow.lake.table)
    if version is not None and version.load_id == load.load_id:
        raise StillPublished(
            f"load {load.load_id} is published: Hive table {version.database}.{version.table} shows it",
            where=f"flow {load.flow}, leg ingest",
            cure="nothing was changed; run the ingest leg, which records the load as published: switchyard run ingest "
            f"{load.flow}",
        )
    if version is not None and any(part.load_id == load.load_id for part in version.strays):
        return "Hive shows its partition already: the next run finishes it"
    return "Hive shows another version: nothing of it is visible"


def _see_collection(runtime: Runtime, load: Load) -> str:
    serve = served_part(thaw(load.spec))
    with MongoTarget(runtime.connections.get(serve.connection)) as mongo:
        shown = read_shown(mongo, serve.collection)
    record, marker = shown.record, shown.marker
    if record is None or record.load_id != load.load_id:
        return f"nothing of it is visible in collection {serve.collection}"
    whole = record.state == "served" or (marker is not None and marker.load_id == load.load_id)
    if whole:
        return f"collection {serve.collection} shows it; the next serve run replaces it by a snapshot"
    if record.publish == "delta":
        return (
            f"collection {serve.collection} may be mixed: some of its changes are written and some are not, until the "
            "next serve run replaces it by a snapshot"
        )
    return f"collection {serve.collection} shows the version before; the next serve run replaces it by a snapshot"


def _see_gate(runtime: Runtime, load: Load) -> str:
    flow = thaw(load.spec)
    if flow.cache is None:
        return "the flow has no cache"
    gate = gate_of(runtime, flow)
    if gate is None or not gate.is_open:
        return "the cache's gate is closed: readers use MongoDB until the next serve run has ended"
    return "the cache's gate is open for the version before"
