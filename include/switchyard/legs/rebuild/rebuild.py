"""`switchyard ledger rebuild`: the ledger's rows of a flow made again, where they disagree with what the stores show.

The old rows are set aside in tables of their own, not merged. Nothing is deleted anywhere; twice is once, because a
flow that agrees is left alone.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from switchyard.flow import naming
from switchyard.flow.spec import Flow
from switchyard.lake.hdfs import Hdfs
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.registry import FlowRow, replace_flow
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest.manifest import Manifest, read_manifest
from switchyard.legs.rebuild.agreement import Agreement, check_flow
from switchyard.legs.rebuild.history import History, history_of
from switchyard.legs.rebuild.serve_memory import ServeMemory, read_serve_memory
from switchyard.legs.runtime import Runtime
from switchyard.legs.truth.missing import described, version_faults

_READERS = 8


@dataclass(frozen=True)
class Rebuilt:
    """What became of a flow. `history` is None for one that was left alone, because it agrees or is another's."""

    agreement: Agreement
    history: History | None
    serve: ServeMemory | None
    set_aside: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """For people: how many loads are known by state, what is lost, and where the old rows are."""
        if self.history is None:
            return (self.agreement.verdict,)
        counts = {state: sum(1 for load in self.history.loads if load.state == state) for state in _SHOWN}
        by_state = ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "no load"
        aside = [f"the old rows are in {' and '.join(self.set_aside)}"] if self.set_aside else []
        serve = self.serve.sentences if self.serve else ()
        return (f"{by_state} of {len(self.history.loads)} known", *self.history.unknown, *serve, *aside)


_SHOWN = ("published", "publishing", "abandoned")


def rebuild(runtime: Runtime, ledger: Ledger, flow: Flow, *, plan_only: bool = False) -> Rebuilt:
    """Make a flow's rows again, if they disagree; `plan_only` writes nothing.

    Raises LoadInProgress when a run of one of its legs is at work.
    """
    with _held(ledger, flow):
        agreement = check_flow(runtime, ledger, flow)
        if agreement.disagrees is None or agreement.table == "another's":
            return Rebuilt(agreement, None, None)
        version = runtime.metastore(flow).read_version(flow.lake.database, flow.lake.table)
        hdfs = runtime.hdfs(flow)
        history = history_of(flow, version, read_manifests(hdfs, flow, version))
        history = replace(history, unknown=(*history.unknown, *_lost(hdfs, version)))
        serve = read_serve_memory(runtime, flow) if flow.serve is not None else None
        if plan_only:
            return Rebuilt(agreement, history, serve)
        stamp = f"{dt.datetime.now(dt.UTC):%Y%m%dt%H%M%S}"
        row = FlowRow(
            last_ingest_seq=history.last_seq,
            last_serve_seq=serve.last_seq if serve else 0,
            bookmark=history.bookmark,
            held=history.held,
        )
        loads = (*history.loads, *(serve.loads if serve else ()))
        aside = replace_flow(ledger, flow.flow, loads, row, stamp)
        return Rebuilt(agreement, history, serve, aside)


def read_manifests(hdfs: Hdfs, flow: Flow, version: TableVersion | None) -> Mapping[str, Manifest]:
    """The manifests of all tries below the table's root, by load id; those of another flow's loads are not counted."""
    lake = flow.lake
    root = naming.table_root(lake.root, lake.database, lake.table)
    with ThreadPoolExecutor(_READERS) as readers:
        tries = [path for paths in readers.map(hdfs.list_directories, hdfs.list_directories(root)) for path in paths]
        shown = [path for path in (version.paths if version else ()) if path not in tries]
        manifests = list(readers.map(lambda path: read_manifest(hdfs, path), (*tries, *shown)))
    names = (flow.flow, *(version.formerly if version else ()))
    return {manifest.load_id: manifest for manifest in manifests if manifest is not None and manifest.flow in names}


def _lost(hdfs: Hdfs, version: TableVersion | None) -> tuple[str, ...]:
    """What of the table cannot be had any more, for people; a plan of a load refuses it."""
    faults = version_faults(hdfs, version, None)
    return (described(version, faults),) if version is not None and faults else ()


@contextlib.contextmanager
def _held(ledger: Ledger, flow: Flow) -> Iterator[None]:
    """Hold both legs: a run that this ledger knows is refused; of others only a paused DAG keeps us safe."""
    with contextlib.ExitStack() as stack:
        for leg in _LEGS:
            stack.enter_context(ledger.hold_run(flow.flow, leg))
            stack.enter_context(ledger.lock(flow.flow, leg))
        yield


_LEGS: Sequence[naming.Leg] = ("ingest", "serve")
