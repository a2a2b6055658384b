"""The check of the ledger against MongoDB, before serve recovers or acts; `judge` decides, this looks and obeys."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from switchyard.errors import SwitchyardError, TruthConflict
from switchyard.flow import naming
from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Flow
from switchyard.ledger.loads import Load
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve.heal import trusted
from switchyard.legs.serve.judge import Judgement, KnownLoad, Verdict, judge
from switchyard.legs.serve.recorded import own_marker, planned_record
from switchyard.legs.serve.served import last_served, served_part
from switchyard.serve.mongo.record import Shown, read_shown, write_record
from switchyard.serve.mongo.target import MongoTarget

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Standing:
    """What a serve load may start from.

    Args:
        shown: what MongoDB says of the collection.
        last: the load whose documents the collection shows; None: that is not known.
        used: the highest serve seq that was used for the collection, as far as MongoDB knows.
    """

    shown: Shown
    last: Load | None
    used: int

    @property
    def marker(self) -> str:
        """Name of the collection's marker index; empty without one."""
        return self.shown.marker.index_name if self.shown.marker else ""

    @property
    def record_seq(self) -> int | None:
        """The serve seq that the next record replaces; None: there is no record."""
        return self.shown.record.serve_seq if self.shown.record else None


def require_known(runtime: Runtime, ledger: Ledger, flow: Flow) -> None:
    """Refuse, before anything is recovered, when MongoDB shows what this ledger does not know.

    Raises:
        TruthConflict: the ledger is older than MongoDB, or another's. SwitchyardError: another flow's collection.
    """
    with MongoTarget(runtime.connections.get(served_part(flow).connection)) as mongo:
        _judge(mongo, ledger, flow)


def find_standing(runtime: Runtime, ledger: Ledger, flow: Flow) -> Standing:
    """What the collection shows, after recovery; a record that is missing is written when the documents prove it.

    Raises as `require_known` does.
    """
    serve = served_part(flow)
    with MongoTarget(runtime.connections.get(serve.connection)) as mongo:
        shown, last, judgement = _judge(mongo, ledger, flow)
        if judgement.verdict is Verdict.COMPARE and last is not None:
            if _adopt(runtime, ledger, mongo, last):
                shown, last, judgement = _judge(mongo, ledger, flow)
            else:
                judgement = Judgement(Verdict.SNAPSHOT, f"{judgement.why}, and its documents are not that load's")
        used = max(shown.seq, mongo.staged_seq(serve.collection), product_seq(runtime, flow))
    if judgement.verdict is Verdict.GO_ON:
        return Standing(shown, trusted(last), used)
    if judgement.verdict is Verdict.SNAPSHOT:
        log.warning("flow %s is served anew, whole, and what is cached is void: %s", flow.flow, judgement.why)
    return Standing(shown, None, used)


def product_seq(runtime: Runtime, flow: Flow) -> int:
    """The seq of the product's Hive table; 0 for a flow without a product, and for one without a version."""
    if served_part(flow).select is None:
        return 0
    version = runtime.metastore(flow).read_version(*naming.served_table(flow.lake, served_part(flow)))
    return max(version.seq, 0) if version else 0


def _judge(mongo: MongoTarget, ledger: Ledger, flow: Flow) -> tuple[Shown, Load | None, Judgement]:
    collection = served_part(flow).collection
    shown, last = read_shown(mongo, collection), last_served(ledger, flow)
    named = shown.record or shown.marker
    recorded = ledger.find(named.load_id) if named else None
    judgement = judge(flow.flow, shown, _known(last), _known(recorded))
    where = f"flow {flow.flow}, connection {mongo.connection.conn_id}, collection {collection}"
    if judgement.verdict is Verdict.LEDGER_OLDER:
        unknown_load = judgement.why
        raise TruthConflict(
            f"the ledger is older than MongoDB, or of another environment: {unknown_load}",
            where=where,
            cure="nothing was changed; restore the ledger's newest backup, or make it again: switchyard ledger "
            "rebuild; or correct SWITCHYARD_LEDGER, the id of its connection",
        )
    if judgement.verdict is Verdict.ANOTHER_FLOW:
        other_use = judgement.why
        raise SwitchyardError(
            f"the collection is not this flow's: {other_use}",
            where=where,
            cure="set another serve.collection in the flow file; if you renamed the file: switchyard rename OLD "
            f"{flow.flow}",
        )
    return shown, last, judgement


def _known(load: Load | None) -> KnownLoad | None:
    return KnownLoad(load.load_id, load.seq, load.state) if load else None


def _adopt(runtime: Runtime, ledger: Ledger, mongo: MongoTarget, last: Load) -> bool:
    """Write the record and the marker that are missing, if the documents are those of the load that was served last."""
    from switchyard.legs.serve.stage import digest_version  # with Arrow: only where the record is missing

    record = planned_record(thaw(last.spec), last).as_served()
    expected = digest_version(runtime, last)
    if expected is None or mongo.digest(record.collection) != expected:
        return False
    version = ledger.find_version(last.flow, record.lake_seq)
    ingest_load = record.ingest_load or (version.load_id if version else "")
    mongo.mark(record.collection, own_marker(last))
    write_record(mongo, replace(record, ingest_load=ingest_load), after=None)
    log.info("flow %s: MongoDB's documents are those of load %s, and its record is written", last.flow, last.load_id)
    return True
