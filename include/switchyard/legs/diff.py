"""Diff: two stores compared by value, as they are now. Never by digests stored beside the data.

Hive ↔ MongoDB compares the version that is served with the collection. Every row and every document is read and
digested; buckets of keys whose digests differ are entered, and only their rows are compared value by value.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from switchyard.errors import ReconcileMismatch, SourceMoved, SwitchyardError
from switchyard.flow import naming
from switchyard.flow.frozen import thaw
from switchyard.flow.proof import DiffMode
from switchyard.flow.spec import Flow
from switchyard.ledger.loads import Load
from switchyard.ledger.store import Ledger
from switchyard.legs import diff_table
from switchyard.legs.caching import served_part
from switchyard.legs.diff_sides import CollectionReplaced, LakeSide, MongoSide, count_rows, download
from switchyard.legs.heal import order_heal
from switchyard.legs.runtime import Runtime, run_step
from switchyard.prove.diff import Comparison
from switchyard.prove.digests import BUCKETS
from switchyard.prove.found import Found
from switchyard.report import StepReport
from switchyard.serve.mongo import MongoTarget

log = logging.getLogger(__name__)

Between = Literal["hive-mongodb", "postgres-hive"]
_ATTEMPTS = 3
DIFFERENCES = "differences.parquet"
"""In the scratch directory, what `switchyard.prove.found` writes."""


@dataclass(frozen=True)
class DiffResult:
    """What a diff found. `facts` are JSON values; `buckets` those that differ, with their numbers of keys."""

    equal: bool
    facts: dict[str, Any]
    buckets: dict[int, int]
    examples: list[dict[str, Any]]


def diff_stores(runtime: Runtime, flow: Flow, mode: DiffMode, between: Between, *, heal: bool = False) -> DiffResult:
    """Compare two stores of a flow, now. `heal` is for hive-mongodb."""
    return diff_served(runtime, flow, mode, heal=heal)


def diff_served(runtime: Runtime, flow: Flow, mode: DiffMode, *, heal: bool = False) -> DiffResult:
    """Compare the served version with the collection; `heal` orders a snapshot when they differ.

    Raises:
        SwitchyardError: nothing is served yet.
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


def after_serve(runtime: Runtime, load_id: str) -> StepReport:
    """The serve leg's own diff, by `serve.diff`; a difference fails the step, the publish stays."""

    def body(ledger: Ledger, load: Load) -> dict[str, Any]:
        flow = thaw(load.spec)
        mode = served_part(flow).diff
        assert mode is not None  # noqa: S101 - the step is left out without it
        result = diff_served(runtime, flow, mode, heal=flow.diff.heal)
        require_equal(flow, result)
        return result.facts

    return run_step(runtime, "diff", load_id, "serve", body)


def require_equal(flow: Flow, *results: DiffResult) -> None:
    """Raise ReconcileMismatch, with the numbers, for the first of the results that is a difference."""
    for result in results:
        if not result.equal:
            raise ReconcileMismatch(
                f"{result.facts['between']} differ: {summary(result)}",
                where=f"flow {flow.flow}",
                next=f"switchyard diff {flow.flow} names the keys; --heal serves Hive's version again",
            )


def summary(result: DiffResult) -> str:
    """One line of numbers."""
    facts = result.facts
    left, right = facts["between"].split("-")
    counted = f"{facts[left + '_rows']:,} rows in {left}, {facts[right + '_rows']:,} in {right}"
    if facts["mode"] == "counts":
        return counted
    shown = f"{len(result.buckets):,} of {facts['buckets']:,} buckets differ" if result.buckets else "equal"
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in facts.get("keys", {}).items())
    return f"{shown}{f', keys: {kinds}' if kinds else ''}; {counted}"


def _compare_served(runtime: Runtime, ledger: Ledger, load: Load, mode: DiffMode) -> DiffResult:
    flow, started = thaw(load.spec), time.monotonic()
    serve, hdfs, diff_id = served_part(flow), runtime.hdfs(flow), new_diff_id()
    facts = _described(flow, load, mode, diff_id)
    directories = _served_directories(runtime, flow, load)
    with runtime.scratch() as scratch, MongoTarget(runtime.connections.get(serve.connection)) as mongo:
        if mode == "counts":
            result = count_only(facts, count_rows(hdfs, directories), mongo.count(serve.collection))
        else:
            files = download(hdfs, directories, scratch / "hive")
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
        return judged(facts, compared.rows(), found)


def _require_unmoved(ledger: Ledger, load: Load) -> None:
    """Raise CollectionReplaced when another load was served while this one was compared."""
    if _served(ledger, thaw(load.spec)).load_id != load.load_id:
        raise CollectionReplaced


def count_only(facts: dict[str, Any], left: int, right: int) -> DiffResult:
    """The result of comparing two counts."""
    sides = facts["between"].split("-")
    counted = {**facts, f"{sides[0]}_rows": left, f"{sides[1]}_rows": right, "equal": left == right}
    return DiffResult(left == right, counted, {}, [])


def judged(facts: dict[str, Any], rows: tuple[int, int], found: Found) -> DiffResult:
    """The result of comparing digests, or values; mode digest tells the buckets and not what is in them."""
    result = count_only(facts, *rows)
    equal, buckets = not found.keys, dict(sorted(found.buckets.items()))
    result.facts.update(equal=equal, buckets=BUCKETS, buckets_differing=len(buckets))
    if facts["mode"] == "digest":
        return DiffResult(equal, result.facts, buckets, [])
    result.facts.update(keys=dict(found.kinds), columns=dict(found.columns))
    return DiffResult(equal, result.facts, buckets, found.examples)


def new_diff_id() -> str:
    """A name for one comparison that sorts by time."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%dt%H%M%S}_{secrets.token_hex(3)}"


def _served(ledger: Ledger, flow: Flow) -> Load:
    """The load that MongoDB shows."""
    load = ledger.last_finished(flow.flow, "serve")
    if load is None or load.location is None:
        raise SwitchyardError(
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


def _served_directories(runtime: Runtime, flow: Flow, load: Load) -> tuple[str, ...]:
    """Where the served version's files are: as the metastore says, if it shows the same version."""
    assert load.location is not None  # noqa: S101 - `_served` chose it
    table = naming.served_table(flow.lake, served_part(flow))
    version = runtime.metastore(flow).read_version(*table)
    shown = version is not None and (
        version.load_id == load.load_id if served_part(flow).select else version.seq == load.version
    )
    return version.paths if version is not None and shown else (load.location,)


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
