"""Hive ↔ MongoDB: the version that is served with the collection as it is now."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from switchyard.compare.differences import DifferenceWriter
from switchyard.compare.join import Comparison
from switchyard.errors import NothingToCompare, SourceMoved
from switchyard.flow import naming
from switchyard.flow.frozen import thaw
from switchyard.flow.proof import DiffMode
from switchyard.flow.spec import Flow
from switchyard.ledger.loads import Load
from switchyard.ledger.results import Compared
from switchyard.ledger.store import Ledger
from switchyard.legs.diff import table as diff_table
from switchyard.legs.diff.lake_side import LakeSide
from switchyard.legs.diff.mongodb_side import CollectionReplaced, MongoSide
from switchyard.legs.diff.result import DIFFERENCES, DiffResult, judge_digests, judge_values, new_diff_id
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve.heal import order_heal
from switchyard.legs.serve.served import directories, served_part
from switchyard.legs.tables import files as tables_files
from switchyard.serve.mongo.target import MongoTarget

log = logging.getLogger(__name__)

_ATTEMPTS = 3


def diff_served(runtime: Runtime, flow: Flow, mode: DiffMode, *, heal: bool = False) -> DiffResult:
    """Compare the served version with the collection; `heal` orders a snapshot when they differ.

    Raises:
        NothingToCompare: nothing is served yet.
        SourceMoved: publishes came between, again and again.
    """
    served_part(flow)
    with runtime.ledger() as ledger:
        ledger.migrate()
        for _ in range(_ATTEMPTS):
            load = _served(ledger, flow)
            try:
                result = _compare_served(runtime, ledger, load, mode)
            except CollectionReplaced:
                continue
            return _note(runtime, ledger, load, result, heal=heal)
    raise SourceMoved(
        f"the collection was published {_ATTEMPTS} times while it was compared",
        where=f"flow {flow.flow}",
        cure=f"nothing was changed; wait until no serve run is at work, then: switchyard diff {flow.flow}",
    )


def _compare_served(runtime: Runtime, ledger: Ledger, load: Load, mode: DiffMode) -> DiffResult:
    started = time.monotonic()
    flow = thaw(load.spec)
    serve = served_part(flow)
    hdfs = runtime.hdfs(flow)
    diff_id = new_diff_id()
    directories = _served_directories(runtime, flow, load)
    table = None
    with runtime.scratch() as scratch, MongoTarget(runtime.connections.get(serve.connection)) as mongo:
        describe = partial(_describe, flow, load, mode, diff_id)
        if mode == "counts":
            result = DiffResult(describe(tables_files.count_rows(hdfs, directories), mongo.count(serve.collection)))
        else:
            files = tables_files.download(hdfs, directories, scratch / "hive")
            lake = LakeSide.of(files, serve.key, serve.timestamps, f"flow {flow.flow}")
            result = _compare_values(describe, mode, diff_id, lake, MongoSide(mongo, serve.collection, lake), scratch)
        _require_unmoved(ledger, load)
        if mode == "values":
            name = naming.diff_table(naming.served_table(flow.lake, serve)[1])
            table = diff_table.publish(runtime, flow, name, diff_id, scratch / DIFFERENCES)
    seconds = round(time.monotonic() - started, 2)
    return replace(result, compared=replace(result.compared, table=table, seconds=seconds))


def _compare_values(
    describe: Callable[[int, int], Compared],
    mode: DiffMode,
    diff_id: str,
    lake: LakeSide,
    collection: MongoSide,
    scratch: Path,
) -> DiffResult:
    left = lake.read(scratch / "left")
    right = collection.read(scratch / "right")
    average = right.bytes // max(1, right.rows)
    with (
        DifferenceWriter(diff_id, "hive", "mongodb", scratch / DIFFERENCES) as differences,
        Comparison(left.path, right.path, scratch) as comparison,
    ):
        for suspects in comparison.suspects(lake.files):
            differences.add(list(collection.compare(suspects, average)))
        compared = describe(*comparison.rows())
        if mode == "digest":
            return judge_digests(compared, sorted(differences.buckets))
        return judge_values(compared, differences)


def _require_unmoved(ledger: Ledger, load: Load) -> None:
    """Raise CollectionReplaced when another load was served while this one was compared."""
    if _served(ledger, thaw(load.spec)).load_id != load.load_id:
        raise CollectionReplaced


def _served(ledger: Ledger, flow: Flow) -> Load:
    """The load that MongoDB shows; raises when nothing is served, or a publish is unfinished."""
    load = ledger.last_finished(flow.flow, "serve")
    if load is None or load.location is None:
        raise NothingToCompare(
            "nothing is served yet, so there is nothing to compare",
            where=f"flow {flow.flow}",
            cure=f"run the serve leg first: switchyard run serve {flow.flow}",
        )
    if ledger.list_loads(flow.flow, "serve", ["publishing"], limit=1):
        raise SourceMoved(
            "a publish is running, or was killed, so that it is not known what MongoDB shows",
            where=f"flow {flow.flow}, leg serve",
            cure=f"wait until it has ended, or after a crash finish it: switchyard run serve {flow.flow}; then "
            f"switchyard diff {flow.flow}",
        )
    return load


def _served_directories(runtime: Runtime, flow: Flow, load: Load) -> Sequence[str]:
    """Directories of the served version: from the metastore if it shows the same version, else from the load."""
    table = naming.served_table(flow.lake, served_part(flow))
    version = runtime.metastore(flow).read_version(*table)
    shown = version is not None and (
        version.load_id == load.load_id if served_part(flow).select else version.seq == load.version
    )
    return version.paths if version is not None and shown else directories(load)


def _describe(flow: Flow, load: Load, mode: DiffMode, diff_id: str, hive_rows: int, documents: int) -> Compared:
    """The comparison of two counts; digests and values are added to it later."""
    return Compared(
        diff=diff_id,
        between="hive-mongodb",
        mode=mode,
        hive=".".join(naming.served_table(flow.lake, served_part(flow))),
        version=load.version,
        hive_rows=hive_rows,
        equal=hive_rows == documents,
        mongodb=served_part(flow).collection,
        mongodb_rows=documents,
        served_load=load.load_id,
        served_at=str(load.published_at),
    )


def _note(runtime: Runtime, ledger: Ledger, load: Load, result: DiffResult, *, heal: bool) -> DiffResult:
    """Write the result to the load that it judges; with `heal`, order a snapshot when the stores differ."""
    ordered = heal and not result.equal
    ledger.advance(load, load.state, expected=[load.state], result=result.compared)
    if ordered:
        order_heal(runtime, ledger, load, result.compared.diff)
        log.info("ordered a snapshot of flow %s: diff %s", load.flow, result.compared.diff)
    return replace(result, compared=replace(result.compared, heal_ordered=ordered))
