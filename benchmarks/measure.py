"""Seconds of several ways to do the same work, and a table of medians and ratios. Nothing is asserted."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


@dataclass
class Bench:
    """Measurements by name, in the order of their first appearance."""

    title: str
    unit: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, seconds: float, units: int = 0) -> None:
        """Note one run of `name` that did `units` units of work."""
        self.seconds.setdefault(name, []).append(seconds)
        self.units[name] = units

    @contextmanager
    def timed(self, name: str, units: int = 0) -> Iterator[None]:
        """Note how long the block took."""
        started = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - started, units)

    def repeat(self, name: str, runs: int, work: Callable[[], object], units: int = 0) -> None:
        """Time `work` several times."""
        for _ in range(runs):
            with self.timed(name, units):
                work()

    def show(self, reference: str) -> None:
        """Print the table; ratios are against the median of `reference`."""
        base = statistics.median(self.seconds[reference])
        table = Table(title=self.title, caption=f"medians; ratio to: {reference}")
        for heading in ("what", "runs", "median s", "least s", "most s", "ratio", f"{self.unit}/s"):
            table.add_column(heading, justify="left" if heading == "what" else "right")
        for name, found in self.seconds.items():
            middle = statistics.median(found)
            rate = f"{self.units[name] / middle:,.0f}" if self.units[name] and middle else ""
            spread = (f"{value:.2f}" for value in (middle, min(found), max(found)))
            table.add_row(name, str(len(found)), *spread, f"{middle / base:.1f}", rate)
        Console(width=max(100, Console().width)).print(table)
