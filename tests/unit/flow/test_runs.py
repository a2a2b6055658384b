"""`runs`: what is accepted, what is refused and why, and that no load depends on it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from switchyard.errors import FlowFileError
from switchyard.flow.files.loader import load_flow
from switchyard.flow.files.schema import defaults_schema, flow_schema
from switchyard.flow.frozen import frozen_spec, spec_hash, thaw
from switchyard.flow.runs import AIRFLOWS_LONGEST_DELAY, Runs
from switchyard.flow.spec import Flow

FILE = """\
source: {connection: c, table: s.t}
lake: {database: d, table: t}
runs:
"""


def flow_of(runs: dict[str, object]) -> Flow:
    source = {"connection": "c", "table": "s.t"}
    return Flow.model_validate({"flow": "f", "source": source, "lake": {"database": "d", "table": "t"}, "runs": runs})


def write(directory: Path, runs: str, defaults: str | None = None) -> Path:
    path = directory / "f.yaml"
    path.write_text(FILE + "".join(f"  {line}\n" for line in runs.splitlines()))
    if defaults is not None:
        (directory / "defaults.yaml").write_text(defaults)
    return path


@pytest.mark.parametrize(
    ("runs", "line", "sentence"),
    [
        ("retrys: 3", 4, "did you mean `retries`?"),
        ("retries: 3\nmax_active_runs: 2", 5, "did you mean `max_active`?"),
        ("retries: -1", 4, "`runs.retries`"),
        ("retries: 101", 4, "`runs.retries`"),
        ("retries: true", 4, "`runs.retries`"),
        ('retries: "3"', 4, "write it without quotes"),
        ("retry_delay: 30", 4, "write 30s for seconds"),
        ("retry_delay: 0s", 4, "not a duration"),
        ("retry_delay: -5m", 4, "not a duration"),
        ("retry_delay: 1:30", 4, "not a duration"),
        ("backoff: 0", 4, "`runs.backoff`"),
        ("backoff: 0.5", 4, "`runs.backoff`"),
        ("backoff: 11", 4, "`runs.backoff`"),
        ("backoff: true", 4, "`runs.backoff`"),
        ("backoff: .inf", 4, "`runs.backoff`"),
        ("timeout: 12 h", 4, "not a duration"),
        ("timeout: null", 4, "not a duration"),
        ("priority: 0", 4, "`runs.priority`"),
        ("priority: 2147483648", 4, "`runs.priority`"),
        ("pool_slots: 0", 4, "`runs.pool_slots`"),
        ("max_active: 0", 4, "`runs.max_active`"),
        ("max_active: 17", 4, "`runs.max_active`"),
        ("longest_delay: 2d", 4, "more than Airflow ever waits"),
        ("retry_delay: 2h\nbackoff: 2", 3, "raise longest_delay, or lower retry_delay"),
        ("timeout: 1h\nstep_timeout: 2h", 5, "raise timeout, or lower step_timeout"),
        ("retries: 4\nretry_delay: 3h", 4, "a failing step waits 12h in all"),
        ("retries: 100\nbackoff: 2", 4, "fewer retries, a shorter retry_delay, or a longer timeout"),
        ("retries: 100\nretry_delay: 999999d", 4, "fewer retries, a shorter retry_delay, or a longer timeout"),
        ("[]", 3, "a mapping of keys to values"),
    ],
)
def test_a_wrong_value_is_refused_with_line_and_cure(tmp_path: Path, runs: str, line: int, sentence: str) -> None:
    with pytest.raises(FlowFileError) as refused:
        load_flow(write(tmp_path, runs))
    assert sentence in str(refused.value)
    assert f"f.yaml:{line}: " in str(refused.value)


def test_the_flow_wins_over_the_defaults_key_by_key(tmp_path: Path) -> None:
    path = write(tmp_path, "retries: 5", "runs: {retries: 2, retry_delay: 1m, backoff: 2}\n")
    runs = load_flow(path).runs
    assert (runs.retries, runs.retry_delay.total_seconds(), runs.backoff) == (5, 60, 2)


def test_a_fault_of_the_defaults_is_told_at_its_line_there(tmp_path: Path) -> None:
    path = write(tmp_path, "priority: 2", "owner: me\nruns: {retrys: 2}\n")
    with pytest.raises(FlowFileError, match=r"defaults.yaml:2: unknown key `retrys`"):
        load_flow(path)


@pytest.mark.parametrize("retries", [0, 1, 5, 100])
@pytest.mark.parametrize("backoff", [1, 1.5, 2, 10])
def test_the_shortest_waiting_is_what_airflow_waits_at_least(retries: int, backoff: float) -> None:
    runs = Runs.model_construct(retries=retries, backoff=backoff)
    first, longest = runs.retry_delay.total_seconds(), runs.longest_delay.total_seconds()
    waits = [first if backoff == 1 else min(first * backoff**number, longest) for number in range(retries)]
    assert runs.shortest_waiting.total_seconds() == round(sum(waits))


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "retries": st.integers(0, 100),
            "retry_delay": st.sampled_from(["1s", "15s", "5m", "2h"]),
            "backoff": st.floats(1, 10),
            "longest_delay": st.sampled_from(["30s", "10m", "1d"]),
            "timeout": st.sampled_from(["10m", "12h", "7d"]),
            "step_timeout": st.none() | st.sampled_from(["5m", "1d"]),
            "priority": st.integers(1, 1_000),
            "pool_slots": st.integers(1, 1_000),
            "max_active": st.integers(1, 16),
        },
    )
)
def test_what_is_accepted_can_be_done_in_time_and_the_schemas_accept_it(runs: dict[str, object]) -> None:
    try:
        flow = flow_of(runs)
    except ValidationError:
        return
    assert flow.runs.shortest_waiting < flow.runs.timeout
    assert flow.runs.longest_delay <= AIRFLOWS_LONGEST_DELAY
    file = {"source": {"table": "s.t"}, "lake": {"table": "t"}, "runs": runs}
    jsonschema.validate(file, flow_schema(), jsonschema.Draft202012Validator)
    jsonschema.validate({"runs": runs}, defaults_schema(), jsonschema.Draft202012Validator)


def test_no_load_depends_on_how_it_is_run() -> None:
    """A frozen flow without `runs` is one that the release before reads, and a retry more is no other load."""
    plain, patient = flow_of({}), flow_of({"retries": 9, "backoff": 2})
    assert spec_hash(plain) == spec_hash(patient)
    assert "runs" not in frozen_spec(patient)
    assert thaw(json.loads(json.dumps(frozen_spec(patient)))) == plain
