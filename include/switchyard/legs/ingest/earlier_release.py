"""A table that the code of an earlier release published: its bookmark and hold are in the ledger only."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from switchyard.errors import ConnectionMissing
from switchyard.flow import naming
from switchyard.flow.bookmark import Bookmark, Reading, Server
from switchyard.flow.frozen import thaw
from switchyard.lake.table_version import TableVersion
from switchyard.ledger import table_memory
from switchyard.ledger.flow_state import read_state
from switchyard.ledger.loads import Load
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest.planned import Planned
from switchyard.legs.ingest.rollback_target import origin, setter_of
from switchyard.legs.runtime import Runtime
from switchyard.legs.truth.check import Inspection
from switchyard.legs.truth.decide import Action

log = logging.getLogger(__name__)


def with_memory(runtime: Runtime, ledger: Ledger, inspection: Inspection) -> TableVersion | None:
    """The version as the table would tell it if this release had published it; as it is, when it did."""
    version, load = inspection.version, inspection.memory.newest
    if inspection.action is not Action.WRITE_PARAMETERS or version is None or load is None:
        return version
    parts = [part.seq for part in (*version.chain, *version.strays) if part.seq <= version.seq]
    return replace(
        version,
        head=max(parts, default=0) if version.partitioned else origin(load),
        kind=load.kind,
        bookmark=bookmark_of_load(runtime, load, ledger.list_loads(load.flow, "ingest", ["published"])),
        held=read_state(ledger, load.flow).held,
    )


def write_parameters(runtime: Runtime, ledger: Ledger, inspection: Inspection) -> None:
    """Write what the earlier release did not, in one alter that expects what was read."""
    version, load = with_memory(runtime, ledger, inspection), inspection.memory.newest
    assert version is not None and load is not None and inspection.version is not None  # noqa: S101 - the row says so
    own: dict[str, str | None] = {
        naming.HEAD_PROPERTY: str(version.head),
        naming.KIND_PROPERTY: version.kind,
        naming.BOOKMARK_PROPERTY: version.bookmark.record() if version.bookmark else None,
        naming.HELD_PROPERTY: version.held,
    }
    rev = runtime.metastore(thaw(load.spec)).alter(inspection.version, own)
    table_memory.note_rev(ledger, load, rev, held=version.held)
    log.info("wrote the parameters of %s, which an earlier release published", version.name)


def bookmark_of_load(runtime: Runtime, load: Load, published: Sequence[Load]) -> Bookmark | None:
    """The table's bookmark when a load was published.

    One of an earlier release wrote none: it is what the load that set it had read, read as that load read; under
    another source it means nothing.
    """
    planned = load.result(Planned)
    if planned.head is not None:
        return planned.bookmark
    setter = setter_of(load, published)
    if setter is None or setter.high is None:
        return None
    source = thaw(setter.spec).source
    try:
        connection = runtime.connections.get(source.connection)
        server = Server(connection.address, "", connection.schema)
    except ConnectionMissing:
        server = Server(f"connection {source.connection}, which is gone", "", "a database")
    return Bookmark(setter.high, Reading.of(source, server))
