"""Findings of the preflight about names: what the flow file calls a column, and what the source has. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence

from switchyard.extract.postgres import SourceShape
from switchyard.flow.choices import lake_name, left_out
from switchyard.flow.spec import Flow
from switchyard.types.lake_names import LakeName, NameFault, name_faults, other_source_names

_SHOWN = 20


def carried_names(flow: Flow, shape: SourceShape) -> list[LakeName]:
    """The columns that are read, and what the lake calls them."""
    return [lake_name(column.name, flow.columns) for column in shape.columns]


def find_name_faults(flow: Flow, shape: SourceShape) -> Iterator[str]:
    """Findings about the source: names that cannot travel, a merge without a key."""
    for fault in name_faults(carried_names(flow, shape)):
        yield _describe_fault(fault)
    yield from _merge_keys(flow, shape)


def find_unknown_names(flow: Flow, shape: SourceShape) -> Iterator[str]:
    """Findings about the flow file: choices for columns that do not exist, keys that are not read."""
    names = carried_names(flow, shape)
    yield from _unknown_choices(flow, shape)
    yield from _source_names(flow, shape)
    yield from _keys_left_out(flow, shape)
    if flow.serve is not None and flow.serve.select is None:
        places = [("serve.key", key) for key in flow.serve.key]
        places += [("serve.indexes", column) for index in flow.serve.indexes for column in index]
        yield from unknown_lake_names(places, [each.name for each in names], missing_names(flow, names))


def _describe_fault(fault: NameFault) -> str:
    return f"column {fault.source!r} {fault.why}; {fault.cure}"


def unknown_lake_names(
    places: Iterable[tuple[str, str]], lake_names: Sequence[str], reasons: dict[str, str]
) -> Iterator[str]:
    """Findings: names that no column of the lake table has. `reasons`: see `missing_names`."""
    for place, name in dict.fromkeys(places):
        if name not in lake_names:
            what = f"{place} names {name!r}, which is not a column of the lake table"
            if name in reasons:
                omission = reasons[name]
                yield f"{what}: {omission}"
            else:
                yield f"{what}{_near(name, lake_names)}"


def missing_names(flow: Flow, names: Iterable[LakeName]) -> dict[str, str]:
    """Why a lake table has no column of a name that one would expect: it has another name, or is left out."""
    reasons = {
        source: f"the flow file calls it {name}, write that" for source, name in other_source_names(names).items()
    }
    omitted = {
        source.lower(): f"column {source!r} is left out (columns: leave_out)" for source in left_out(flow.columns)
    }
    return {**omitted, **reasons}


def _unknown_choices(flow: Flow, shape: SourceShape) -> Iterator[str]:
    existing = [*(column.name for column in shape.columns), *shape.left_out]
    for name in flow.columns:
        if name in existing:
            continue
        if flow.source.columns is not None and name not in flow.source.columns:
            yield f"`columns` names {name!r}, which source.columns does not list: add it there, or remove it here"
        else:
            yield f"`columns` names {name!r}, which the source does not have{_near(name, existing)}"


def _source_names(flow: Flow, shape: SourceShape) -> Iterator[str]:
    """Of the key; the cursor, the tombstone and the split column have findings of their own."""
    existing = [column.name for column in shape.columns]
    for name in flow.source.key:
        if name not in existing and name not in shape.left_out:
            yield f"source.key names {name!r}, which is not a column of the source{_near(name, existing)}"


def _keys_left_out(flow: Flow, shape: SourceShape) -> Iterator[str]:
    for key in shape.primary_key:
        if key in shape.left_out:
            yield (
                f"key column {key!r} is left out: remove leave_out from columns.{key}, or name other columns in "
                "source.key"
            )


def _merge_keys(flow: Flow, shape: SourceShape) -> Iterator[str]:
    if flow.lake.mode != "merge":
        return
    if not shape.primary_key:
        yield (
            "mode merge finds rows by key, and the source has no primary key: set source.key to columns that "
            "identify a row"
        )
    existing = {column.name for column in shape.columns} | set(shape.left_out)
    for key in shape.primary_key:
        if key not in existing and key not in flow.source.key:
            yield f"mode merge needs the key column {key!r}: add it to source.columns"


def _near(name: str, names: Sequence[str]) -> str:
    """`; did you mean …?`, or the names there are; capitals do not count."""
    by_folded = {each.casefold(): each for each in reversed(names)}
    folded = name.casefold().replace("_", " ")
    spaced = {each.replace("_", " "): original for each, original in by_folded.items()}
    nearest = difflib.get_close_matches(folded, spaced, n=1, cutoff=0.6)
    if nearest:
        near_name = spaced[nearest[0]]
        return f"; did you mean {near_name!r}?"
    shown_names = names[:_SHOWN]
    rest = ", …" if len(names) > _SHOWN else ""
    return f"; it has {', '.join(shown_names)}{rest}"
