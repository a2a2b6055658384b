"""The nightly comparison of a flow, all its stores in one report. A difference is reported, not raised."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from switchyard.flow.proof import DiffMode
from switchyard.flow.spec import Flow
from switchyard.handover import FORECAST, StepReport
from switchyard.ledger.results import Compared
from switchyard.legs.diff.result import summary
from switchyard.legs.diff.run import DiffForecast, compared_pairs, diff_stores, forecast_diff
from switchyard.legs.runtime import Runtime
from switchyard.records import Record


@dataclass(frozen=True)
class DiffReport(Record):
    """The report of a flow's comparisons: a sentence for each in `findings`, their ids in `diffs`."""

    equal: bool
    findings: Annotated[tuple[str, ...], Field(alias="found")]
    diffs: tuple[str, ...]
    heal_ordered: bool
    results: tuple[Compared, ...]


def compare_flow(runtime: Runtime, flow: Flow, mode: DiffMode | None = None) -> StepReport[DiffReport]:
    """Compare the stores that the flow's `diff` names; raises NothingToCompare when nothing is published or served."""
    started = time.monotonic()
    results = [
        diff_stores(runtime, flow, mode or flow.diff.mode, pair, heal=flow.diff.heal) for pair in compared_pairs(flow)
    ]
    report = DiffReport(
        equal=all(result.equal for result in results),
        findings=tuple(f"{result.compared.between}: {summary(result)}" for result in results),
        diffs=tuple(result.compared.diff for result in results),
        heal_ordered=any(result.compared.heal_ordered for result in results),
        results=tuple(result.compared for result in results),
    )
    return StepReport("diff", flow.flow, "", time.monotonic() - started, report)


def forecast_flow(runtime: Runtime, flow: Flow, mode: DiffMode | None = None) -> StepReport[DiffForecast]:
    """The dry run of the same."""
    started = time.monotonic()
    expected = forecast_diff(runtime, flow, mode or flow.diff.mode)
    return StepReport(FORECAST, flow.flow, "", time.monotonic() - started, expected)
