"""When the newest row of a key in a batch is what the source has now, whatever the cursor of the lake's row says."""

from typing import Any

import pytest

from switchyard.extract.postgres import SourceShape
from switchyard.extract.statement import Bounds
from switchyard.flow.spec import Source
from switchyard.legs.ingest.planned import has_whole_keys

TABLE: dict[str, Any] = {"connection": "c", "table": "public.t", "cursor": "at"}
CHOSEN = {**TABLE, "key": ["id"]}
QUERY = {"connection": "c", "query": "select 1 as id", "cursor": "at", "key": ["id"]}
PLAIN = SourceShape((), ("id",), "r")
HEIRS = SourceShape((), ("id",), "r", children=2)
PARTITIONS = SourceShape((), ("id",), "p", children=2)


@pytest.mark.parametrize("source", [TABLE, CHOSEN, QUERY])
@pytest.mark.parametrize("shape", [PLAIN, HEIRS, PARTITIONS])
@pytest.mark.parametrize("bounds", [None, Bounds("at", None, "2026-01-01")])
def test_who_reads_from_the_beginning_reads_all_of_every_key(
    source: dict[str, Any], shape: SourceShape, bounds: Bounds | None
) -> None:
    assert has_whole_keys(Source.model_validate(source), shape, bounds)


@pytest.mark.parametrize(
    ("source", "shape", "whole"),
    [
        (TABLE, PLAIN, True),
        (TABLE, PARTITIONS, True),
        (TABLE, HEIRS, False),
        (CHOSEN, PLAIN, False),
        (QUERY, PLAIN, False),
    ],
)
def test_a_range_has_all_of_a_key_where_the_source_has_it_once(
    source: dict[str, Any], shape: SourceShape, whole: bool
) -> None:
    bounds = Bounds("at", "2025-01-01", "2026-01-01")
    assert has_whole_keys(Source.model_validate(source), shape, bounds) == whole
