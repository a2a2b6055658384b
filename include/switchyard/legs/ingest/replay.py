"""What a replay reads: the rows that a load refused, by key, in the range that the load read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from switchyard.errors import SwitchyardError
from switchyard.extract.statement import Bounds
from switchyard.flow import naming
from switchyard.flow.spec import Flow
from switchyard.handover import LoadRequest
from switchyard.lake.hiveql.statements import quote_table, raw_value
from switchyard.ledger.loads import FINISHED, Load
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest.planned import Planned
from switchyard.legs.ingest.replay_candidates import refused_rows, waiting_for_replay
from switchyard.legs.runtime import Runtime
from switchyard.types.quoting import quote_text

_MOST_KEYS = 10_000


@dataclass(frozen=True)
class Replay:
    """The request, and the load whose refused rows it reads again; `left`: which of them it does not, and the cure."""

    request: LoadRequest
    load_id: str
    rows: int
    left: str = ""


def find_replay(runtime: Runtime, flow: Flow, load_id: str | None, *, partly: bool = False) -> Replay:
    """Choose the load (by default the last published one that refused rows) and write the request.

    `partly`: the rows that cannot be looked up again may be left behind. Raises SwitchyardError when there is nothing
    to replay, or no way to.
    """
    with runtime.ledger() as ledger:
        ledger.migrate()
        load = _find_load(ledger, flow, load_id)
    refused = refused_rows(load)
    if flow.lake.mode == "replace":
        return Replay(LoadRequest(), load.load_id, refused)
    planned = load.result(Planned)
    if planned.bounds is None:
        return Replay(LoadRequest(), load.load_id, refused)
    _require_cursor(flow, load, planned.bounds)
    keys, lost = _refused_keys(runtime, flow, load, planned)
    left = _judge_lost(flow, load, len(keys), lost, partly=partly)
    request = LoadRequest("replay", planned.bounds.low, planned.bounds.high, keys=keys, replays=load.load_id)
    return Replay(request, load.load_id, len(keys), left)


def _find_load(ledger: Ledger, flow: Flow, load_id: str | None) -> Load:
    published = ledger.list_loads(flow.flow, "ingest", [FINISHED["ingest"]])
    for load in waiting_for_replay(published):
        if load_id in (None, load.load_id):
            return load
    which = f"load {load_id}" if load_id else "the flow's last loads"
    raise SwitchyardError(
        f"no refused rows to replay in {which}: none were refused, or all were replayed, or a rollback undid the load",
        where=f"flow {flow.flow}",
        cure=f"see what was quarantined: switchyard loads {flow.flow}; after a load that failed, or that a rollback "
        f"undid, run the next one: switchyard run ingest {flow.flow}",
    )


def _require_cursor(flow: Flow, load: Load, bounds: Bounds) -> None:
    """Raise SwitchyardError when the range of an append was one of another cursor than the flow reads by now."""
    if flow.lake.mode == "append" and bounds.column != flow.source.cursor:
        raise SwitchyardError(
            f"the load read a range of column {bounds.column}, and source.cursor is {flow.source.cursor} now, so that "
            "the range would be other rows",
            where=f"flow {flow.flow}, load {load.load_id}",
            cure=_touch(flow),
        )


def _refused_keys(
    runtime: Runtime, flow: Flow, load: Load, planned: Planned
) -> tuple[tuple[Mapping[str, str], ...], list[str]]:
    """The keys of the refused rows, as text by source column; and which rows have none, as parts of a sentence."""
    columns = [column for column in planned.columns if column.name in planned.key]
    if not columns:
        raise SwitchyardError(
            "a replay finds refused rows by their key, and this flow has none",
            where=f"flow {flow.flow}",
            cure="set source.key in the flow file, or give the source a primary key",
        )
    if any(column.hive_type.is_list for column in columns):
        raise SwitchyardError(
            "a replay finds refused rows by their key, and the quarantine does not keep a key column that is an array",
            where=f"flow {flow.flow}",
            cure=f"read their range again: switchyard backfill {flow.flow} --from START --to END",
        )
    table = quote_table(f"{flow.lake.database}.{naming.quarantine_table(flow.lake.table)}")
    picked = ", ".join(raw_value("raw_row", column) for column in columns)
    query = f"select {picked} from {table} where load_id = {quote_text(load.load_id)} limit {_MOST_KEYS + 1}"
    rows = runtime.hive(flow).query(query)
    if len(rows) > _MOST_KEYS:
        raise SwitchyardError(
            f"more than {_MOST_KEYS} rows were refused, too many to replay by key",
            where=f"flow {flow.flow}, load {load.load_id}",
            cure=f"read their whole range again: switchyard backfill {flow.flow} --from START --to END",
        )
    keys = [row for row in rows if None not in row]  # a row without a key cannot be looked up again
    missing = refused_rows(load) - len(rows)
    keyless = len(rows) - len(keys)
    lost = [f"{missing} are not in the quarantine any more"] if missing > 0 else []
    if keyless:
        lost.append(f"{keyless} have NULL in the key ({', '.join(column.source for column in columns)})")
    named = tuple({column.source: str(value) for column, value in zip(columns, key, strict=True)} for key in keys)
    return named, lost


def _judge_lost(flow: Flow, load: Load, usable: int, lost: Sequence[str], *, partly: bool) -> str:
    """A sentence on the rows that cannot be looked up, for people; empty when there are none.

    Raises SwitchyardError unless somebody said that they may be left behind, and some others can be: a load that was
    replayed once is not replayed again, so nobody would think of them any more.
    """
    if not lost:
        return ""
    refused = refused_rows(load)
    key_faults = " and ".join(lost)
    unusable = refused - usable
    what = f"{unusable} of the {refused} refused rows cannot be looked up again: {key_faults}"
    if not usable:
        what = f"none of the {refused} refused rows can be looked up again: {key_faults}"
    if flow.lake.mode == "merge":
        cure = f"read their range again: switchyard backfill {flow.flow} --from START --to END"
    else:
        cure = _touch(flow)
    if partly and usable:
        return f"{what}; {cure}"
    rest = f"; or replay without them: switchyard replay {flow.flow} --load {load.load_id} --partly" if usable else ""
    raise SwitchyardError(what, where=f"flow {flow.flow}, load {load.load_id}", cure=f"{cure}{rest}")


def _touch(flow: Flow) -> str:
    return (
        f"correct the rows at the source with a new value of {flow.source.cursor}; then the next load reads them: "
        f"switchyard run ingest {flow.flow}"
    )
