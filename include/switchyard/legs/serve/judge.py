"""Whether the ledger and MongoDB agree on what a collection shows. Pure: a table of cases, no server.

MongoDB's record (`serve.mongo.record`) is written before anything is visible, so it is never older than what readers
see. A record that the ledger does not know means that the ledger is the older of the two, or another's. A record, or a
marker, older than what the ledger knows to be served means that MongoDB was restored. Neither is ever believed for the
sake of the other: the first is refused, the second is served anew, whole, with every cached value void.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from switchyard.serve.mongo.record import Shown


class Verdict(Enum):
    """What serve may do."""

    GO_ON = "the collection shows the load that the ledger says"
    NEW = "nothing was served to this collection yet"
    SNAPSHOT = "what the collection shows is not known: serve it whole, and void the cache"
    COMPARE = "MongoDB has no record: compare the documents with the load that was served last"
    RECOVER = "a load of this ledger is being published"
    LEDGER_OLDER = "MongoDB shows a load that this ledger does not know"
    ANOTHER_FLOW = "another flow serves this collection"


@dataclass(frozen=True)
class KnownLoad:
    """A serve load as the ledger has it."""

    load_id: str
    seq: int
    state: str


@dataclass(frozen=True)
class Judgement:
    """A verdict and its reason, for people."""

    verdict: Verdict
    why: str = ""


_AT_WORK = ("publishing", "refreshing")


def judge(flow: str, shown: Shown, last: KnownLoad | None, recorded: KnownLoad | None) -> Judgement:
    """Compare what MongoDB shows with what the ledger says.

    Args:
        flow: whose collection it is.
        shown: what MongoDB says.
        last: the load that was served last to this collection, as the ledger knows.
        recorded: the load that MongoDB's record names, or without one the marker, as the ledger knows it; None: it does
            not.
    """
    record = shown.record
    if record is None:
        return _without_record(shown, last, recorded)
    if record.flow != flow:
        return Judgement(Verdict.ANOTHER_FLOW, f"flow {record.flow!r} serves it, by load {record.load_id}")
    named = f"MongoDB's record names load {record.load_id}, serve seq {record.serve_seq}"
    if recorded is None or recorded.seq != record.serve_seq:
        return Judgement(Verdict.LEDGER_OLDER, f"{named}, which this ledger does not know")
    if recorded.state in _AT_WORK:
        return Judgement(Verdict.RECOVER)
    if recorded.state == "abandoned":
        return Judgement(Verdict.SNAPSHOT, f"{named}, which was given up")
    if recorded.state != "served":
        return Judgement(Verdict.LEDGER_OLDER, f"{named}, which is only {recorded.state} in this ledger")
    return _served(shown, last, named)


def _served(shown: Shown, last: KnownLoad | None, named: str) -> Judgement:
    record = shown.record
    if record is None or last is None or record.load_id != last.load_id:
        newer = f", and load {last.load_id} was served after it" if last else ""
        return Judgement(Verdict.SNAPSHOT, f"{named}{newer}: MongoDB was restored")
    if record.state == "writing":
        return Judgement(Verdict.SNAPSHOT, f"{named} as being written, and it was served: MongoDB was restored")
    if not shown.exists:
        return Judgement(Verdict.SNAPSHOT, f"{named}, and the collection is gone")
    marker = shown.marker.index_name if shown.marker else ""
    if marker != record.marker:
        return Judgement(Verdict.SNAPSHOT, f"{named}, and the collection is of {marker or 'no load'}: it was restored")
    if record.heal is not None:
        return Judgement(Verdict.SNAPSHOT, f"diff {record.heal} ordered a snapshot")
    return Judgement(Verdict.GO_ON)


def _without_record(shown: Shown, last: KnownLoad | None, marked: KnownLoad | None) -> Judgement:
    if shown.marker is not None:
        named = f"the collection is of load {shown.marker.load_id}"
        if marked is None or marked.state not in (*_AT_WORK, "served", "abandoned"):
            return Judgement(Verdict.LEDGER_OLDER, f"{named}, which this ledger has not served")
        if marked.state == "abandoned":
            return Judgement(Verdict.SNAPSHOT, f"{named}, which was given up, and has no record")
    if last is None:
        return Judgement(Verdict.NEW)
    if not shown.exists:
        return Judgement(Verdict.SNAPSHOT, f"load {last.load_id} was served, and neither it nor its record is there")
    return Judgement(Verdict.COMPARE, f"MongoDB has no record of load {last.load_id}")
