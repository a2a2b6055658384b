"""The assets of a flow, and what their events say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Asset
from airflow.sdk.exceptions import DownstreamTasksSkipped
from hypothesis import given
from hypothesis import strategies as st

from harness.parsed_dags import all_dags
from switchyard.airflow.assets import LAKE_EVENT, SERVED_EVENT, lake_asset, late_alias, served_asset
from switchyard.airflow.operators import StepOperator
from switchyard.flow.identifiers import COLLECTION as COLLECTION_NAME
from switchyard.flow.identifiers import CONNECTION, HIVE
from switchyard.flow.spec import Flow, Serve
from switchyard.handover import StepReport
from switchyard.ledger.reports import ChangedKeys
from switchyard.ledger.results import Published, ServePublished

connections = st.from_regex(CONNECTION, fullmatch=True)
collections = st.from_regex(COLLECTION_NAME, fullmatch=True).filter(lambda name: not name.startswith("system."))
targets = st.tuples(connections, collections)


def asset_of(connection: str, collection: str) -> Asset:
    return served_asset(Serve.model_construct(connection=connection, collection=collection, key=["id"]))


@given(targets, targets)
def test_two_collections_are_two_assets(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Airflow deactivates an asset whose name or URI is another's."""
    first, second = asset_of(*one), asset_of(*other)
    assert (first.name == second.name) == (first.uri == second.uri) == (one == other)


@given(targets, st.from_regex(HIVE, fullmatch=True), st.from_regex(HIVE, fullmatch=True))
def test_a_collection_is_no_hive_table(target: tuple[str, str], database: str, table: str) -> None:
    assert asset_of(*target).name != f"{database}.{table}"


def test_every_serving_flow_has_one_that_its_publish_emits() -> None:
    serving = {name: dag for name, dag in all_dags().items() if name.startswith("serve__")}
    assert serving
    for dag in serving.values():
        (served,) = dag.get_task("publish").outlets
        assert served.uri.startswith("x-mongodb://")
        assert {task.label: task.outlets for task in dag.tasks if task.outlets} == {
            "plan": [late_alias(served)],
            "publish": [served],
        }


def test_another_dag_can_wait_for_the_collection_by_its_uri_alone() -> None:
    served = all_dags()["serve__telemetry"].get_task("publish").outlets[0]
    waiting = DAG("waiting", schedule=[Asset.ref(uri="x-mongodb://powergrid_mongo/telemetry")])
    assert [reference.uri for reference in waiting.timetable.asset_condition.objects] == [served.uri]


def event_of(task: StepOperator, report: StepReport[Published] | StepReport[ServePublished]) -> dict[str, object]:
    facts = {"load_id": report.load_id, **report.facts}
    return {shown: facts[name] for name, shown in task.event.items()}


def publish_task(dag_id: str) -> StepOperator:
    task = all_dags()[dag_id].get_task("publish")
    assert isinstance(task, StepOperator)
    return task


def test_the_event_of_a_collection_names_load_seqs_documents_and_changed_keys() -> None:
    changed = ChangedKeys(inserted=2, updated=1, deleted=0, complete=True)
    published = ServePublished(seq=6, version=10, rows=100, load_id="l1", changed_keys=changed)
    assert event_of(publish_task("serve__telemetry"), StepReport("publish", "telemetry", "l1", 1.0, published)) == {
        "load_id": "l1",
        "serve_seq": 6,
        "lake_seq": 10,
        "documents": 100,
        "changed_keys": {"inserted": 2, "updated": 1, "deleted": 0, "complete": True},
    }


def test_the_event_of_a_table_says_what_it_always_said() -> None:
    published = Published(seq=3, rows=5, bytes=99, load_id="l2", quarantined=1)
    assert event_of(publish_task("ingest__telemetry"), StepReport("publish", "telemetry", "l2", 1.0, published)) == {
        "load_id": "l2",
        "seq": 3,
        "rows": 5,
        "bytes": 99,
        "quarantined": 1,
    }


class Events(dict[Any, Any]):
    """What a task adds to its outlets, as Airflow's context takes it."""

    def __missing__(self, outlet: Any) -> Any:
        self[outlet] = added = []
        return SimpleNamespace(add=lambda asset, extra: added.append((asset, extra)))


@pytest.mark.parametrize("leg", ["ingest", "serve"])
def test_a_plan_with_nothing_to_do_sends_the_event_that_a_publish_owes(leg: str) -> None:
    """A task that is skipped emits no event: it succeeds instead, and skips the others."""
    dag = all_dags()[f"{leg}__telemetry"]
    plan = dag.get_task("plan")
    (asset,) = dag.get_task("publish").outlets
    assert isinstance(plan, StepOperator)
    events = Events()
    context: Any = {"outlet_events": events}
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        plan._make_up_for(context, "nothing to do", {"load_id": "l1", "seq": 3})
    seq = "seq" if leg == "ingest" else "serve_seq"
    assert events == {late_alias(asset): [(asset, {"load_id": "l1", seq: 3})]}
    assert set(skipped.value.tasks) == plan.downstream_task_ids


def test_the_events_are_those_of_the_two_assets() -> None:
    source = {"connection": "c", "table": "s.t"}
    serve = {"connection": "m", "collection": "t", "key": ["id"]}
    flow = Flow.model_validate({"flow": "f", "source": source, "lake": {"database": "d", "table": "t"}, "serve": serve})
    assert flow.serve is not None
    assert (lake_asset(flow).uri, served_asset(flow.serve).uri) == ("x-hive://d/t", "x-mongodb://m/t")
    assert publish_task("ingest__telemetry").event == LAKE_EVENT
    assert publish_task("serve__telemetry").event == SERVED_EVENT
