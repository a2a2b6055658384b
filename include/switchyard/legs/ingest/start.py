"""Where a load begins: at the table's bookmark, if it is of this source and this filter, or as somebody asked aloud."""

from __future__ import annotations

import logging

from switchyard.errors import TruthConflict
from switchyard.extract.origin import read_origin
from switchyard.extract.postgres import SourceShape
from switchyard.extract.server import read_server
from switchyard.extract.since_bookmark import unread_rows
from switchyard.flow.bookmark import Bookmark, Reading
from switchyard.flow.spec import Flow
from switchyard.handover import LoadRequest
from switchyard.lake.table_version import TableVersion
from switchyard.legs.ingest.window import Session
from switchyard.legs.runtime import Runtime

log = logging.getLogger(__name__)


def read_now(runtime: Runtime, session: Session, flow: Flow, shape: SourceShape) -> Reading:
    """Which rows the flow reads as its file and its source are now."""
    server = read_server(session, runtime.connections.get(flow.source.connection))
    return Reading.of(flow.source, server, read_origin(session, flow.source, shape))


def find_start(flow: Flow, version: TableVersion | None, now: Reading, request: LoadRequest) -> str | None:
    """The cursor's value that a load begins at, as PostgreSQL's text; None: the beginning.

    A range of the past is read under the bookmark's own reading, or rows of two sources would lie side by side.

    Raises TruthConflict when the bookmark is of another source or filter, or when an append table would have to be
    read again.
    """
    if version is None or version.seq < 1 or flow.lake.mode == "replace":
        return None
    changes = version.bookmark.reading.changes_to(now) if version.bookmark else []
    if changes and request.kind in ("backfill", "replay"):
        raise _other_source(flow, version, changes, request)
    if flow.source.sweep == "always" or request.kind in ("backfill", "replay"):
        return version.bookmark.high if version.bookmark else None
    if request.start == "beginning":
        _require_rewritable(flow, version, "all its rows would be there twice")
        log.warning("reading %s from the beginning, as asked for", version.name)
        return None
    if version.bookmark is None:
        _require_rewritable(flow, version, "it has rows and no bookmark")
        return None
    if changes and request.start == "bookmark":
        raise _other_source(flow, version, changes, request)
    for change in changes:
        log.warning("going on from the bookmark, as asked for, though %s", change)
    return version.bookmark.high


def choose_start(
    session: Session, flow: Flow, version: TableVersion | None, now: Reading, request: LoadRequest
) -> str | None:
    """Where a load begins: see `find_start`; and nothing happened since by which rows may lie below that unread.

    If it did, mode merge reads everything. Raises TruthConflict in mode append, unless somebody vouches for it.
    """
    start = find_start(flow, version, now, request)
    before = version.bookmark.reading.snapshot_before(now) if version and version.bookmark else None
    if start is None or before is None or request.kind != "load" or flow.source.sweep == "always":
        return start
    appends = flow.lake.mode == "append"
    reasons = unread_rows(session, flow.source, before, start, "insert" if appends else "update")
    if not reasons:
        return start
    if request.start == "trusted-bookmark":
        log.warning("going on from the bookmark, as asked for, though %s", "; ".join(reasons))
        return start
    if not appends:
        log.warning("reading everything again: %s", "; ".join(reasons))
        return None
    raise TruthConflict(
        f"rows below the bookmark may never be read: {'; '.join(reasons)}",
        where=f"flow {flow.flow}",
        cure="nothing was changed; at the source set the cursor of such rows to the present time; then, or at once "
        "if no row was missed (a partition was only split, a trigger was replaced in one transaction): switchyard run "
        f"ingest {flow.flow} --trust-bookmark; or set another lake.table, to read all rows into it",
    )


def next_bookmark(flow: Flow, version: TableVersion | None, now: Reading, high: str | None) -> Bookmark | None:
    """The table's bookmark once a load that read up to `high` is published; without one it stays as it is."""
    if flow.lake.mode == "replace":
        return None
    if high is None:
        return version.bookmark if version else None
    return Bookmark(high, now)


def _require_rewritable(flow: Flow, version: TableVersion, why: str) -> None:
    if version.chain:
        raise TruthConflict(
            f"Hive table {version.name} cannot be read from the beginning: mode append never rewrites partitions, and "
            f"{why}",
            where=f"flow {flow.flow}",
            cure=f"nothing was changed; set another lake.table; or DROP TABLE {version.name} (deletes no file), then "
            f"switchyard run ingest {flow.flow} --from-beginning",
        )


def _other_source(flow: Flow, version: TableVersion, changes: list[str], request: LoadRequest) -> TruthConflict:
    run = f"switchyard run ingest {flow.flow}"
    if flow.lake.mode == "append":
        again = "to read all rows, set lake.table to a new name, and the next run loads everything into it"
    else:
        again = f"to read all rows: {run} --from-beginning (rows deleted at the source stay in Hive)"
    compare = f"switchyard diff {flow.flow} --between postgres-hive compares them"
    same = f"if the source has the same rows below the bookmark as before ({compare}): {run} --trust-bookmark"
    cure = f"if the change was a mistake, undo it; {again}; {same}"
    if flow.source.sweep == "always":
        cure = f"read all rows first, as source.sweep: always does: {run}"
    if request.kind != "load":
        cure = f"{cure}; then ask for the {request.kind} again"
    return TruthConflict(
        f"the bookmark of Hive table {version.name} was written for other rows than the flow reads now: "
        f"{'; '.join(changes)}",
        where=f"flow {flow.flow}",
        cure=f"nothing was changed; {cure}",
    )
