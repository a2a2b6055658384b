"""The steps of a leg are declared once: what runs them and what draws them have no order of their own."""

from __future__ import annotations

import pytest

from switchyard.flow.naming import Leg
from switchyard.flow.steps import LEG_STEPS
from switchyard.legs import steps as legs_steps


@pytest.mark.parametrize("leg", LEG_STEPS)
def test_every_step_has_a_body_and_every_body_is_a_step(leg: Leg) -> None:
    bodies = legs_steps._STEPS[leg]()
    assert sorted(body.name for body in bodies) == sorted(step.name for step in LEG_STEPS[leg])


@pytest.mark.parametrize("leg", LEG_STEPS)
def test_steps_are_bound_in_the_declared_order(leg: Leg) -> None:
    assert list(legs_steps.bound_steps(leg)) == [step.name for step in LEG_STEPS[leg]]


@pytest.mark.parametrize("leg", LEG_STEPS)
def test_a_step_begins_from_a_flow_or_goes_on_with_a_load_as_declared(leg: Leg) -> None:
    bound = legs_steps.bound_steps(leg)
    for declared in LEG_STEPS[leg]:
        body = bound[declared.name]
        assert (body.from_flow is not None, body.from_load is not None) == (declared.begins, not declared.begins)


@pytest.mark.parametrize("leg", LEG_STEPS)
def test_the_steps_of_a_group_follow_each_other(leg: Leg) -> None:
    groups = [step.group for step in LEG_STEPS[leg] if step.group is not None]
    members = [step.group is not None for step in LEG_STEPS[leg]]
    first = members.index(True)
    assert len(set(groups)) == 1
    assert all(members[first : first + len(groups)])
