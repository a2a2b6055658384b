"""`switchyard ledger check`: per flow, whether the table shows what the ledger says. It writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from switchyard.errors import ConnectionUnusable, SwitchyardError
from switchyard.flow.spec import Flow
from switchyard.ledger.store import Ledger
from switchyard.legs.rebuild import serve_memory
from switchyard.legs.runtime import Runtime
from switchyard.legs.truth.check import Inspection, look, refusal
from switchyard.legs.truth.missing import described, version_faults


@dataclass(frozen=True)
class Agreement:
    """One flow. `table` and `ledger` are what each says, for people; `disagrees`: why not; None: they agree.

    `damage`: what is wrong with the files of the version that the table shows, which no ledger could cure.
    """

    flow: str
    table: str
    ledger: str
    verdict: str
    disagrees: str | None
    damage: str | None = None


def check_flow(runtime: Runtime, ledger: Ledger, flow: Flow) -> Agreement:
    """Compare table and ledger, and what is served with the ledger.

    Raises ServerUnavailable when a server does not answer: then nothing is known.
    """
    try:
        inspection = look(runtime, ledger, flow)
    except SwitchyardError as error:
        if error.retryable or isinstance(error, ConnectionUnusable):
            raise
        return Agreement(flow.flow, "another's", "–", str(error.what), error.what)
    why = refusal(flow, inspection).what if inspection.action.refuses else None
    if why is None and flow.serve is not None:
        why = serve_memory.disagreement(runtime, ledger, flow)
    faults = version_faults(runtime.hdfs(flow), inspection.version, inspection.memory.named)
    damage = described(inspection.version, faults) if inspection.version is not None and faults else None
    verdict = why or damage or inspection.action.value
    return Agreement(flow.flow, _table(inspection), _ledger(inspection), verdict, why, damage)


def _table(inspection: Inspection) -> str:
    version = inspection.version
    if version is None:
        return "no table"
    if version.seq < 1:
        return "empty"
    held = ", on hold" if version.held is not None else ""
    return f"seq {version.seq}, rev {version.rev}{held}"


def _ledger(inspection: Inspection) -> str:
    memory = inspection.memory
    if memory.newest is None:
        return "nothing published"
    waits = f", load {memory.publishing.load_id} publishing" if memory.publishing else ""
    return f"seq {memory.newest.seq}, rev {memory.rev}{waits}"
