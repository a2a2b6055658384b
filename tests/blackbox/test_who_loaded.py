"""From a document back to its loads, by one command."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.outside.grounds import FlowUnderTest, Grounds

ROWS = "id int primary key, v text, updated_at timestamptz not null default now()"
CLOCK = {"cursor": "updated_at", "cursor_clock": "database"}


def loads_of(flow: FlowUnderTest, leg: str) -> list[str]:
    """Ids of a leg's loads, oldest first."""
    listed = json.loads(flow.switchyard("loads", flow.name, "--format", "json").require_success().output)
    return [load["load_id"] for load in reversed(listed) if load["leg"] == leg]


def trace(flow: FlowUnderTest, *key: str) -> list[dict[str, Any]]:
    """What the command says of a key."""
    traced: list[dict[str, Any]] = json.loads(
        flow.switchyard("who-loaded", flow.name, *key, "--format", "json").require_success().output
    )
    return traced


def test_every_document_of_an_append_table_names_its_own_load(grounds: Grounds) -> None:
    flow = grounds.flow("who", ROWS, source=CLOCK, lake={"mode": "append"}, serve={"timestamps": "string"})
    flow.sql("insert into {t} values (1, 'first')")
    flow.ingest().require_success()
    flow.sql("insert into {t} values (2, 'second')")
    flow.ingest().require_success()
    flow.serve().require_success()
    first, second = loads_of(flow, "ingest")
    [served] = loads_of(flow, "serve")
    for key, load in (("1", first), ("2", second)):
        [provenance] = trace(flow, key)
        assert provenance["served_by"]["load"] == served
        assert (provenance["version"], provenance["table"]) == (2, f"{flow.name}.t")
        assert provenance["loaded_by"]["load"] == load
        assert provenance.get("notes", []) == []
    text = flow.switchyard("who-loaded", flow.name, "1").require_success().output
    assert [line.split("  ")[0] for line in text.splitlines()] == ["document", "served by", "made of", "loaded by"]
    assert first in text
    flow.switchyard("who-loaded", flow.name, "3").require_refusal("no document with the key id=3", "switchyard diff")
    flow.switchyard("who-loaded", flow.name, "1", "2").require_refusal("1 columns (id), and 2 values")


@pytest.mark.kin
@pytest.mark.parametrize(
    ("definition", "row", "keys", "texts"),
    [
        ("a text, b date, c numeric(6,2), primary key (a, b, c)", "('1', '2024-01-31', 1.50)", "abc",
         ["1", "2024-01-31", "1.5"]),
        ("a uuid primary key", "('00000000-0000-0000-0000-00000000000a')", "a",
         ["00000000-0000-0000-0000-00000000000a"]),
        ("a timestamptz(3) primary key", "('2024-01-31 12:00:00.25+02')", "a", ["2024-01-31 10:00:00.250"]),
        ("a bytea primary key", r"('\x00ff')", "a", [r"\x00ff"]),
        ("a boolean primary key", "(true)", "a", ["true"]),
        ("a bigint primary key", "(-9223372036854775808)", "a", ["--", "-9223372036854775808"]),
    ],
    ids=["several columns", "uuid", "timestamptz", "bytea", "boolean", "bigint"],
)  # fmt: skip
def test_a_key_of_any_type_is_recognised(
    grounds: Grounds, definition: str, row: str, keys: str, texts: list[str]
) -> None:
    flow = grounds.flow("keys", definition, serve={"key": list(keys)})
    flow.sql(f"insert into {{t}} values {row}")
    flow.ingest().require_success()
    flow.serve().require_success()
    listed = flow.run("who-loaded", flow.name, "--format", "json", *texts).require_success()
    [provenance] = json.loads(listed.output)
    assert provenance["loaded_by"]["load"] == loads_of(flow, "ingest")[0]


@pytest.mark.kin
def test_what_cannot_be_known_is_said(grounds: Grounds) -> None:
    """A merge makes each version whole, and MongoDB's record may be gone."""
    flow = grounds.flow("merged", ROWS, source=CLOCK, lake={"mode": "merge"}, serve={"timestamps": "string"})
    flow.sql("insert into {t} values (1, 'a')")
    flow.ingest().require_success()
    flow.serve().require_success()
    [provenance] = trace(flow, "1")
    assert provenance["notes"] == ["mode merge makes each version whole: a load before this one may have read the row"]
    flow.stores.mongo_client[flow.mongo_database]["switchyard"].delete_one({"_id": flow.collection})
    flow.switchyard("who-loaded", flow.name, "1").require_refusal("does not know which load", "switchyard run serve")
