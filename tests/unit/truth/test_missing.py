"""Files of a version are compared with what its proof counted: whatever is gone, cut or added is a fault; pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from switchyard.lake.table_version import Part, TableVersion, version_of
from switchyard.ledger.loads import Load
from switchyard.ledger.results import Proved, Selected, ServePlanned
from switchyard.legs.truth.missing import (
    ProvedDirectory,
    described,
    directories_of,
    find_faults,
    landing_of,
    pinned_directories,
)

OTHERS = "when they were proved"
FAULTS = {
    "as proved": (120, 5, 120, ""),
    "nothing was proved in it, and nothing is there": (0, 0, 0, ""),
    "of an earlier release, and something is there": (None, 5, 77, ""),
    "of an earlier release, without rows": (None, 0, 0, ""),
    "nobody knows its rows": (None, None, 0, ""),
    "its directory was deleted": (120, 5, None, "is not in HDFS"),
    "an empty one was deleted": (0, 0, None, "is not in HDFS"),
    "of an earlier release, deleted": (None, None, None, "is not in HDFS"),
    "all files were deleted": (120, 5, 0, OTHERS),
    "one file was deleted": (120, 5, 60, OTHERS),
    "a file was cut": (120, 5, 119, OTHERS),
    "a file was added": (120, 5, 240, OTHERS),
    "a file was added to an empty version": (0, 0, 7, OTHERS),
    "of an earlier release, all files deleted": (None, 5, 0, "is empty, and had 5 rows"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_directory_is_what_was_proved_or_a_fault(what: str) -> None:
    proved_bytes, rows, size, sentence = FAULTS[what]
    fault = ProvedDirectory("/lake/d/t/load=1/try=a", proved_bytes, rows).fault(size)
    assert sentence in fault
    assert bool(fault) == bool(sentence)
    assert not fault or "/lake/d/t/load=1/try=a" in fault


def test_the_directory_of_a_table_is_counted_by_the_proof_of_its_load() -> None:
    shown = version(None, seq="3")
    assert directories_of(shown, load(Proved(5, 120, 1))) == (ProvedDirectory("/lake/d/t", 120, 5),)
    assert directories_of(shown, load(Proved(0, 0, 0))) == (ProvedDirectory("/lake/d/t", 0, 0),)
    by_its_rows = load(Proved(5, 0, 0))
    assert directories_of(shown, by_its_rows) == (ProvedDirectory("/lake/d/t", None, 5),), "a rebuild knows no bytes"
    assert directories_of(shown, None) == (ProvedDirectory("/lake/d/t"),), "the ledger does not know the load"
    assert directories_of(shown, load(None)) == (ProvedDirectory("/lake/d/t"),)


def test_each_partition_says_what_is_in_it() -> None:
    parts = [Part(1, "l1", 5, 0, "hdfs://n:1/lake/1", 120), Part(2, "l2", 3, 1, "hdfs://n:1/lake/2")]
    shown = version(parts, seq="2", head="2")
    expected = (ProvedDirectory("/lake/1", 120, 5), ProvedDirectory("/lake/2", None, 3))
    assert directories_of(shown, load(Proved(8, 40, 1))) == expected, "the proof counts the last one's bytes alone"
    read_again = [Part.of(str(part.seq), part.location, part.parameters()) for part in parts]
    assert read_again == parts, "the partition's parameters keep all of it"


def test_a_landing_is_counted_by_its_own_proof() -> None:
    assert landing_of(load(Proved(5, 120, 1))) == ProvedDirectory("/lake/d/t/load=l/try=a", 120, 5)


def test_a_table_says_how_many_rows_it_had_when_the_ledger_does_not() -> None:
    known = replace(version(None, seq="3"), rows=5)
    for nobody in (None, load(None)):
        assert directories_of(known, nobody) == (ProvedDirectory("/lake/d/t", None, 5),)


def test_a_serve_load_reads_the_directories_it_was_planned_on() -> None:
    lake = ServePlanned(None, ("id",), (), ("/lake/1", "/lake/2"), bytes=(120, None))
    assert pinned_directories(planned(lake)) == (ProvedDirectory("/lake/1", 120), ProvedDirectory("/lake/2"))
    earlier = ServePlanned(None, ("id",), (), ("/lake/1",))
    assert pinned_directories(planned(earlier)) == (ProvedDirectory("/lake/1"),), "an earlier release has no bytes"
    product = ServePlanned(None, ("id",), ())
    selected = Selected(3, 5, ("id",), (), bytes=77)
    assert pinned_directories(planned(product, selected)) == (ProvedDirectory("/lake/d/t/load=l/try=a", 77, 5),)


def test_a_message_names_three_directories_and_counts_the_others() -> None:
    parts = [Part(seq, f"l{seq}", 1, seq - 1, f"hdfs://n:1/lake/{seq}", 9) for seq in range(1, 6)]
    shown = version(parts, seq="5", head="5")
    faults = find_faults({"/lake/1": 9}.get, directories_of(shown, None))
    assert len(faults) == 4
    text = described(shown, faults)
    assert "d.t reads 5 directories, and in 4 of them files are missing or were changed since" in text
    assert "/lake/4 is not in HDFS; and 1 more" in text


def version(parts: list[Part] | None, **parameters: str) -> TableVersion:
    named = {f"switchyard.{name}": value for name, value in parameters.items()}
    return version_of("d", "t", named, location="hdfs://n:1/lake/d/t", columns=(), parts=parts)


def load(proved: Proved | None) -> Load:
    facts = {} if proved is None else {Proved.step: proved.to_json()}
    return replace(LOAD, facts=facts)


def planned(*results: ServePlanned | Selected) -> Load:
    return replace(LOAD, facts={result.step: result.to_json() for result in results})


LOAD = Load(
    load_id="l",
    flow="f",
    leg="ingest",
    seq=3,
    previous_seq=2,
    version=None,
    state="proved",
    kind="load",
    low=None,
    high=None,
    spec={},
    spec_hash="",
    try_id="a",
    location="/lake/d/t/load=l/try=a",
    owner="o",
    facts={},
    error=None,
    created_at=dt.datetime(2026, 11, 28, tzinfo=dt.UTC),
    updated_at=dt.datetime(2026, 11, 28, tzinfo=dt.UTC),
    published_at=None,
    superseded_at=None,
)
