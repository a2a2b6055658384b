"""Which version MongoDB shows, and where its files lie: what a serve load says of itself. Light to import."""

from __future__ import annotations

from switchyard.errors import LedgerStateError, SwitchyardError
from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Flow, Serve
from switchyard.ledger.loads import Load
from switchyard.ledger.results import InPlaceBegun, Selected, ServePlanned
from switchyard.ledger.store import Ledger


def shown_version(ledger: Ledger, last: Load | None, flow: Flow, exists: bool) -> tuple[str, ...] | None:
    """Directories of the version that MongoDB shows now, if it is known and its keys can be compared with a new one's.

    It is not known after a load that began to write in place and was given up.
    """
    if last is None or not exists or _documents(thaw(last.spec).serve) != _documents(flow.serve):
        return None
    given_up = ledger.list_loads(flow.flow, "serve", ["abandoned"])
    return None if any(load.seq > last.seq and load.find_result(InPlaceBegun) for load in given_up) else paths_of(last)


def last_served(ledger: Ledger, flow: Flow) -> Load | None:
    """The load that was served last to the flow's collection; a flow may have served others before."""
    serve = served_part(flow)
    for load in ledger.list_loads(flow.flow, "serve", ["served"]):
        earlier = served_part(thaw(load.spec))
        if (earlier.connection, earlier.collection) == (serve.connection, serve.collection):
            return load
    return None


def _documents(serve: Serve | None) -> Serve | None:
    """What of `serve` decides about the documents; how they are published and compared does not."""
    return serve.model_copy(update={"publish": None, "diff": None}) if serve else None


def directories(load: Load) -> tuple[str, ...]:
    """Directories of the version; raises LedgerStateError while there are none."""
    paths = paths_of(load)
    if paths is None:
        raise LedgerStateError(
            f"load {load.load_id} has no result of serve.select yet",
            where=f"flow {load.flow}, leg serve",
            cure=f"run its step select first: switchyard step serve select --load {load.load_id}",
        )
    return paths


def paths_of(load: Load) -> tuple[str, ...] | None:
    """Directories of the version that a serve load serves: one, or for an append table one for each partition."""
    planned = load.result(ServePlanned).paths
    if planned is not None:
        return planned
    return (load.location,) if load.location else None


def served_part(flow: Flow) -> Serve:
    """The flow's `serve`; raises SwitchyardError when it serves nothing."""
    if flow.serve is None:
        raise SwitchyardError(
            "the flow ends in Hive: it serves nothing",
            where=f"flow {flow.flow}",
            cure="add `serve` to its flow file, or leave this command out",
        )
    return flow.serve


def described(load: Load) -> Selected | ServePlanned:
    """What knows the columns that are served: the product's, or the plan's."""
    return load.find_result(Selected) or load.result(ServePlanned)
