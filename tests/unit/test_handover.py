"""What passes between a task and its step: every call and outcome arrives as it was sent, and no other is taken."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchyard import __version__
from switchyard.errors import RecordUnreadable, SwitchyardError
from switchyard.handover import EXIT_CODES, VERSION, StepCall, StepError, StepOutcome, make_call_id

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=4)
FLOWS = st.none() | OBJECTS
CALLS = st.builds(
    StepCall,
    version=st.just(VERSION),
    flow=FLOWS,
    connections=st.dictionaries(st.text(), OBJECTS, max_size=3),
)
OUTCOMES = st.builds(StepOutcome, version=st.just(VERSION), report=FLOWS, seconds=st.floats(0, 1e9))
CALL = StepCall(call_id="a", leg="ingest", step="land", connections={"c": {"password": "s3cret"}}, owner="o")
OUTCOME = StepOutcome(call_id="a", leg="ingest", step="land", flow="f", load_id="l", seconds=0.5)


@pytest.fixture(scope="module", autouse=True)
def strategies() -> None:
    st.register_type_strategy(Mapping, lambda kind: st.dictionaries(*map(st.from_type, kind.__args__)))


@settings(deadline=None, max_examples=50)
@given(call=CALLS)
def test_a_call_arrives_as_it_was_sent(call: StepCall) -> None:
    assert StepCall.read(call.text()) == call


@settings(deadline=None, max_examples=50)
@given(outcome=OUTCOMES)
def test_an_outcome_arrives_as_it_was_sent_in_one_line(outcome: StepOutcome) -> None:
    assert "\n" not in outcome.text()
    assert StepOutcome.read(outcome.text()) == outcome


@pytest.mark.parametrize("read", [StepCall.read, StepOutcome.read])
@pytest.mark.parametrize("version", [0, 2, 99, "1", None, [1]])
def test_another_version_is_refused_in_one_sentence_that_names_both(read: Any, version: Any) -> None:
    record = CALL if read == StepCall.read else OUTCOME
    with pytest.raises(SwitchyardError) as caught:
        read(json.dumps({**record.to_json(), "version": version}))
    assert caught.value.what == (
        f"another release of Switchyard wrote it: it has version {version!r}, and Switchyard {__version__} knows "
        f"version {VERSION}"
    )


@pytest.mark.parametrize("read", [StepCall.read, StepOutcome.read])
@pytest.mark.parametrize("text", ["", "s3cret", "[]", "null", "3", "{", '{"password": "s3cret"}'])
def test_what_is_neither_is_refused_without_being_quoted(read: Any, text: str) -> None:
    with pytest.raises(SwitchyardError) as caught:
        read(text)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_call_with_a_key_that_nobody_reads_is_refused() -> None:
    """A step that passed over it would do something else than it was asked for."""
    with pytest.raises(RecordUnreadable, match="takeover: "):
        StepCall.read(json.dumps({**CALL.to_json(), "takeover": []}))


@pytest.mark.parametrize("field", ["call_id", "leg", "step", "connections", "owner"])
def test_a_call_without_a_key_is_refused(field: str) -> None:
    values = {name: value for name, value in CALL.to_json().items() if name != field}
    with pytest.raises(RecordUnreadable, match=f"{field}: Field required"):
        StepCall.read(json.dumps(values))


def test_a_call_is_printed_without_its_connections() -> None:
    assert "s3cret" not in repr(CALL)
    assert "s3cret" in CALL.text()


@pytest.mark.parametrize("kind", EXIT_CODES)
def test_only_a_step_that_ran_has_a_final_outcome(kind: Any) -> None:
    outcome = StepOutcome(**{**vars(OUTCOME), "error": StepError(kind, "what", "where", "cure")})
    assert outcome.is_final == (kind in ("retryable", "refused"))
    assert outcome.exit_code == EXIT_CODES[kind] != 0
    assert str(outcome.error) == "where: what\n  → cure"


def test_a_success_is_final() -> None:
    assert (OUTCOME.is_final, OUTCOME.exit_code) == (True, 0)


@given(
    leg=st.sampled_from(["ingest", "serve", "diff"]),
    step=st.text(min_size=1),
    parts=st.lists(st.text() | st.integers(), max_size=6),
)
@settings(deadline=None)
def test_a_call_id_can_name_a_kubernetes_job(leg: str, step: str, parts: list[str | int]) -> None:
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", made := make_call_id(leg, step, *parts))
    assert len(made) <= 50
    assert make_call_id(leg, step, *parts) == made


@given(st.lists(st.tuples(st.text(), st.text(), st.integers()), min_size=2, unique=True))
@settings(deadline=None)
def test_calls_of_different_tries_have_different_ids(parts: list[tuple[str, str, int]]) -> None:
    assert len({make_call_id("ingest", "plan", *each) for each in parts}) == len(parts)
