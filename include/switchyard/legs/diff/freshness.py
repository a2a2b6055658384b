"""A flow's `freshness`, judged by what the ledger knows: also of a flow that no run has touched for days."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from switchyard.errors import SwitchyardError
from switchyard.flow.duration import format_duration
from switchyard.flow.naming import Leg
from switchyard.flow.spec import Flow
from switchyard.handover import StepReport
from switchyard.ledger.flow_state import read_state
from switchyard.ledger.loads import UNFINISHED
from switchyard.ledger.publications import History, read_history
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime
from switchyard.records import Record


@dataclass(frozen=True)
class Store:
    """One place that a flow writes to.

    `as_of`: the moment up to which it holds the source, None if nothing says it; `reason`: what holds a newer version
    back, as far as the ledger knows.
    """

    name: str
    leg: Leg
    as_of: dt.datetime | None
    reason: str | None = None


@dataclass(frozen=True)
class FreshnessReport(Record):
    """Whether a flow's stores are as new as it wants; a sentence for each in `findings`."""

    fresh: bool
    within: str
    findings: Annotated[tuple[str, ...], Field(alias="found")]
    lake_as_of: str | None
    served_as_of: str | None = None


def judge_flow(runtime: Runtime, flow: Flow) -> StepReport[FreshnessReport]:
    """Judge a flow's stores, now; a stale one is reported, not raised. Raises SwitchyardError without `freshness`."""
    started = time.monotonic()
    if flow.freshness is None:
        raise SwitchyardError(
            "the flow does not say how fresh it has to be",
            where=f"flow {flow.flow}",
            cure="add e.g. `freshness: 26h` to its flow file",
        )
    with runtime.ledger() as ledger:
        ledger.migrate()
        stores, now = read_stores(ledger, flow)
    report = judge(stores, flow.freshness, now)
    return StepReport("freshness", flow.flow, "", time.monotonic() - started, report)


def read_stores(ledger: Ledger, flow: Flow) -> tuple[list[Store], dt.datetime]:
    """The flow's stores, the lake's table first, and the moment at which the ledger was asked."""
    history = read_history(ledger, flow.flow)
    return list(_stores(ledger, flow, history)), history.now


def judge(stores: Sequence[Store], within: dt.timedelta, now: dt.datetime) -> FreshnessReport:
    """Compare the age of each store with what is allowed."""
    moments = [store.as_of.isoformat(timespec="seconds") if store.as_of else None for store in stores]
    return FreshnessReport(
        fresh=all(store.as_of is not None and now - store.as_of <= within for store in stores),
        within=format_duration(within),
        findings=tuple(_finding(store, within, now) for store in stores),
        lake_as_of=moments[0],
        served_as_of=moments[1] if len(moments) > 1 else None,
    )


def _finding(store: Store, within: dt.timedelta, now: dt.datetime) -> str:
    why = f"; {store.reason}" if store.reason else ""
    if store.as_of is None:
        return f"{store.name} holds nothing that this flow has loaded{why}"
    age = shown_age(now - store.as_of)
    moment = f"{store.as_of:%Y-%m-%d %H:%M}"
    if now - store.as_of <= within:
        return f"{store.name} is as of {moment} UTC, {age} ago"
    return f"{store.name} is as of {moment} UTC, {age} ago, and {format_duration(within)} is allowed{why}"


def shown_age(age: dt.timedelta) -> str:
    """An age in its two largest units: `3d 4h`, `2h 6m`, `5m`."""
    hours, minutes = divmod(max(0, int(age.total_seconds() // 60)), 60)
    days, rest = divmod(hours, 24)
    if days:
        return f"{days}d {rest}h"
    return f"{hours}h {minutes}m" if hours else f"{minutes}m"


def _stores(ledger: Ledger, flow: Flow, history: History) -> Iterator[Store]:
    lake_as_of = history.as_of(history.newest) if history.newest is not None else None
    table = f"Hive table {flow.lake.database}.{flow.lake.table}"
    held = read_state(ledger, flow.flow).held
    yield Store(table, "ingest", _in_utc(lake_as_of), held or _unfinished(ledger, flow, "ingest"))
    if flow.serve is None:
        return
    served = ledger.last_finished(flow.flow, "serve")
    version = served.version if served else None
    served_as_of = history.as_of(version) if version is not None else None
    collection = f"collection {flow.serve.collection} of {flow.serve.connection}"
    yield Store(collection, "serve", _in_utc(served_as_of), _unfinished(ledger, flow, "serve"))


def _unfinished(ledger: Ledger, flow: Flow, leg: Leg) -> str:
    """Name the newest load that did not get to its end, with its error; else say that none has begun."""
    newest = ledger.list_loads(flow.flow, leg, limit=1)
    if not newest or newest[0].state not in (*UNFINISHED, "abandoned"):
        return f"no later load of the {leg} leg has begun: is DAG {leg}__{flow.flow} paused, or does it fail earlier?"
    load = newest[0]
    return f"load {load.load_id} is {load.state}{f': {load.error}' if load.error else ''}"


def _in_utc(moment: dt.datetime | None) -> dt.datetime | None:
    return moment.astimezone(dt.UTC) if moment else None
