"""What a table's parameters and partitions tell: the chain from the head, the bookmark, copies; pure."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchyard.errors import SwitchyardError, TruthConflict
from switchyard.flow import naming
from switchyard.flow.bookmark import Bookmark, Origin, Reading, Server
from switchyard.flow.spec import Flow
from switchyard.handover import LoadRequest
from switchyard.lake.table_version import Part, TableVersion, chain_of, version_of
from switchyard.legs.ingest.start import find_start, next_bookmark

SERVER = Server("db:5432", "7712920", "sales")
READING = Reading(SERVER, "public.t", "at")
ORIGIN = Origin(tables="16412", definitions="", cursor="7712920:16412.3", rules="")
KNOWN = replace(READING, origin=ORIGIN)


def part(seq: int, previous: int | None) -> Part:
    return Part(seq, f"l{seq}", 1, previous, f"hdfs://n:1/lake/{seq}")


def version(parts: list[Part] | None, **parameters: str) -> TableVersion:
    named = {f"switchyard.{name}": value for name, value in parameters.items()}
    return version_of("d", "t", named, location="hdfs://n:1/lake/d/t", columns=(), parts=parts)


def test_the_chain_follows_what_each_part_stands_on() -> None:
    parts = [part(1, 0), part(2, 1), part(3, 2), part(5, 2), part(7, 5)]
    assert [one.seq for one in chain_of(parts, 7)] == [1, 2, 5, 7], "3 was rolled back before 5 was planned"
    assert [one.seq for one in chain_of(parts, 3)] == [1, 2, 3]
    assert chain_of(parts, 0) == ()
    shown = version(parts, seq="7", head="7", rev="9")
    assert [one.seq for one in shown.strays] == [3]
    assert shown.paths == ("/lake/1", "/lake/2", "/lake/5", "/lake/7")


def test_partitions_of_an_earlier_release_are_those_up_to_the_seq() -> None:
    parts = [part(1, None), part(2, None), part(4, None), part(6, None)]
    shown = version(parts, seq="5", load_id="l5")
    assert (shown.rev, shown.head, [one.seq for one in shown.chain]) == (None, 4, [1, 2, 4])
    assert [one.seq for one in shown.strays] == [6]
    later = version([*parts[:3], part(7, 4)], seq="7", head="7", rev="1")
    assert [one.seq for one in later.chain] == [1, 2, 4, 7]


@given(st.data())
def test_a_chain_goes_down_and_never_loops(data: st.DataObject) -> None:
    seqs = data.draw(st.lists(st.integers(1, 9), unique=True))
    parts = [part(seq, data.draw(st.none() | st.integers(0, seq - 1))) for seq in seqs]
    chain = [one.seq for one in chain_of(parts, data.draw(st.integers(0, 10)))]
    assert chain == sorted(set(chain))
    for before, after in itertools.pairwise(chain):
        named = next(one.previous for one in parts if one.seq == after)
        assert named is None or named == before or named not in seqs


def test_a_table_that_was_copied_or_renamed_says_so() -> None:
    assert version(None, seq="1", rev="1", table="d.other").is_copy
    assert not version(None, seq="1", rev="1", table="d.t").is_copy
    assert not version(None, seq="1").is_copy, "an earlier release wrote no name"


def test_a_bookmark_is_read_as_it_was_written_and_no_other_way() -> None:
    reading = Reading(SERVER, "public.t", "at", "x > 'ä\"'", "gone")
    assert Bookmark.of(Bookmark("2026-01-01", reading).record()) == Bookmark("2026-01-01", reading)
    assert Bookmark.of(Bookmark("2026-01-01", KNOWN).record()) == Bookmark("2026-01-01", KNOWN)
    whole = Bookmark("2026-01-01", KNOWN).record()
    for text in ("{}", "[]", '{"high": "1"}', "nonsense", whole.replace('"tables"', '"oids"')):
        with pytest.raises(ValueError):
            Bookmark.of(text)
    with pytest.raises(SwitchyardError, match=r"switchyard\.bookmark is not one that Switchyard wrote"):
        version(None, seq="1", bookmark="2026-01-01")


@pytest.mark.parametrize(
    ("now", "what"),
    [
        (replace(READING, relation="public.u"), "source.table or source.query was public.t and is public.u"),
        (replace(READING, cursor="changed"), "source.cursor was at and is changed"),
        (replace(READING, where="id > 5"), "source.where was not set and is id > 5"),
        (replace(READING, tombstone="gone"), "source.tombstone was not set and is gone"),
        (replace(READING, server=replace(SERVER, database="u")), "sales at db:5432 and is u at db:5432"),
        (replace(READING, server=Server("other:1", "1", "sales")), "sales at db:5432 and is sales at other:1"),
        (replace(READING, server=Server("other:1", "", "sales")), "sales at db:5432 and is sales at other:1"),
    ],
)
def test_what_changed_is_named(now: Reading, what: str) -> None:
    [change] = READING.changes_to(now)
    assert what in change


def test_a_server_that_moved_or_was_upgraded_is_the_same() -> None:
    assert READING.changes_to(replace(READING, server=replace(SERVER, address="new:5432"))) == []
    assert READING.changes_to(replace(READING, server=replace(SERVER, system="999"))) == []


FIRST = replace(SERVER, timeline="00000001", written="1/FF000000")


@pytest.mark.parametrize("mode", ["append", "merge"])
@pytest.mark.parametrize(
    ("server", "what"),
    [
        (replace(FIRST, address="standby:5432", timeline="00000002"), "a standby took over.* 00000001 and is 00000002"),
        (replace(FIRST, timeline="00000002", written="2/0"), "a standby took over"),
        (replace(FIRST, written="1/FEFFFFFF"), "an older copy .* was 1/FF000000 and is 1/FEFFFFFF"),
        (replace(FIRST, written="0/FF000001"), "an older copy"),
    ],
)
def test_a_source_that_may_have_lost_rows_that_were_read_is_refused(mode: str, server: Server, what: str) -> None:
    bookmark = Bookmark.of(Bookmark("B", replace(KNOWN, server=FIRST)).record())
    shown = replace(APPENDED if mode == "append" else MERGED, bookmark=bookmark)
    now = replace(KNOWN, server=server)
    with pytest.raises(TruthConflict, match=what) as refused:
        find_start(flow(mode), shown, now, LoadRequest())
    assert "switchyard diff f --between postgres-hive" in str(refused.value)
    assert find_start(flow(mode), shown, now, LoadRequest(start="trusted-bookmark")) == "B"
    assert find_start(flow("merge", sweep="always"), shown, now, LoadRequest()) == "B", "it reads every row"


@pytest.mark.parametrize(
    ("before", "now"),
    [
        pytest.param(FIRST, FIRST, id="the same"),
        pytest.param(FIRST, replace(FIRST, address="new:5432", written="2/0"), id="it moved, and has written more"),
        pytest.param(FIRST, SERVER, id="a login that may not read it"),
        pytest.param(SERVER, FIRST, id="a bookmark of an earlier release"),
        pytest.param(FIRST, replace(FIRST, system="999", timeline="00000002", written="0/1"), id="an upgrade in place"),
    ],
)
def test_a_history_that_goes_on_or_cannot_be_compared_changes_nothing(before: Server, now: Server) -> None:
    assert replace(KNOWN, server=before).changes_to(replace(KNOWN, server=now)) == []


RELEASE_BEFORE = (
    '{"high": "2026-01-01", "cursor": "at", "source": {"server": "db:5432", "system": "7712920", "database": "sales", '
    '"relation": "public.t"}, "filter": {"where": "", "tombstone": ""}}'
)


def test_a_bookmark_of_the_release_before_is_read_and_written_as_it_was() -> None:
    before = Bookmark.of(RELEASE_BEFORE)
    assert before == Bookmark("2026-01-01", READING)
    assert before.record() == RELEASE_BEFORE
    assert before.reading.changes_to(KNOWN) == [], "what the rows came from is not known, so it is not compared"
    assert KNOWN.changes_to(before.reading) == []


@pytest.mark.parametrize(
    ("now", "what"),
    [
        (replace(ORIGIN, tables="16500", cursor="7712920:16500.1"), "oids 16412 and have 16500: dropped and made anew"),
        (replace(ORIGIN, tables="16412, 16500"), "oids 16412 and have 16412, 16500"),
        (replace(ORIGIN, tables=""), "oids 16412 and have none"),
        (replace(ORIGIN, definitions="ab12"), "definition of the views that it reads was none and is ab12"),
        (replace(ORIGIN, cursor="7712920:16412.4"), "column of source.cursor is another one of that name"),
        (replace(ORIGIN, rules="cd34"), "functions that source.where or source.query names"),
        (replace(ORIGIN, rules="cd34"), "was none and is cd34"),
    ],
)
def test_a_source_that_became_another_one_under_its_name_is_named(now: Origin, what: str) -> None:
    [change] = KNOWN.changes_to(replace(KNOWN, origin=now))
    assert what in change
    with pytest.raises(TruthConflict, match="written for other rows"):
        find_start(flow("append"), with_bookmark(APPENDED), replace(KNOWN, origin=now), LoadRequest())
    for server in (
        replace(SERVER, system=""),
        replace(SERVER, system="999"),
        replace(SERVER, address="new:1", system=""),
    ):
        elsewhere = replace(KNOWN, server=server, origin=now)
        assert [fact for fact in KNOWN.changes_to(elsewhere) if "oid" in fact or "digests" in fact] == []
    moved = replace(KNOWN, server=replace(SERVER, address="new:5432"), origin=now)
    assert KNOWN.changes_to(moved), "a standby has the same oids"


def test_rules_that_a_release_before_did_not_look_at_are_not_compared() -> None:
    before = replace(KNOWN, origin=replace(ORIGIN, rules=None))
    assert before.changes_to(KNOWN) == [] == KNOWN.changes_to(before)
    record = json.loads(Bookmark("2026-01-01", KNOWN).record())
    del record["origin"]["rules"]
    assert Bookmark.of(json.dumps(record)).reading == before


def test_a_cursor_that_cannot_be_compared_is_the_same() -> None:
    for place in ("", "7712920:16500.4", "999:16412.4"):
        assert KNOWN.changes_to(replace(KNOWN, origin=replace(ORIGIN, cursor=place))) == []


def test_long_texts_are_kept_short_and_still_told_apart() -> None:
    spec = {"flow": "f", "source": {"connection": "c", "table": "s.t"}, "lake": {"database": "d", "table": "t"}}
    flow = Flow.model_validate(spec)
    long = [f"id in ({', '.join(map(str, range(500)))}, {last})" for last in (1, 2)]
    one, other = (Reading.of(flow.source.model_copy(update={"where": where}), SERVER) for where in long)
    assert len(one.where) < 250
    assert one.changes_to(other)


def flow(mode: str, **source: object) -> Flow:
    lake = {"database": "d", "table": "t", "mode": mode}
    return Flow.model_validate(
        {"flow": "f", "source": {"connection": "c", "table": "s.t", "cursor": "at", **source}, "lake": lake}
    )


MERGED = version(None, seq="3", rev="4", bookmark=Bookmark("B", READING).record())
APPENDED = version([part(1, 0)], seq="1", head="1", rev="2", bookmark=Bookmark("B", READING).record())
OTHER = replace(READING, where="id > 5")


def with_bookmark(version: TableVersion) -> TableVersion:
    return replace(version, bookmark=Bookmark("B", KNOWN))


def test_where_a_load_begins() -> None:
    assert find_start(flow("merge"), MERGED, READING, LoadRequest()) == "B"
    assert find_start(flow("merge"), None, READING, LoadRequest()) is None
    assert find_start(flow("merge"), version(None, seq="0", rev="0"), READING, LoadRequest()) is None
    assert find_start(flow("merge"), MERGED, OTHER, LoadRequest(start="beginning")) is None
    assert find_start(flow("merge"), MERGED, OTHER, LoadRequest(start="trusted-bookmark")) == "B"
    assert find_start(flow("append"), APPENDED, READING, LoadRequest()) == "B"
    assert find_start(flow("append"), APPENDED, OTHER, LoadRequest(start="trusted-bookmark")) == "B"
    assert find_start(flow("append"), None, OTHER, LoadRequest(start="beginning")) is None
    assert find_start(flow("merge", sweep="always"), MERGED, OTHER, LoadRequest()) == "B", "a sweep reads everything"
    for mode, shown in (("merge", MERGED), ("append", APPENDED)):
        with pytest.raises(
            TruthConflict,
            match=r"written for other rows than the flow reads now: source\.where was not set and is id > 5",
        ):
            find_start(flow(mode), shown, OTHER, LoadRequest())


@pytest.mark.parametrize("kind", ["backfill", "replay"])
@pytest.mark.parametrize("sweep", ["never", "always"])
def test_a_range_is_read_under_the_reading_of_the_bookmark_only(
    kind: Literal["backfill", "replay"], sweep: str
) -> None:
    request = LoadRequest(kind, "2026-01-01", "2026-01-02")
    assert find_start(flow("merge", sweep=sweep), MERGED, READING, request) == "B"
    assert find_start(flow("merge", sweep=sweep), replace(MERGED, bookmark=None), READING, request) is None
    with pytest.raises(TruthConflict, match=r"written for other rows") as refused:
        find_start(flow("merge", sweep=sweep), MERGED, OTHER, request)
    assert refused.value.cure.endswith(f"; then ask for the {kind} again")
    assert ("--trust-bookmark" in refused.value.cure) is (sweep == "never")


def test_an_append_table_is_never_read_twice() -> None:
    without = replace(APPENDED, bookmark=None)
    for shown, request in ((APPENDED, LoadRequest(start="beginning")), (without, LoadRequest())):
        with pytest.raises(TruthConflict, match="mode append never rewrites partitions"):
            find_start(flow("append"), shown, READING, request)
    assert find_start(flow("merge"), replace(MERGED, bookmark=None), READING, LoadRequest()) is None, "adopted: all"


def test_the_bookmark_after_a_load() -> None:
    assert next_bookmark(flow("merge"), MERGED, OTHER, "C") == Bookmark("C", OTHER)
    assert next_bookmark(flow("merge"), MERGED, READING, None) == MERGED.bookmark, "a backfill leaves it"
    assert next_bookmark(flow("replace"), None, READING, "C") is None


def test_a_part_is_written_as_it_is_read() -> None:
    parameters = part(7, 5).parameters()
    assert Part.of("7", "hdfs://n:1/lake/7", parameters) == part(7, 5)
    assert set(parameters) == {naming.LOAD_PROPERTY, naming.ROWS_PROPERTY, naming.PREVIOUS_PROPERTY}
