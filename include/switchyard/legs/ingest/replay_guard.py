"""What a replay has to hold to: it finds the refused rows, and in mode append no row comes in that was loaded before.

An append never rewrites anything, so a row that is read twice is there twice. A key alone does not say which rows were
refused: in mode append it may belong to several rows. So the rows that a replay adds are compared with those that the
table shows, by key and cursor, and before that the source with what was refused.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace

from switchyard.errors import ReconcileMismatch, SwitchyardError
from switchyard.extract.postgres import count_rows, relation
from switchyard.extract.statement import Bounds, row_condition
from switchyard.flow.spec import Flow
from switchyard.handover import LoadRequest
from switchyard.lake.hive import HiveSession
from switchyard.lake.hiveql.merging import count_shared
from switchyard.lake.table_version import TableVersion
from switchyard.legs.ingest.planned import Planned
from switchyard.legs.ingest.window import Session, Window
from switchyard.legs.ingest.workspace import Batch
from switchyard.types.quoting import quote_postgres

log = logging.getLogger(__name__)


def require_replayable(
    session: Session, flow: Flow, request: LoadRequest, window: Window, version: TableVersion | None
) -> None:
    """Raise SwitchyardError when a replay finds none of its rows, which would otherwise pass for success.

    Or, in mode append, when it would read rows that were loaded, or that the next load reads.
    """
    bounds = window.bounds
    if bounds is None:
        return
    appends = flow.lake.mode == "append"
    if appends:
        _require_in_place(flow, request, version)
        _require_no_more(session, flow, request, bounds)
    rows = count_rows(session, flow.source, row_condition(flow.source, bounds))
    if rows == 0:
        cure = (
            "do nothing: they were deleted at the source, or their keys were changed, and nothing is left to read again"
        )
        if appends:
            cure = (
                f"if they were changed at the source since, the next load reads them: switchyard run ingest {flow.flow}"
            )
        raise SwitchyardError(
            f"the source has none of the {len(request.keys)} rows that load {request.replays} refused, by their keys",
            where=_where(flow),
            cure=cure,
        )
    if rows < len(request.keys):
        log.warning(
            "%s of the %s rows that load %s refused are not at the source by their key any more: they were deleted, or "
            "changed since, and then a later load reads them",
            len(request.keys) - rows,
            len(request.keys),
            request.replays,
        )


def _require_in_place(flow: Flow, request: LoadRequest, version: TableVersion | None) -> None:
    """Raise SwitchyardError when the table does not show the load: after a rollback its range is read once more."""
    if version is not None and request.replays in {part.load_id for part in version.chain}:
        return
    raise SwitchyardError(
        f"load {request.replays} is not in the table, so that the next load reads its range: with a replay, its rows "
        "would be there twice",
        where=_where(flow),
        cure=f"run the next load instead: switchyard run ingest {flow.flow}",
    )


def _require_no_more(session: Session, flow: Flow, request: LoadRequest, bounds: Bounds) -> None:
    """Raise SwitchyardError when a key has more rows at the source, in the range, than were refused with it."""
    refused = Counter(tuple(key.items()) for key in request.keys)
    more = 0
    for times in set(refused.values()):
        keys = tuple(dict(key) for key, count in refused.items() if count == times)
        names = ", ".join(map(quote_postgres, keys[0]))
        condition = row_condition(flow.source, replace(bounds, keys=keys))
        grouped = f"group by {names} having pg_catalog.count(*) > {times}"
        repeated = f"select 1 from {relation(flow.source)} where {condition} {grouped}"
        row = session.execute(f"select pg_catalog.count(*) from ({repeated}) as repeated".encode()).fetchone()
        more += int(str(row[0])) if row else 0
    if more:
        raise SwitchyardError(
            f"{more} of the keys ({', '.join(request.keys[0])}) that load {request.replays} refused have more rows in "
            "its range than were refused: with a replay by key, the others would be there twice",
            where=_where(flow),
            cure=_touch(flow),
        )


def require_unloaded(batch: Batch, hive: HiveSession, kept: str) -> None:
    """Raise ReconcileMismatch when the table shows a row with the key and cursor of one that a replay is to add.

    Without a cursor in the lake, by key alone.
    """
    planned, flow = batch.planned, batch.flow
    if flow.lake.mode != "append" or planned.replays is None or planned.bounds is None:
        return
    identity = _identity(planned, planned.bounds)
    table = f"{flow.lake.database}.{flow.lake.table}"
    counted = count_shared(table, kept, [column for column in planned.hive_columns if column.name in identity])
    rows = int(hive.run(counted)[0][0])
    if rows:
        raise ReconcileMismatch(
            f"{rows} rows of Hive table {table} have the same {', '.join(identity)} as rows that load "
            f"{planned.replays} refused: they were loaded, and would be there twice",
            where=_where(flow),
            cure=_touch(flow),
        )


def _identity(planned: Planned, bounds: Bounds) -> list[str]:
    """Lake columns that tell a row that was loaded: the key that the rows were looked up by, and the cursor."""
    sources = [*(bounds.keys[0] if bounds.keys else ()), bounds.column]
    return [name for name in map(planned.lake_name, dict.fromkeys(sources)) if name is not None]


def _touch(flow: Flow) -> str:
    return (
        f"nothing was published; give the mended rows a new value of {flow.source.cursor} at the source; then the next "
        f"load reads them: switchyard run ingest {flow.flow}"
    )


def _where(flow: Flow) -> str:
    source_table = flow.source.table or "source.query"
    return f"flow {flow.flow}, {source_table}"
