"""W4: a replay finds the refused rows again by their keys, whatever the type of the key, or says that it did not."""

import pytest

from harness.outside.grounds import Grounds, require_right_or_refused

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
