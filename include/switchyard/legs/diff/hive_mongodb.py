"""Hive ↔ MongoDB: the version that is served with the collection as it is now."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from switchyard.compare.differences import Found
from switchyard.compare.join import Comparison
from switchyard.errors import NothingToCompare, SourceMoved
from switchyard.flow import naming
from switchyard.flow.frozen import thaw
from switchyard.flow.proof import DiffMode
from switchyard.flow.spec import Flow
from switchyard.ledger.loads import Load
from switchyard.ledger.store import Ledger
from switchyard.legs.diff import table as diff_table
from switchyard.legs.diff.lake_side import LakeSide, count_rows
from switchyard.legs.diff.mongodb_side import CollectionReplaced, MongoSide
from switchyard.legs.diff.result import DIFFERENCES, DiffResult, count_only, judge_digests, judge_values, new_diff_id
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
            return _note(ledger, load, result, heal=heal)
    raise SourceMoved(
        f"the collection was published {_ATTEMPTS} times while it was compared",
        where=f"flow {flow.flow}",
        next="nothing was changed; run the diff when serve is not running in a loop",
    )


def _compare_served(runtime: Runtime, ledger: Ledger, load: Load, mode: DiffMode) -> DiffResult:
    flow, started = thaw(load.spec), time.monotonic()
    serve, hdfs, diff_id = served_part(flow), runtime.hdfs(flow), new_diff_id()
    facts = _described(flow, load, mode, diff_id)
    directories = _served_directories(runtime, flow, load)
    with runtime.scratch() as scratch, MongoTarget(runtime.connections.get(serve.connection)) as mongo:
        if mode == "counts":
            result = count_only(facts, count_rows(hdfs, directories), mongo.count(serve.collection))
        else:
            files = tables_files.download(hdfs, directories, scratch / "hive")
            lake = LakeSide.of(files, serve.key, serve.timestamps, f"flow {flow.flow}")
            result = _compare_values(facts, lake, MongoSide(mongo, serve.collection, lake), scratch)
        _require_unmoved(ledger, load)
        if mode == "values":
            table = naming.diff_table(naming.served_table(flow.lake, serve)[1])
            result.facts["table"] = diff_table.publish(runtime, flow, table, diff_id, scratch / DIFFERENCES)
    result.facts["seconds"] = round(time.monotonic() - started, 2)
    return result


def _compare_values(facts: dict[str, Any], lake: LakeSide, collection: MongoSide, scratch: Path) -> DiffResult:
    left, right = lake.read(scratch / "left"), collection.read(scratch / "right")
    average = right.bytes // max(1, right.rows)
    with (
        Found(facts["diff"], "hive", "mongodb", scratch / DIFFERENCES) as found,
        Comparison(left.path, right.path, scratch) as compared,
    ):
        for suspects in compared.suspects(lake.files):
            found.add(list(collection.compare(suspects, average)))
        if facts["mode"] == "digest":
            return judge_digests(facts, compared.rows(), sorted(found.buckets))
        return judge_values(facts, compared.rows(), found)


def _require_unmoved(ledger: Ledger, load: Load) -> None:
    """Raise CollectionReplaced when another load was served while this one was compared."""
    if _served(ledger, thaw(load.spec)).load_id != load.load_id:
        raise CollectionReplaced


def _served(ledger: Ledger, flow: Flow) -> Load:
    """The load that MongoDB shows."""
    load = ledger.last_finished(flow.flow, "serve")
    if load is None or load.location is None:
        raise NothingToCompare(
            "nothing is served yet, so there is nothing to compare",
            where=f"flow {flow.flow}",
            next=f"run the serve leg first: switchyard run serve {flow.flow}",
        )
    if ledger.list_loads(flow.flow, "serve", ["publishing"], limit=1):
        raise SourceMoved(
            "a publish is at work, or was killed",
            where=f"flow {flow.flow}, leg serve",
            next="wait until it has ended; after a crash run the serve leg, which recovers it; then diff again",
        )
    return load


def _served_directories(runtime: Runtime, flow: Flow, load: Load) -> Sequence[str]:
    """Where the served version's files are: as the metastore says, if it shows the same version."""
    table = naming.served_table(flow.lake, served_part(flow))
    version = runtime.metastore(flow).read_version(*table)
    shown = version is not None and (
        version.load_id == load.load_id if served_part(flow).select else version.seq == load.version
    )
    return version.paths if version is not None and shown else directories(load)


def _described(flow: Flow, load: Load, mode: DiffMode, diff_id: str) -> dict[str, Any]:
    return {
        "diff": diff_id,
        "between": "hive-mongodb",
        "mode": mode,
        "hive": ".".join(naming.served_table(flow.lake, served_part(flow))),
        "mongodb": served_part(flow).collection,
        "version": load.version,
        "served_load": load.load_id,
        "served_at": str(load.published_at),
    }


def _note(ledger: Ledger, load: Load, result: DiffResult, *, heal: bool) -> DiffResult:
    """Write the result to the load that it judges; order a snapshot if that was asked for."""
    ledger.advance(load, load.state, expected=[load.state], step="diff", facts=result.facts)
    result.facts["heal_ordered"] = heal and not result.equal
    if result.facts["heal_ordered"]:
        order_heal(ledger, load, result.facts["diff"])
        log.info("ordered a snapshot of flow %s: diff %s", load.flow, result.facts["diff"])
    return result
