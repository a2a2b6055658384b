"""What a plan finds at the source: its shape under the contract, and the window of rows to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from switchyard.errors import PreflightRefused, TruthConflict
from switchyard.extract import watermark
from switchyard.extract.column_names import carried_names, missing_names
from switchyard.extract.postgres import SourceShape, relation
from switchyard.extract.preflight import Examined, examine, refuse
from switchyard.extract.statement import Bounds, row_condition
from switchyard.flow.spec import Flow
from switchyard.handover import LoadRequest
from switchyard.lake.hiveql.statements import find_partition_clash
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest.planned import Planned
from switchyard.prove.checks import check_findings
from switchyard.prove.contract import Agreed, apply_contract
from switchyard.prove.known_columns import KnownColumn
from switchyard.prove.retyped import keeps_keys
from switchyard.types.carry import CarriedColumn
from switchyard.types.hive_type import STRING, HiveType
from switchyard.types.tombstone import tombstone_fault

if TYPE_CHECKING:
    import psycopg

Session: TypeAlias = "psycopg.Connection[tuple[object, ...]]"


@dataclass(frozen=True)
class Window:
    """The rows to read. `low` and `high` are the watermarks to record; `sweep`: all rows, so that absence tells."""

    bounds: Bounds | None = None
    low: str | None = None
    high: str | None = None
    sweep: bool = False

    @property
    def description(self) -> str:
        """The range, for people."""
        return f"from {self.low or 'the beginning'} up to {self.high or 'the end'}"


def examine_all(session: Session, flow: Flow) -> Examined:
    """Look at names, types, keys and the cursor; raises PreflightRefused with all findings at once."""
    examined = examine(session, flow)
    refuse(flow, watermark.cursor_misfits(flow, examined.shape))
    refuse(flow, watermark.check_cursor(session, flow, examined.shape))
    return examined


def since(flow: Flow, bookmark: str | None) -> Flow:
    """The flow, reading only what no load has read: what a preflight has to look at."""
    if bookmark is None or not watermark.reads_by_cursor(flow):
        return flow
    assert flow.source.cursor is not None  # noqa: S101 - it reads by it
    where = row_condition(flow.source, Bounds(flow.source.cursor, bookmark, None))
    return flow.model_copy(update={"source": flow.source.model_copy(update={"where": where})})


def known_columns(ledger: Ledger, flow: Flow, version: TableVersion | None) -> list[KnownColumn] | None:
    """The columns of the current version, as the load that published it left them; None before the first."""
    if version is None or version.seq < 1:
        return None
    load = ledger.find_version(flow.flow, version.seq)
    planned = load.find_result(Planned) if load else None
    if planned is None:
        return [KnownColumn(column.name, column.type, column.comment) for column in version.columns]
    return [KnownColumn.of(column, in_key=column.name in planned.key) for column in planned.columns]


def agree(flow: Flow, examined: Examined, before: Sequence[KnownColumn] | None) -> Agreed:
    """Apply the contract to the columns of the version before, and look at the tombstone and the checks.

    Raises PreflightRefused with all findings at once.
    """
    agreed = apply_contract(flow.contract, before, examined.columns, examined.shape.left_out)
    types = {column.name: column.hive_type for column in agreed.columns}
    elsewhere = missing_names(flow, carried_names(flow, examined.shape))
    findings = [*agreed.refused, *_unreadable(flow, before, agreed), *_unkeyed(flow, examined, before, agreed)]
    misfits = check_findings(flow.checks, types, elsewhere)
    tombstone = flow.source.tombstone
    faults = [] if tombstone is None else [tombstone_fault(tombstone, agreed.columns)]
    misfits += [fault for fault in faults if fault is not None]
    refuse(flow, [*findings, *misfits])
    return agreed


def _unreadable(flow: Flow, before: Sequence[KnownColumn] | None, agreed: Agreed) -> list[str]:
    """Changes by which the old rows could not be read any more.

    Mode append keeps its old files, and Hive would have to read them as the new columns. Mode merge casts the old rows'
    values, and Hive 4.0.1 makes NULL of a list that is cast to a list of another type (seen), and no text of one.
    """
    types = {column.name: column.hive_type for column in agreed.columns}
    changed = [c for c in before or () if c.name in types and types[c.name] != c.hive_type]
    if flow.lake.mode == "merge":
        return [_unread(c, types[c.name], "rows") for c in changed if c.hive_type.is_nested]
    if flow.lake.mode != "append":
        return []
    clash = None if before is None else find_partition_clash((c.name for c in before), types)
    renamed = "give it another name, columns: {…: {name: …}}"
    clashes = [] if clash is None else [f"column {clash} is called like the partitions of the table; {renamed}"]
    moved = [
        f"{fact}; the partitions that are there keep the old names, and their rows would read NULL or another column's "
        "values; keep the names, or set lake.table to a new name, and the next run loads everything into it"
        for fact in agreed.moved
    ]
    texts = [c for c in changed if types[c.name] == STRING or types[c.name].is_list]
    return [*clashes, *moved, *(_unread(c, types[c.name], "partitions") for c in texts)]


def _unread(column: KnownColumn, now: HiveType, what: str) -> str:
    old_type = column.hive_type.shown
    new_type = now.shown
    return (
        f"column {column.name} was {old_type} and is {new_type}, by which Hive cannot read the {what} that it "
        "has: set lake.table to a new name, and the next run loads everything into it"
    )


def _unkeyed(flow: Flow, examined: Examined, before: Sequence[KnownColumn] | None, agreed: Agreed) -> Iterator[str]:
    """Key columns by which a merge would find no row of the version before, so that every row would be there twice."""
    if flow.lake.mode != "merge" or before is None:
        return
    filled = {column.name for column in before if not column.dropped} - set(agreed.emptied)
    key = {column.name for column in agreed.columns if column.source in examined.shape.primary_key}
    if lost := [column.name for column in before if column.in_key and column.name not in key]:
        yield (
            f"the key is {', '.join(sorted(key))} now, and {', '.join(lost)} was in it when the table was loaded, so "
            "that several rows of the table may have one key: set lake.table to a new name, and the next run loads "
            "everything into it"
        )
    for column in agreed.columns:
        if column.source not in examined.shape.primary_key:
            continue
        if any(each.is_another_of_its_name(column) for each in before):
            yield (
                f"key column {column.source!r} is not the column that had this name before (it was added again, or "
                "renamed), so that no row can be found by it: set lake.table to a new name, and the next run loads "
                "everything into it"
            )
        if any(each.renamed_labels(column) for each in before):
            yield (
                f"labels of the enum of key column {column.source!r} were renamed, so that each row would be in the "
                "Hive table twice, under its old label and its new one: set lake.table to a new name, and the next "
                "run loads everything into it"
            )
        yield from (_retyped_key(column, each) for each in before if _is_other_key(column, each))
        if column.name not in filled:
            yield (
                f"key column {column.source!r} is called {column.name} in the lake, where no row has a value in it: "
                "keep the name that it had, or set lake.table to a new name, and the next run loads everything into it"
            )


def _is_other_key(column: CarriedColumn, before: KnownColumn) -> bool:
    return column.name == before.name and not keeps_keys(before, column)


def _retyped_key(column: CarriedColumn, before: KnownColumn) -> str:
    old_type = f"{before.postgres_type} ({before.hive_type.shown} in the lake)"
    new_type = f"{column.postgres_type} ({column.hive_type.shown} in the lake)"
    return (
        f"key column {column.source!r} was {old_type} and is {new_type}, so that rows would stay under the old values "
        "of their keys, too: give it the type that it had, or set lake.table to a new name, and the next run loads "
        "everything into it"
    )


def find_window(
    session: Session, flow: Flow, request: LoadRequest, start: str | None, agreed: Agreed, shape: SourceShape
) -> Window:
    """Choose the rows to read, from `start` on; a second passes when the flow reads by cursor.

    Raises PreflightRefused for a range that cannot be read again.
    """
    cursor = flow.source.cursor
    if request.kind in ("backfill", "replay"):
        return _find_range(session, flow, request, agreed, shape)
    if flow.lake.mode == "replace":
        return Window()
    if flow.source.sweep == "always":
        return Window(sweep=True, high=_find_high(session, cursor, shape) if cursor else None)
    assert cursor is not None  # noqa: S101 - the flow's model promises it
    high = _find_high(session, cursor, shape)
    watermark.require_seen(session, flow)
    low = None if flow.lake.mode == "merge" and agreed.unread else start
    if low is not None and request.start != "trusted-bookmark":
        _require_later(session, flow, low, high)
    return Window(Bounds(cursor, low, high), low, high)


def _require_later(session: Session, flow: Flow, low: str, high: str) -> None:
    """Raise TruthConflict when the source's clock is behind the bookmark: a watermark only grows, but for the clock."""
    row = session.execute("select %s::timestamptz < %s::timestamptz", [high, low]).fetchone()
    if row is None or not row[0]:
        return
    if flow.lake.mode == "append":
        again = "then, at the source, set the cursor of the rows that were written meanwhile to the present time"
    else:
        again = f"then read all rows once: switchyard run ingest {flow.flow} --from-beginning"
    raise TruthConflict(
        f"the source's clock was set back: it allows reading up to {high}, and rows up to {low} were read; rows "
        "that are written until the clock is past that get a cursor below the bookmark, and no load would read them",
        where=f"flow {flow.flow}, connection {flow.source.connection}",
        cure=f"nothing was changed; correct the server's clock, and wait until it is past {low}; {again}; if nothing "
        f"was written meanwhile: switchyard run ingest {flow.flow} --trust-bookmark",
    )


def _find_high(session: Session, cursor: str, shape: SourceShape) -> str:
    digits = next(column.type.second_digits for column in shape.columns if column.name == cursor)
    return watermark.find_high(session, digits)


def has_rows(session: Session, flow: Flow, window: Window) -> bool:
    """Whether there is anything to read; a load without bounds always has something to say."""
    if window.bounds is None:
        return True
    condition = row_condition(flow.source, window.bounds)
    row = session.execute(
        f"select exists (select 1 from {relation(flow.source)} where {condition})".encode()
    ).fetchone()
    return bool(row and row[0])


def _refuse_range(flow: Flow, request: LoadRequest, findings: Sequence[str]) -> None:
    """Raise PreflightRefused for a backfill or replay that was asked for wrongly; the flow itself may be right."""
    if findings:
        raise PreflightRefused(
            f"this {request.kind} cannot run:",
            where=f"flow {flow.flow}",
            cure="nothing was run; do as each line above says",
            findings=findings,
            more=f"switchyard preflight {flow.flow}",
        )


_APPENDED = "mode append never rewrites its partitions, so that no range can be read again: only lake.mode merge can"


def _find_range(session: Session, flow: Flow, request: LoadRequest, agreed: Agreed, shape: SourceShape) -> Window:
    findings = []
    if flow.lake.mode == "merge" and agreed.unread:
        findings.append(
            f"a {request.kind} reads only some rows, and columns changed since the last load "
            f"({', '.join(agreed.unread)}), so that every row has to be read once: first switchyard run ingest "
            f"{flow.flow}, then start the {request.kind} again"
        )
    if request.kind == "replay" and not request.keys:
        findings.append(
            "this replay names no rows, and would read its whole range again: start it by switchyard replay "
            f"{flow.flow}, which names them"
        )
    if flow.lake.mode == "replace":
        findings.append(
            "a flow of mode replace reads everything in every load, so there is nothing to backfill: switchyard run "
            f"ingest {flow.flow}"
        )
    elif flow.lake.mode == "append" and request.kind == "backfill":
        findings.append(_APPENDED)
    elif flow.source.cursor is None:
        findings.append("a backfill reads a range of source.cursor, and the flow has none: set it in the flow file")
    _refuse_range(flow, request, findings)
    assert flow.source.cursor is not None  # noqa: S101 - just refused
    row = session.execute(
        "select %(low)s::timestamptz::text, least(%(high)s::timestamptz, %(now)s::timestamptz)::text, "
        "%(low)s::timestamptz < %(high)s::timestamptz",
        {"low": request.low, "high": request.high, "now": _find_high(session, flow.source.cursor, shape)},
    ).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM
    if row[2] is False:
        empty = f"the range from {request.low} up to {request.high} is empty: its end must be after its beginning"
        _refuse_range(flow, request, [empty])
    low, high = (None if value is None else str(value) for value in row[:2])
    if request.kind == "replay" and flow.lake.mode == "merge":
        # The mending UPDATE may have moved a row's cursor out of the range. A merge may read a row by key at any time;
        # an append would have it twice, here and in the load whose range it is in now. See replay_guard.
        return Window(Bounds(flow.source.cursor, None, None, request.keys), low, high)
    return Window(Bounds(flow.source.cursor, low, high, request.keys), low, high)
