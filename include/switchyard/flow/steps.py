"""The steps of the two legs, in order: the DAGs draw them, and `switchyard run` and `switchyard step` run them.

Light to import, because the scheduler parses the DAGs with it. What a step does is bound to its name in `legs.steps`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from switchyard.flow.naming import Leg
from switchyard.flow.spec import Flow


def _always(flow: Flow) -> bool:
    return True


def _has_product(flow: Flow) -> bool:
    return flow.serve is not None and flow.serve.select is not None


def _has_cache(flow: Flow) -> bool:
    return flow.cache is not None


def _compares_what_it_serves(flow: Flow) -> bool:
    return flow.serve is not None and flow.serve.diff is not None


@dataclass(frozen=True)
class LegStep:
    """One step of a leg.

    Args:
        name: as the command line and the DAG's task call it.
        begins: it begins from a flow; the others go on with a load.
        group: the DAG's group of tasks that it is drawn in; what these write is seen by no reader.
        is_in: whether a flow has the step.
    """

    name: str
    begins: bool = False
    group: str | None = None
    is_in: Callable[[Flow], bool] = _always

    @property
    def is_optional(self) -> bool:
        """Whether some flows do not have it."""
        return self.is_in is not _always


LEG_STEPS: dict[Leg, tuple[LegStep, ...]] = {
    "ingest": (
        LegStep("preflight", begins=True),
        LegStep("plan", begins=True),
        LegStep("land", group="land_and_prove"),
        LegStep("convert", group="land_and_prove"),
        LegStep("prove", group="land_and_prove"),
        LegStep("publish"),
        LegStep("tidy"),
    ),
    "serve": (
        LegStep("plan", begins=True),
        LegStep("select", group="stage_and_prove", is_in=_has_product),
        LegStep("stage", group="stage_and_prove"),
        LegStep("publish"),
        LegStep("refresh_cache", is_in=_has_cache),
        LegStep("diff", is_in=_compares_what_it_serves),
        LegStep("tidy"),
    ),
}


def steps_of(leg: Leg, flow: Flow) -> tuple[LegStep, ...]:
    """The steps that a flow has in a leg, in order."""
    return tuple(step for step in LEG_STEPS[leg] if step.is_in(flow))
