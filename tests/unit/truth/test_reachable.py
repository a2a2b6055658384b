"""An unfinished load whose connections were changed: what counts as its data, and the refusal that names both."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from switchyard.errors import ConnectionMissing, ConnectionNotHanded, ServerUnavailable, SwitchyardError
from switchyard.ledger.loads import Load
from switchyard.ledger.results import ServePlanned, Staged, StagedReplacements
from switchyard.legs.serve.reachable import is_of_load
from switchyard.legs.truth.reachable import ServerOfLoad, require_data
from switchyard.serve.mongo.marker import Marker
from switchyard.serve.mongo.record import ServedRecord, Shown

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
BEFORE, OWN, FOREIGN = Marker(1, 7, "before"), Marker(2, 8, "own"), Marker(2, 8, "foreign")


def serve_load(state: str = "publishing", staged: Staged | None = None, marker: str | None = None) -> Load:
    planned = ServePlanned(("/a",), ("id",), (), ("/b",), "i8", marker)
    facts: dict[str, Any] = {"plan": planned.to_json()} | ({"stage": staged.to_json()} if staged else {})
    given: dict[str, Any] = {
        "load_id": "own", "flow": "f", "leg": "serve", "seq": 2, "previous_seq": 1, "version": 8, "state": state,
        "spec": {}, "spec_hash": "", "owner": "", "try_id": None, "location": None, "facts": facts, "error": None,
        "created_at": NOW, "updated_at": NOW, "published_at": None, "superseded_at": None, "kind": "load", "low": None,
        "high": None,
    }  # fmt: skip
    return Load(**given)


def staged(staging: str | None, *, in_place: bool = False) -> Staged:
    replacements = StagedReplacements("/x/replacements.bson", 1, "d") if in_place else None
    return Staged(staging, "d", replacements, "/x/changes.parquet", True, 1, 1, 0, 0, 0)


def shown(record: str | None, marker: Marker | None) -> Shown:
    named = ServedRecord("c", "f", "d.t", 2, record, 8, "i8", "snapshot", "writing") if record else None
    return Shown(True, named, marker)


def cannot(error: SwitchyardError) -> Callable[[], str]:
    def look() -> str:
        raise error

    return look


def never() -> str:
    raise AssertionError("a connection that was not changed is not looked at")


def test_connections_that_were_not_changed_are_not_looked_at() -> None:
    require_data(serve_load(), [ServerOfLoad("a", "a", never), ServerOfLoad("b", "c", lambda: "")])


GONE = ServerUnavailable("it does not answer", where="connection new", cure="start it")
MISSING = ConnectionMissing("Airflow has none", where="connection new", cure="add it")


@pytest.mark.parametrize(
    ("look", "reason"),
    [
        (lambda: "has no /lake/x", "has no /lake/x"),
        (cannot(GONE), "cannot be asked: it does not answer"),
        (cannot(MISSING), "cannot be asked: Airflow has none"),
    ],
)
@pytest.mark.parametrize("state", ["publishing", "refreshing"])
def test_a_connection_that_does_not_lead_to_the_data_is_refused_with_both(
    state: str, look: Callable[[], str], reason: str
) -> None:
    servers = [ServerOfLoad("kept", "kept", never), ServerOfLoad("old", "new", look), ServerOfLoad("a", "b", never)]
    with pytest.raises(SwitchyardError) as caught:
        require_data(serve_load(state), servers)
    assert caught.value.what == (
        f"load own is {state}, planned with connection old; the flow file names new now, and the server of new {reason}"
    )
    assert caught.value.where == "flow f, leg serve"
    assert "name old in the flow file again" in caught.value.cure
    assert "switchyard abandon f --leg serve" in caught.value.cure


def test_the_task_is_asked_for_a_connection_that_it_did_not_hand_over() -> None:
    with pytest.raises(ConnectionNotHanded):
        require_data(serve_load(), [ServerOfLoad("old", "new", cannot(ConnectionNotHanded("new")))])


IN_PLACE, SNAPSHOT, NOTHING = staged(None, in_place=True), staged("c__s2_x"), staged(None)


@pytest.mark.parametrize("stage", [IN_PLACE, SNAPSHOT, NOTHING])
@pytest.mark.parametrize("state", ["publishing", "refreshing"])
def test_the_load_is_there_when_its_staging_record_or_marker_is(state: str, stage: Staged) -> None:
    load = serve_load(state, stage, BEFORE.index_name)
    assert is_of_load(shown("own", BEFORE), load, has_staging=False)
    assert is_of_load(shown("before", OWN), load, has_staging=False)
    assert is_of_load(shown(None, None), load, has_staging=True)
    assert not is_of_load(shown("foreign", FOREIGN), load, has_staging=False)
    assert not is_of_load(shown(None, None), load, has_staging=False)


@pytest.mark.parametrize(
    ("load", "is_there"),
    [
        (serve_load("publishing", IN_PLACE, BEFORE.index_name), True),
        (serve_load("publishing", NOTHING, BEFORE.index_name), True),
        (serve_load("publishing", SNAPSHOT, BEFORE.index_name), False),
        (serve_load("refreshing", IN_PLACE, BEFORE.index_name), False),
        (serve_load("publishing", IN_PLACE, FOREIGN.index_name), False),
        (serve_load("publishing", IN_PLACE, ""), False),
        (serve_load("publishing", IN_PLACE, None), False),
        (serve_load("publishing", None, BEFORE.index_name), False),
    ],
)
def test_the_version_before_will_do_only_where_nothing_is_staged_and_nothing_was_written(
    load: Load, is_there: bool
) -> None:
    assert is_of_load(shown("before", BEFORE), load, has_staging=False) is is_there


def test_a_collection_without_a_marker_is_nobodys() -> None:
    assert not is_of_load(shown(None, None), serve_load("publishing", IN_PLACE, ""), has_staging=False)
