"""What the serve leg would refuse whatever the rows are, by the flow file and the columns: said before anything runs.

Refusals that depend on values are counted by the preflight (`extract.values`), and made where documents are. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from switchyard.errors import PreflightRefused
from switchyard.flow.naming import MICROSECONDS_FIELD
from switchyard.flow.refusal import nearest
from switchyard.flow.spec import Flow, Serve
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import TIMESTAMP, HiveType

Types: TypeAlias = Mapping[str, HiveType]
_SHOWN = 20


def require_servable(flow: Flow, table: str, columns: Sequence[HiveColumn]) -> None:
    """Raise PreflightRefused with everything that no serve load of these columns could get past."""
    assert flow.serve is not None  # noqa: S101 - the caller chose a flow that serves
    if findings := list(find_unservable(flow.serve, columns)):
        raise PreflightRefused(
            f"the serve leg cannot serve Hive table {table} as the flow file says:",
            where=f"flow {flow.flow}",
            cure="nothing was changed; correct `serve` in the flow file, as each line says",
            findings=findings,
            more=f"switchyard preflight {flow.flow}",
        )


def find_unservable(serve: Serve, columns: Sequence[HiveColumn]) -> Iterator[str]:
    """Findings: keys, indexes and fields that no rows of these columns can have. Each ends with its cure."""
    types = {column.name: column.type for column in columns}
    yield from _keys(serve, types)
    yield from _indexes(serve, types)
    yield from _fields(serve, types)


def _keys(serve: Serve, types: Types) -> Iterator[str]:
    for name in serve.key:
        if name not in types:
            yield _unknown("serve.key", name, types)
        elif types[name].is_float or types[name].is_nested:
            yield (
                f"serve.key names {name!r}, which is {types[name].shown} and identifies no row exactly; name another "
                "column, or give it another type: columns: {COLUMN: {as: string}}, or in serve.select"
            )


def _indexes(serve: Serve, types: Types) -> Iterator[str]:
    fields = [*types, *_beside(serve, types)]
    for index in serve.indexes:
        yield from (_unknown("serve.indexes", name, fields) for name in index if name not in fields)
        lists = [name for name in index if name in types and types[name].is_list]
        if len(lists) > 1:
            yield (
                f"serve.indexes has one index on {' and '.join(map(repr, lists))}, which are arrays, and MongoDB "
                "indexes one array at a time; give each an index of its own"
            )


def _fields(serve: Serve, types: Types) -> Iterator[str]:
    for name in _beside(serve, types):
        if name in types:
            yield (
                f"serve.timestamps: beside adds the field {name!r}, and there is a column of that name; give the "
                "column another name, or set serve.timestamps: string"
            )
    for name, kind in types.items():
        if unserved := _unserved(kind):
            yield (
                f"column {name!r} is {kind.shown}, and BSON has nothing that is exactly a {unserved.name}; cast it to "
                "string in serve.select"
            )


def _beside(serve: Serve, types: Types) -> list[str]:
    """The fields that `timestamps: beside` adds to each document."""
    if serve.timestamps != "beside":
        return []
    return [MICROSECONDS_FIELD.format(name) for name, kind in types.items() if kind == TIMESTAMP]


def _unknown(place: str, name: str, columns: Iterable[str]) -> str:
    names = list(columns)
    match = nearest(name, names)
    cure = f"did you mean {match!r}?" if match else f"its columns: {', '.join(names[:_SHOWN])}"
    return f"{place} names {name!r}, which no column has; {cure}"


def _unserved(kind: HiveType) -> HiveType | None:
    """The part of a type that BSON has nothing for; None when it has something for all."""
    if kind.name in ("map", "uniontype"):
        return kind
    return next(filter(None, map(_unserved, kind.parts)), None)
