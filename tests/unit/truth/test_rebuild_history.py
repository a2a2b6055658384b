"""A flow's history made again from its table and manifests: what is known is exact, what is not is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from switchyard.flow.bookmark import Bookmark, Reading, Server
from switchyard.flow.frozen import frozen_spec, spec_hash
from switchyard.flow.spec import Flow
from switchyard.lake.table_version import Part, TableVersion, version_of
from switchyard.ledger.results import Proved, TableLeft
from switchyard.legs.ingest.manifest import Manifest, VersionRecord
from switchyard.legs.ingest.planned import Planned
from switchyard.legs.rebuild.history import History, history_of
from switchyard.types.carry import CarriedColumn
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import BIGINT

READING = Reading(Server("db:1", "1", "d"), "public.t", "at")


def flow(mode: str) -> Flow:
    source = {"connection": "c", "table": "public.t", "cursor": "at"}
    return Flow.model_validate({"flow": "f", "source": source, "lake": {"database": "d", "table": "t", "mode": mode}})


def load_id(seq: int) -> str:
    return f"2026010{seq}t000000_ab12c{seq}"


def bookmark(seq: int) -> Bookmark:
    return Bookmark(f"2026-01-0{seq}", READING)


def manifest(seq: int, mode: str, replaces: VersionRecord | None = None, **more: Any) -> Manifest:
    planned = Planned(
        columns=(CarriedColumn("id", "id", "bigint", BIGINT, '"id"', "{c}", '"id"'),),
        left_out=(),
        key=("id",),
        split_by=None,
        bounds=None,
        sweep=False,
        changes=(),
        before_columns={"id": BIGINT},
        before_paths=(),
        before_rows=None,
        bookmark=bookmark(seq),
        head=seq - 1,
    )
    proved = Proved(10 * seq, 100, 1, inserted=10)
    spec = flow(mode)
    whole = Manifest(
        load_id=load_id(seq),
        flow="f",
        seq=seq,
        previous_seq=seq - 1,
        kind="load",
        low=None,
        high=f"2026-01-0{seq}",
        replays=None,
        bookmark=bookmark(seq).record(),
        spec=frozen_spec(spec),
        spec_hash=spec_hash(spec),
        try_id="ab12ab12ab12",
        location=f"/lake/d/t/load={load_id(seq)}/try=a",
        created_at=f"2026-01-0{seq}T00:00:00+00:00",
        facts={"plan": planned.to_json(), "prove": proved.to_json()},
        replaces=replaces,
    )
    return replace(whole, **more)


def shown(
    seq: int, kind: str = "load", head: int | None = None, parts: list[Part] | None = None, **more: str
) -> TableVersion:
    head = seq if head is None else head
    parameters = {
        "seq": str(seq), "load_id": load_id(seq), "kind": kind, "head": str(head), "rev": "7", "flow": "f",
        "bookmark": bookmark(head).record(), **more,
    }  # fmt: skip
    named = {f"switchyard.{name}": value for name, value in parameters.items()} | {"numRows": str(10 * head)}
    location = f"hdfs://n:1/lake/d/t/load={load_id(head)}/try=a"
    return version_of("d", "t", named, location=location, columns=[HiveColumn("id", BIGINT)], parts=parts)


def of(seq: int, mode: str = "merge") -> VersionRecord:
    return VersionRecord.of(shown(seq))


def states(history: History) -> list[tuple[int, str, str, bool]]:
    loads = sorted(history.loads, key=lambda load: load.seq)
    return [(load.seq, load.kind, load.state, load.superseded_at is not None) for load in loads]


def by_id(*manifests: Manifest) -> dict[str, Manifest]:
    return {one.load_id: one for one in manifests}


def test_versions_are_walked_back_by_what_each_replaced() -> None:
    known = by_id(manifest(2, "merge"), manifest(3, "merge", of(2)), manifest(4, "merge"), manifest(5, "merge", of(3)))
    history = history_of(flow("merge"), shown(5), known)
    assert states(history) == [
        (2, "load", "published", True), (3, "load", "published", True),
        (4, "load", "abandoned", False), (5, "load", "published", False),
    ]  # fmt: skip
    newest = history.loads[0]
    assert newest.facts[TableLeft.step] == {"rev": 7}
    assert Planned.from_json(newest.facts["plan"]).bookmark == bookmark(5)
    assert (history.bookmark, history.last_seq, history.unknown) == ("2026-01-05", 5, ())


def test_a_rollback_shows_the_load_it_went_back_to() -> None:
    known = by_id(manifest(1, "merge"), manifest(2, "merge", of(1)), manifest(3, "merge", of(2)))
    history = history_of(flow("merge"), shown(4, "rollback", head=2, held="bad"), known)
    assert states(history) == [
        (1, "load", "published", True), (2, "load", "published", True),
        (3, "load", "abandoned", False), (4, "rollback", "published", False),
    ]  # fmt: skip
    rolled = next(load for load in history.loads if load.seq == 4)
    back = Planned.from_json(rolled.facts["plan"]).rollback
    assert back is not None
    assert (back.to_seq, back.to_load, back.head, back.flow_changes.held) == (2, load_id(2), 2, "bad")
    assert (rolled.location, rolled.high) == (manifest(2, "merge").location, "2026-01-02")
    assert history.held == "bad"


@pytest.mark.parametrize("mode", ["merge", "append"])
def test_a_rollback_is_never_taken_for_a_load_of_the_same_seq_that_was_restored_away(mode: str) -> None:
    """Ledger and metastore were restored together, and the seqs after that moment were given out again."""
    dead = manifest(2, mode, load_id="20260101t000000_dead00", location="/lake/d/t/load=20260101t000000_dead00/try=a")
    known = by_id(dead, *(manifest(seq, mode) for seq in (1, 2, 3)))
    parts = [part(1, 0), part(2, 1)] if mode == "append" else None
    history = history_of(flow(mode), shown(4, "rollback", head=2, parts=parts), known)
    rolled = next(load for load in history.loads if load.seq == 4)
    back = Planned.from_json(rolled.facts["plan"]).rollback
    assert back is not None
    assert (rolled.location, back.to_load) == (manifest(2, mode).location, load_id(2))
    assert dead.load_id not in {load.load_id for load in history.loads if load.state == "published"}


def test_a_rollback_that_was_replaced_stays_known_by_the_next_manifest() -> None:
    gone_back = VersionRecord.of(shown(4, "rollback", head=2))
    known = by_id(manifest(1, "merge"), manifest(2, "merge", of(1)), manifest(3, "merge", of(2)))
    history = history_of(flow("merge"), shown(5), known | by_id(manifest(5, "merge", gone_back)))
    assert [(seq, kind, state) for seq, kind, state, _ in states(history)] == [
        (1, "load", "published"), (2, "load", "published"), (3, "load", "abandoned"),
        (4, "rollback", "published"), (5, "load", "published"),
    ]  # fmt: skip


def test_an_adopted_table_has_no_manifest_and_is_known() -> None:
    history = history_of(flow("merge"), shown(1, "adopt"), {})
    assert states(history) == [(1, "adopt", "published", False)]
    assert [column.name for column in Planned.from_json(history.loads[0].facts["plan"]).columns] == ["id"]


def part(seq: int, previous: int) -> Part:
    return Part(seq, load_id(seq), 10, previous, f"hdfs://n:1/lake/d/t/load={load_id(seq)}/try=a")


def test_the_chain_of_an_append_table_is_published_and_a_whole_stray_waits() -> None:
    known = by_id(*(manifest(seq, "append") for seq in (1, 2, 3, 4)))
    parts = [part(1, 0), part(2, 1), part(4, 2)]
    history = history_of(flow("append"), shown(2, parts=parts), known)
    assert states(history) == [
        (1, "load", "published", False), (2, "load", "published", False),
        (3, "load", "abandoned", False), (4, "load", "publishing", False),
    ]  # fmt: skip
    without = history_of(flow("append"), shown(2, parts=parts), by_id(manifest(1, "append"), manifest(2, "append")))
    assert [seq for seq, *_ in states(without)] == [1, 2]
    assert without.last_seq == 4, "a partition's seq is never given out again"


def test_two_manifests_of_one_seq_are_one_load() -> None:
    other = replace(manifest(2, "merge"), load_id="20260102t000001_ffffff")
    history = history_of(flow("merge"), shown(2), by_id(manifest(2, "merge"), other))
    assert [(load.load_id, load.state) for load in history.loads] == [(load_id(2), "published")]


def test_a_table_that_is_gone_makes_nothing_published() -> None:
    history = history_of(flow("append"), None, by_id(manifest(3, "append")))
    assert (history.loads, history.last_seq) == ((), 3)
    assert "there is no Hive table" in history.unknown[0]


def test_a_manifest_is_read_as_it_was_written() -> None:
    whole = manifest(3, "merge", of(2))
    document = whole.document()
    assert Manifest.from_json(document["load"]) == whole  # type: ignore[arg-type]
    assert (document["columns"], document["source_types"]) == ({"id": "bigint"}, {"id": "bigint"})
    assert document["hive_rows"] == 30
