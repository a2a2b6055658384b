"""S20: a flow's file is renamed, and its table, its collection and its bookmark are to go with it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.outside.grounds import FlowUnderTest, Grounds, merge, new_name

COLUMNS = "id int primary key, v text, at timestamptz not null default now()"
BY_CURSOR = {"cursor": "at", "cursor_clock": "database"}


def loaded(grounds: Grounds, **spec: Any) -> FlowUnderTest:
    """A flow with two rows, and after its ingest a third at the source."""
    flow = grounds.flow("before", COLUMNS, source=BY_CURSOR, lake={"mode": "append"}, **spec)
    flow.sql("insert into {t} (id, v) values (1, 'a'), (2, 'b')")
    flow.ingest().require_success()
    return flow


def rename_file(flow: FlowUnderTest) -> FlowUnderTest:
    """The same flow under another file's name; nothing else is changed."""
    name = new_name("after")
    renamed = FlowUnderTest(flow.grounds, name, merge(flow.spec, {"flow": name}))
    flow.grounds.flows.append(renamed)
    return renamed


def test_a_renamed_flow_goes_on_where_it_was(grounds: Grounds) -> None:
    """`switchyard rename` takes table and bookmark along; or ingest names the way back, which works."""
    flow = loaded(grounds)
    renamed = rename_file(flow)
    flow.sql("insert into {t} (id, v) values (3, 'c')")
    if not renamed.run("rename", flow.name, renamed.name).succeeded:
        renamed.ingest().require_sentence(flow.name, never="adopt|another table|another lake")
        renamed = flow
    ended = renamed.ingest()
    assert ended.succeeded, ended.output
    assert flow.ids() == [1, 2, 3]


@pytest.mark.kin
def test_what_a_renamed_flow_serves_goes_with_it(grounds: Grounds) -> None:
    """Collection and cache are the new name's, and no gate is left open under the old one; or serve refuses."""
    flow = loaded(grounds, serve={"timestamps": "string"}, cache={})
    flow.serve().require_success()
    renamed = rename_file(flow)
    if not renamed.run("rename", flow.name, renamed.name).succeeded:
        renamed.serve().require_sentence(flow.name)
        return
    ended = renamed.serve()
    assert ended.succeeded, ended.output
    assert [document["_id"] for document in flow.documents()] == [1, 2]
    keys = {key.decode().partition(":")[0] for key in flow.stores.redis.scan_iter(match="{bb_*}:*")}
    assert f"{{{flow.name}}}" not in keys
    assert f"{{{renamed.name}}}" in keys
