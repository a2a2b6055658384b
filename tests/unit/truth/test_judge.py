"""Whether serve may act, from what the ledger and MongoDB say: every row of the protocol's table, and combinations."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchyard.errors import SwitchyardError
from switchyard.legs.serve.judge import KnownLoad, Verdict, judge
from switchyard.serve.mongo.marker import Marker
from switchyard.serve.mongo.record import ServedRecord, Shown

STATES = ("planned", "staged", "publishing", "refreshing", "served", "abandoned")
REFUSALS = {Verdict.LEDGER_OLDER, Verdict.ANOTHER_FLOW}


def record_of(seq: int, state: str = "served", load_id: str | None = None) -> ServedRecord:
    load = load_id or f"load{seq}"
    record = ServedRecord("c", "f", "db.t", seq, load, seq + 10, f"ingest{seq}", "snapshot", "writing")
    record = replace(record, marker=Marker(seq, seq + 10, load).index_name)
    return record.as_served() if state == "served" else record


def shown(record: ServedRecord | None, marker: int | None = None, exists: bool = True) -> Shown:
    return Shown(exists, record, None if marker is None else Marker(marker, marker + 10, f"load{marker}"))


def load(seq: int, state: str = "served") -> KnownLoad:
    return KnownLoad(f"load{seq}", seq, state)


CASES = {
    "MongoDB shows what the ledger says": (shown(record_of(5), 5), load(5), load(5), Verdict.GO_ON),
    "nothing was ever served": (shown(None, None, exists=False), None, None, Verdict.NEW),
    "a collection that others made": (shown(None), None, None, Verdict.NEW),
    "an empty ledger": (shown(record_of(5), 5), None, None, Verdict.LEDGER_OLDER),
    "an older ledger: the load is unknown": (shown(record_of(5), 5), load(4), None, Verdict.LEDGER_OLDER),
    "an older ledger: the load is planned": (shown(record_of(5), 5), load(4), load(5, "planned"), Verdict.LEDGER_OLDER),
    "an older ledger: the load is staged": (shown(record_of(5), 5), load(4), load(5, "staged"), Verdict.LEDGER_OLDER),
    "another ledger gave the seq to another load": (
        shown(record_of(5, load_id="theirs"), 5),
        load(5),
        None,
        Verdict.LEDGER_OLDER,
    ),
    "a crash after `writing`": (shown(record_of(5, "writing"), 4), load(4), load(5, "publishing"), Verdict.RECOVER),
    "a crash after the rename": (shown(record_of(5, "writing"), 5), load(4), load(5, "publishing"), Verdict.RECOVER),
    "a crash after `served`": (shown(record_of(5), 5), load(4), load(5, "refreshing"), Verdict.RECOVER),
    "an older ledger: it was publishing": (shown(record_of(5), 5), load(4), load(5, "publishing"), Verdict.RECOVER),
    "a load given up while writing": (
        shown(record_of(5, "writing"), 4),
        load(4),
        load(5, "abandoned"),
        Verdict.SNAPSHOT,
    ),
    "a rebuilt ledger: its last load is unknown": (
        shown(record_of(5), 5),
        None,
        load(5, "abandoned"),
        Verdict.SNAPSHOT,
    ),
    "MongoDB restored, whole": (shown(record_of(3), 3), load(5), load(3), Verdict.SNAPSHOT),
    "MongoDB restored to the middle of the publish": (
        shown(record_of(5, "writing"), 4),
        load(5),
        load(5),
        Verdict.SNAPSHOT,
    ),
    "one collection restored": (shown(record_of(5), 4), load(5), load(5), Verdict.SNAPSHOT),
    "one collection restored without its indexes": (shown(record_of(5)), load(5), load(5), Verdict.SNAPSHOT),
    "the collection dropped": (shown(record_of(5), exists=False), load(5), load(5), Verdict.SNAPSHOT),
    "the records restored, not the collection": (shown(record_of(4), 5), load(5), load(4), Verdict.SNAPSHOT),
    "the records lost": (shown(None, 5), load(5), load(5), Verdict.COMPARE),
    "MongoDB restored from before there were records": (shown(None), load(5), None, Verdict.COMPARE),
    "an earlier release served it": (shown(None), load(5), None, Verdict.COMPARE),
    "MongoDB is empty": (shown(None, exists=False), load(5), None, Verdict.SNAPSHOT),
    "records lost, and the ledger older": (shown(None, 6), load(5), None, Verdict.LEDGER_OLDER),
    "records lost, and the ledger empty": (shown(None, 6), None, None, Verdict.LEDGER_OLDER),
    "records lost, and the load only staged": (shown(None, 6), load(5), load(6, "staged"), Verdict.LEDGER_OLDER),
    "records lost, and the ledger rebuilt": (shown(None, 6), None, load(6, "abandoned"), Verdict.SNAPSHOT),
    "a snapshot was ordered": (shown(replace(record_of(5), heal="d1"), 5), load(5), load(5), Verdict.SNAPSHOT),
    "another flow's collection": (shown(replace(record_of(5), flow="g"), 5), load(5), None, Verdict.ANOTHER_FLOW),
}


@pytest.mark.parametrize("case", CASES)
def test_the_protocols_table(case: str) -> None:
    seen, last, recorded, verdict = CASES[case]
    judgement = judge("f", seen, last, recorded)
    assert judgement.verdict is verdict
    assert bool(judgement.why) is (verdict not in (Verdict.GO_ON, Verdict.NEW, Verdict.RECOVER))


seqs = st.integers(1, 4)
records = st.none() | st.builds(record_of, seqs, st.sampled_from(["writing", "served"]))
markers = st.none() | seqs


@given(records, markers, st.booleans(), st.none() | st.builds(load, seqs), st.none() | st.sampled_from(STATES))
def test_a_delta_needs_everything_to_agree(
    record: ServedRecord | None, marker: int | None, exists: bool, last: KnownLoad | None, state: str | None
) -> None:
    """GO_ON lets a delta be counted from what is shown, and the cache be kept: no doubt may be left."""
    recorded = KnownLoad(record.load_id, record.serve_seq, state) if record and state else None
    judgement = judge("f", shown(record, marker, exists), last, recorded)
    if judgement.verdict is Verdict.GO_ON:
        assert record is not None and last is not None
        assert record.state == "served"
        assert exists and record.serve_seq == last.seq == marker
        assert state == "served"


@given(records, markers, st.booleans(), st.none() | st.builds(load, seqs))
def test_a_record_that_the_ledger_does_not_know_is_never_overwritten(
    record: ServedRecord | None, marker: int | None, exists: bool, last: KnownLoad | None
) -> None:
    if record is not None:
        assert judge("f", shown(record, marker, exists), last, None).verdict in REFUSALS


@pytest.mark.parametrize(
    ("publish", "state", "heal"), list(product(("snapshot", "delta"), ("writing", "served"), (None, "d")))
)
def test_a_record_is_read_as_it_was_written(publish: str, state: str, heal: str | None) -> None:
    record = ServedRecord("c", "f", "db.t", 7, "l", 17, "i", publish, state, "m", heal)
    assert ServedRecord.parse(record.document()) == record
    assert ServedRecord.parse({**record.document(), "of a later release": 1}) == record


@pytest.mark.parametrize("lost", sorted(set(record_of(5).document()) - {"marker", "heal"}))
def test_a_record_that_somebody_else_wrote_is_refused(lost: str) -> None:
    document = record_of(5).document()
    del document[lost]
    with pytest.raises(SwitchyardError, match="not one that Switchyard wrote"):
        ServedRecord.parse(document)


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.from_regex(r"[0-9a-z_]{1,30}", fullmatch=True))
def test_a_marker_is_read_from_its_name(serve_seq: int, lake_seq: int, load_id: str) -> None:
    marker = Marker(serve_seq, lake_seq, load_id)
    assert Marker.parse(marker.index_name) == marker


@pytest.mark.parametrize(
    "name", ["_id_", "x_1", "switchyard", "switchyard|1|2", "switchyard|a|2|l", "switchyard|1|2|l|x"]
)
def test_other_indexes_are_no_markers(name: str) -> None:
    assert Marker.parse(name) is None
