"""Results of steps as JSON: what is written is read again as it was, by this release and from the one before."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchyard.errors import LedgerStateError, RecordUnreadable
from switchyard.ledger import reports, results
from switchyard.ledger.loads import Load
from switchyard.ledger.results import (
    CacheSettled,
    Converted,
    Landed,
    PlanOutline,
    Proved,
    Published,
    Selected,
    ServePlanned,
    ServePublished,
    Staged,
    StagedReplacements,
    StepResult,
)
from switchyard.legs.diff import result as diff_result
from switchyard.legs.diff import run as diff_run
from switchyard.legs.ingest import forecast as ingest_forecast
from switchyard.legs.ingest.planned import Planned
from switchyard.legs.serve import forecast as serve_forecast
from switchyard.records import Record
from switchyard.types import hive_type
from switchyard.types.hive_type import HiveType
from switchyard.types.read import Read

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
MODULES = (results, reports, diff_result, diff_run, ingest_forecast, serve_forecast)
RECORDS = sorted(
    {
        kind
        for module in MODULES
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Record) and kind not in (Record, StepResult)
    }
    | {Planned},
    key=lambda kind: kind.__name__,
)
JSON_NUMBERS_AND_TEXTS = st.none() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
READS = st.builds(
    Read,
    rows=st.integers(),
    refused=st.integers(),
    high=st.none() | st.text(),
    columns=st.lists(st.dictionaries(st.text(), JSON_NUMBERS_AND_TEXTS)).map(tuple),
)


@pytest.fixture(scope="module", autouse=True)
def strategies() -> None:
    st.register_type_strategy(Read, READS)
    st.register_type_strategy(Mapping, lambda kind: st.dictionaries(*map(st.from_type, kind.__args__)))
    kinds = [kind for kind in vars(hive_type).values() if isinstance(kind, HiveType)]
    kinds += [HiveType.parse(text) for text in ("decimal(12,2)", "array<decimal(38,0)>", "struct<bad:map<string,int>>")]
    st.register_type_strategy(HiveType, st.sampled_from(kinds))
    st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))


def load(**facts: Any) -> Load:
    return Load(
        load_id="l1", flow="f", leg="ingest", seq=1, previous_seq=0, version=None, state="proved", spec={},
        spec_hash="", owner="", try_id=None, location=None, facts=facts, error=None, created_at=NOW, updated_at=NOW,
        published_at=None, superseded_at=None, kind="load", low=None, high=None,
    )  # fmt: skip


def test_every_result_is_looked_at() -> None:
    assert len(RECORDS) >= 30


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_what_is_written_is_read_again(kind: type[Record], data: st.DataObject) -> None:
    record = data.draw(st.from_type(kind))
    assert kind.from_json(json.loads(json.dumps(record.to_json()))) == record


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_what_a_newer_release_adds_is_passed_over(kind: type[Record], data: st.DataObject) -> None:
    record = data.draw(st.from_type(kind))
    assert kind.from_json({**record.to_json(), "of_a_newer_release": [1]}) == record


AGGREGATES = [{"values": 3, "min": "1", "max": "3", "sum": "6"}]
OLD_READ = {"rows": 3, "refused": 1, "high": None, "columns": AGGREGATES}
OLD_LAND = {"try": "t1", "staging": "/s", "read": OLD_READ, "source_rows": 3, "landed_rows": 3, "landed_bytes": 9}
OLD_COLUMN = {
    "source": "id", "name": "id", "postgres_type": "integer", "hive_type": "INT", "carry": '"id"', "cast": "c",
    "raw": "r", "unfit": "", "unfit_means": "", "cure": "", "staged": "string", "comment": "", "note": "",
    "not_null": True, "chosen": False,
}  # fmt: skip
OLD_PLAN = {
    "columns": [OLD_COLUMN], "left_out": [], "key": ["id"], "split_by": None,
    "bounds": {"column": "at", "low": None, "high": "2026", "keys": [{"id": "1"}]}, "sweep": False, "changes": ["c"],
    "before_columns": {"id": "int"}, "before_paths": ["/a"], "before_rows": None, "replays": None,
}  # fmt: skip
ROLLBACK = {
    "from_seq": 3, "to_seq": 1, "to_load": "l0", "origin_seq": 1, "flow_changes": {"bookmark": None, "held": "why"},
}  # fmt: skip
OLD_STAGE = {
    "staging": None, "digest": None, "replacements": {"file": "/r", "documents": 1, "digest": "d"}, "changes": "/c",
    "changes_known": True, "rows": 4, "inserted": 1, "updated": 0, "deleted": 0, "unchanged": 3,
}  # fmt: skip
OLD: list[tuple[type[StepResult], dict[str, Any], dict[str, Any]]] = [
    (Landed, OLD_LAND, {"read": Read(3, 1, None, tuple(AGGREGATES)), "try_id": "t1"}),
    (Planned, OLD_PLAN, {"key": ("id",), "replays": None, "rollback": None, "before_paths": ("/a",)}),
    (Planned, {**OLD_PLAN, "adopted": {"changed_at": "17"}}, {"adopted": results.AdoptionPlan("17")}),
    (PlanOutline, {**OLD_PLAN, "rollback": ROLLBACK}, {"paths": None, "replays": None}),
    (PlanOutline, {"previous": None, "paths": ["/a", "/b"], "columns": []}, {"paths": ("/a", "/b"), "rollback": None}),
    (Converted, {"try": "t", "landing": "/l", "quarantine": None, "batch": "b", "kept": "k"}, {"old": None}),
    (
        Converted,
        {"try": "t", "landing": "/l", "quarantine": "/q", "batch": "b", "kept": "k", "old": "o", "repeated": 2},
        {"old": "o", "repeated": 2},
    ),
    (Proved, {"hive_rows": 3, "hive_bytes": 1, "hive_files": 1}, {"quarantined_rows": 0, "source_rows": None}),
    (
        Proved,
        {
            "source_rows": 3,
            "landed_rows": 3,
            "quarantined_rows": 1,
            "hive_rows": 2,
            "differences": ["d"],
            "before": 1,
            "inserted": 1,
            "updated": 0,
            "unchanged": 1,
            "late": 0,
            "deleted": 0,
            "unknown": 0,
            "repeated": 0,
            "warnings": [],
            "hive_bytes": 10,
            "hive_files": 1,
        },
        {"differences": ("d",), "inserted": 1, "warnings": ()},
    ),
    (Published, {"seq": 1, "rows": 2, "bytes": 3, "load_id": "l", "quarantined": 0}, {"rows": 2}),
    (ServePlanned, {"previous": None, "columns": ["a"], "timestamps": []}, {"previous": None, "paths": None}),
    (ServePlanned, {"previous": ["/p"], "paths": ["/a"], "columns": ["a"], "timestamps": ["a"]}, {"paths": ("/a",)}),
    (Selected, {"version": 2, "rows": 1, "columns": ["a"], "timestamps": ["a"]}, {"timestamps": ("a",)}),
    (Staged, OLD_STAGE, {"replacements": StagedReplacements("/r", 1, "d")}),
    (Staged, {**OLD_STAGE, "replacements": None, "staging": "t__s1", "digest": "e"}, {"staging": "t__s1"}),
    (ServePublished, {"seq": 1, "version": 2, "rows": 3, "load_id": "l"}, {"replaced": None}),
    (CacheSettled, {}, {"warmed": None}),
    (
        CacheSettled,
        {"invalidated": 1, "unlinked": 1, "floor_raised": False, "verified": 1, "warmed": 0},
        {"floor_raised": False, "warmed": 0},
    ),
    (results.InPlaceBegun, {"began": True}, {"began": True}),
    (results.HealOrdered, {"diff": "d"}, {"diff": "d"}),
]


@pytest.mark.parametrize(("kind", "facts", "expected"), OLD, ids=lambda value: getattr(value, "__name__", None))
def test_facts_of_the_release_before_are_read(
    kind: type[StepResult], facts: dict[str, Any], expected: dict[str, Any]
) -> None:
    result = load(**{kind.step: facts}).result(kind)
    assert {name: getattr(result, name) for name in expected} == expected


@pytest.mark.parametrize(("kind", "facts", "expected"), OLD, ids=lambda value: getattr(value, "__name__", None))
def test_the_release_before_reads_what_is_written_now(
    kind: type[StepResult], facts: dict[str, Any], expected: dict[str, Any]
) -> None:
    """It takes every key that it wrote, even where it stands for nothing."""
    if kind is PlanOutline:
        return  # only ever read
    written = kind.from_json(facts).to_json()
    assert _of_the_keys_of(facts, written) == {name: value for name, value in facts.items() if name != "replays"}


def _of_the_keys_of(before: Any, now: Any) -> Any:
    """What the release before looks at: it leaves keys alone that it does not know, also in the columns."""
    if isinstance(before, dict) and isinstance(now, dict):
        return {name: _of_the_keys_of(before[name], now[name]) for name in before if name in now and name != "replays"}
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [_of_the_keys_of(*pair) for pair in zip(before, now, strict=True)]
    return now


def test_a_step_that_has_not_run_is_named() -> None:
    assert load().find_result(Landed) is None
    with pytest.raises(LedgerStateError, match="flow f, leg ingest: the ledger has no result of step land of load l1"):
        load().result(Landed)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"landed_rows": "3"}, "landed_rows: Input should be a valid integer"),
        ({"landed_rows": None}, "landed_rows: Input should be a valid integer"),
        ({"try": 3}, "try: Input should be a valid string"),
        ({"read": {**OLD_READ, "rows": 1.5}}, "read.rows: Input should be a valid integer"),
        ({"read": [1]}, "read: "),
    ],
)
def test_a_fact_that_cannot_be_read_says_which_load_step_and_field(change: dict[str, Any], said: str) -> None:
    with pytest.raises(LedgerStateError) as caught:
        load(land={**OLD_LAND, **change}).result(Landed)
    assert caught.value.where == "flow f, load l1, step land"
    assert caught.value.what.startswith(said)


@pytest.mark.parametrize("missing", sorted(OLD_LAND))
def test_a_fact_that_is_missing_is_named(missing: str) -> None:
    values = {name: value for name, value in OLD_LAND.items() if name != missing}
    with pytest.raises(RecordUnreadable, match=f"^a place: {missing}: Field required"):
        Landed.from_json(values, "a place")


def test_a_message_does_not_quote_a_value() -> None:
    with pytest.raises(RecordUnreadable) as caught:
        Landed.from_json({**OLD_LAND, "source_rows": "s3cret"})
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
