"""W4: a replay finds the refused rows again by their keys, whatever the type of the key, or says that it did not."""

import pytest

from harness.outside.grounds import Grounds, require_refused, require_right_or_refused

KEYS = {
    "timestamptz": ("k timestamptz", "k", "'2026-01-02 03:04:05+02'"),
    "bytea and char": ("k bytea, c char(4)", "k, c", "'\\xdeadbeef', 'ab'"),
}


@pytest.mark.parametrize("kind", ["timestamptz", pytest.param("bytea and char", marks=pytest.mark.kin)])
def test_a_mended_row_comes_in_with_the_replay(grounds: Grounds, kind: str) -> None:
    columns, key, value = KEYS[kind]
    flow = grounds.flow(
        "replayed",
        f"{columns}, v int not null, updated_at timestamptz not null default now(), primary key ({key})",
        source={"cursor": "updated_at", "cursor_clock": "database"},
        lake={"mode": "merge"},
        checks=[{"between": {"column": "v", "min": 0, "max": 100}, "severity": "quarantine"}],
        contract={"quarantine_threshold": "100%"},
    )
    flow.sql(f"insert into {{t}} values ({value}, -1)")
    flow.ingest().require_success()
    flow.sql("update {t} set v = 1")
    ended = flow.switchyard("replay", flow.name)
    require_right_or_refused(ended, flow, flow.hive(what="v"), before=[], after=[(1,)])


APPENDED = {
    "a NULL in the key": ("not_null", "(1, 1), (null, 2)"),
    "a loaded row of the same key": ("between", "(1, 1), (1, -1), (2, 2)"),
}


@pytest.mark.parametrize("kind", ["a NULL in the key", pytest.param(list(APPENDED)[1], marks=pytest.mark.kin)])
def test_a_replay_of_an_append_never_loads_a_row_twice(grounds: Grounds, kind: str) -> None:
    """Kin of W4: keys that do not say which rows were refused."""
    checks = {"not_null": {"not_null": "k"}, "between": {"between": {"column": "v", "min": 0}}}
    check, rows = APPENDED[kind]
    flow = grounds.flow(
        "replayed_append",
        "k int, v int not null, updated_at timestamptz not null default now()",
        source={"cursor": "updated_at", "cursor_clock": "database", "key": ["k"]},
        lake={"mode": "append"},
        checks=[{**checks[check], "severity": "quarantine"}],
        contract={"quarantine_threshold": "100%"},
    )
    flow.sql(f"insert into {{t}} values {rows}")
    flow.ingest().require_success()
    loaded = flow.hive(what="v")
    assert loaded == [(each,) for each in ([1] if check == "not_null" else [1, 2])]
    ended = flow.switchyard("replay", flow.name)
    assert flow.hive(what="v") == loaded, ended.output
    require_refused(ended, flow)
