"""What the preflight says of the serve leg is what the serve leg does: it refuses the same keys, fields and indexes."""

from __future__ import annotations

from typing import Any, Literal

import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from switchyard.errors import PreflightRefused, ValueRefused
from switchyard.flow.servable import find_unservable, require_servable
from switchyard.flow.spec import Flow, Serve
from switchyard.serve.documents.encoder import DocumentEncoder
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import HiveType

ARROW: dict[str, pa.DataType] = {
    "tinyint": pa.int8(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "decimal(38,10)": pa.decimal128(38, 10),
    "array<int>": pa.list_(pa.int32()),
    "array<double>": pa.list_(pa.float64()),
    "struct<a:int,b:string>": pa.struct([("a", pa.int32()), ("b", pa.string())]),
    "map<string,int>": pa.map_(pa.string(), pa.int32()),
    "array<map<string,int>>": pa.list_(pa.map_(pa.string(), pa.int32())),
    "struct<a:map<string,int>>": pa.struct([("a", pa.map_(pa.string(), pa.int32()))]),
}
"""A Hive type, and what its Parquet files are to Arrow."""


def serve_of(**parts: Any) -> Serve:
    return TypeAdapter(Serve).validate_python({"connection": "m", "collection": "c", "key": ["k"], **parts})


def columns_of(types: dict[str, str]) -> list[HiveColumn]:
    return [HiveColumn(name, HiveType.parse(text)) for name, text in types.items()]


def is_refused_when_served(serve: Serve, types: dict[str, str]) -> bool:
    schema = pa.schema([(name, ARROW[text]) for name, text in types.items()])
    try:
        DocumentEncoder(schema, serve.key, timestamps=serve.timestamps)
    except ValueRefused:
        return True
    return False


@pytest.mark.parametrize("timestamps", ["refuse", "beside", "string"])
@pytest.mark.parametrize("place", ["k", "v", "k_us"])
@pytest.mark.parametrize("kind", ARROW)
def test_the_serve_leg_refuses_what_was_foreseen_and_nothing_else(
    kind: str, place: str, timestamps: Literal["refuse", "beside", "string"]
) -> None:
    """As the key, as a field, and beside a key that is a timestamp."""
    serve = serve_of(timestamps=timestamps)
    types = {"k": "timestamp" if place == "k_us" else "int", place: kind}
    findings = list(find_unservable(serve, columns_of(types)))
    assert bool(findings) is is_refused_when_served(serve, types), findings
    assert all(";" in finding for finding in findings), "each ends with its cure"


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"key": ["nme"]}, ["serve.key names 'nme'", "did you mean 'name'?"]),
        ({"indexes": [["nope"]]}, ["serve.indexes names 'nope'", "its columns: k, name"]),
        ({"indexes": [["name"], ["name", "lst"]]}, ["serve.indexes names 'lst'", "did you mean"]),
        ({"indexes": [["lists", "more"]]}, ["'lists' and 'more'", "are arrays", "an index of its own"]),
        ({"indexes": [["at_us"]]}, ["serve.indexes names 'at_us'"]),
    ],
)
def test_an_index_on_nothing_is_refused_with_the_nearest_name(parts: dict[str, Any], words: list[str]) -> None:
    types = {"k": "int", "name": "string", "lists": "array<int>", "more": "array<int>", "at": "timestamp"}
    flow = Flow.model_validate(
        {
            "flow": "f",
            "source": {"connection": "p", "table": "s.t"},
            "lake": {"database": "d", "table": "t"},
            "serve": serve_of(**parts).model_dump(),
        }
    )
    with pytest.raises(PreflightRefused) as refused:
        require_servable(flow, "d.t", columns_of(types))
    assert all(word in str(refused.value) for word in words), str(refused.value)
    assert "nothing was changed" in refused.value.cure


@pytest.mark.parametrize("indexes", [[["name"]], [["lists"], ["more"]], [["lists", "name"]], [["at_us"]]])
def test_indexes_that_mongodb_makes_pass(indexes: list[list[str]]) -> None:
    types = {"k": "int", "name": "string", "lists": "array<int>", "more": "array<int>", "at": "timestamp"}
    assert list(find_unservable(serve_of(timestamps="beside", indexes=indexes), columns_of(types))) == []
