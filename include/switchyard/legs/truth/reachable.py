"""Which connections an unfinished load is finished by, when the flow file names others by now: one rule for both legs.

A load keeps the flow that it was planned with; its servers may have other connections by now, or be gone. The flow
file's connections are used when they lead to the load's own data, which is found there by the load's id. When they do
not, nothing is done and the error names both connections: finishing the load by the old ones would publish to servers
that the flow file does not name any more, and only the file's owner knows whether somebody still reads them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from switchyard.errors import UNREACHABLE, SwitchyardError
from switchyard.flow.spec import Flow
from switchyard.ledger.loads import Load
from switchyard.ledger.renaming import freeze_again
from switchyard.ledger.store import Ledger

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServerOfLoad:
    """A server that has data of a load.

    Args:
        planned: id of the connection that the load was planned with.
        named: id of the connection that the flow file names now.
        find_missing: looks at the server of `named`; returns what the load's data lacks there, as the end of a sentence
            that begins with the server ("has no /lake/x"), and an empty text when the data is there.
    """

    planned: str
    named: str
    find_missing: Callable[[], str]


def require_data(load: Load, servers: Iterable[ServerOfLoad]) -> None:
    """Raise SwitchyardError unless each connection that was changed leads to the load's data. Writes nothing."""
    for server in servers:
        if server.planned == server.named:
            continue
        try:
            missing = server.find_missing()
        except UNREACHABLE as error:
            raise _elsewhere(load, server, f"cannot be asked: {error.what}") from error
        if missing:
            raise _elsewhere(load, server, missing)


def keep_connections(ledger: Ledger, load: Load, flow: Flow, planned: Iterable[str], now: Iterable[str]) -> Load:
    """Write into a load the flow with the connections that finish it, and say so; `planned` and `now` are their ids."""
    log.warning(
        "load %s was planned with connections %s and is finished by %s",
        *(load.load_id, ", ".join(planned), ", ".join(now)),
    )
    return freeze_again(ledger, load, flow)


def _elsewhere(load: Load, server: ServerOfLoad, lack: str) -> SwitchyardError:
    return SwitchyardError(
        f"load {load.load_id} is {load.state}, planned with connection {server.planned}; the flow file names "
        f"{server.named} now, and the server of {server.named} {lack}",
        where=f"flow {load.flow}, leg {load.leg}",
        cure=f"nothing was changed; name {server.planned} in the flow file again and run the leg; or give the load up: "
        f"switchyard abandon {load.flow} --leg {load.leg} --why 'REASON'",
    )
