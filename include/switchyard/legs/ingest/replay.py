"""What a replay reads: the rows that a load refused, by key, in the range that the load read."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from switchyard.errors import SwitchyardError
from switchyard.flow import naming
from switchyard.flow.spec import Flow
from switchyard.handover import LoadRequest
from switchyard.lake.hiveql.statements import quote_table, raw_value
from switchyard.ledger.loads import FINISHED, Load
from switchyard.ledger.results import PlanOutline, Proved
from switchyard.ledger.store import Ledger
from switchyard.legs.ingest.planned import Planned
from switchyard.legs.runtime import Runtime
from switchyard.types.quoting import quote_text

log = logging.getLogger(__name__)

_MOST_KEYS = 10_000


@dataclass(frozen=True)
class Replay:
    """The request, and the load whose refused rows it reads again."""

    request: LoadRequest
    load_id: str
    rows: int


def find_replay(runtime: Runtime, flow: Flow, load_id: str | None) -> Replay:
    """Choose the load (by default the last published one that refused rows) and write the request.

    Raises SwitchyardError when there is nothing to replay, or no way to.
    """
    with runtime.ledger() as ledger:
        ledger.migrate()
        load = _find_load(ledger, flow, load_id)
    refused = load.result(Proved).quarantined_rows
    if flow.lake.mode == "replace":
        return Replay(LoadRequest(), load.load_id, refused)
    planned = load.result(Planned)
    if planned.bounds is None:
        return Replay(LoadRequest(), load.load_id, refused)
    keys = _refused_keys(runtime, flow, load, planned)
    request = LoadRequest("replay", planned.bounds.low, planned.bounds.high, keys=keys, replays=load.load_id)
    return Replay(request, load.load_id, refused)


def _find_load(ledger: Ledger, flow: Flow, load_id: str | None) -> Load:
    published = ledger.list_loads(flow.flow, "ingest", [FINISHED["ingest"]])
    replayed = {plan.replays for plan in (load.find_result(PlanOutline) for load in published) if plan}
    for load in published:
        is_candidate = load_id is None or load.load_id == load_id
        if is_candidate and _refused_rows(load) and load.load_id not in replayed:
            return load
    which = f"load {load_id}" if load_id else "no published load"
    raise SwitchyardError(
        f"{which} has refused rows that are not replayed yet",
        where=f"flow {flow.flow}",
        cure=f"switchyard loads {flow.flow} shows what was quarantined; a failed load is simply run again",
    )


def _refused_rows(load: Load) -> int:
    proved = load.find_result(Proved)
    return proved.quarantined_rows if proved else 0


def _refused_keys(runtime: Runtime, flow: Flow, load: Load, planned: Planned) -> tuple[Mapping[str, str], ...]:
    """The keys of the refused rows, as text by source column."""
    columns = [column for column in planned.columns if column.name in planned.key]
    if not columns:
        raise SwitchyardError(
            "refused rows are found again by key, and there is none",
            where=f"flow {flow.flow}",
            cure="set source.key, or give the source a primary key",
        )
    if any(column.hive_type.is_list for column in columns):
        raise SwitchyardError(
            "refused rows are found again by key, and the quarantine does not keep the text of a list",
            where=f"flow {flow.flow}",
            cure=f"read their range again: switchyard backfill {flow.flow} --from … --to …",
        )
    table = quote_table(f"{flow.lake.database}.{naming.quarantine_table(flow.lake.table)}")
    picked = ", ".join(raw_value("raw_row", column) for column in columns)
    query = f"select {picked} from {table} where load_id = {quote_text(load.load_id)} limit {_MOST_KEYS + 1}"
    rows = runtime.hive(flow).query(query)
    if len(rows) > _MOST_KEYS:
        raise SwitchyardError(
            f"more than {_MOST_KEYS} rows were refused",
            where=f"flow {flow.flow}, load {load.load_id}",
            cure=f"read their whole range again: switchyard backfill {flow.flow} --from … --to …",
        )
    keys = [row for row in rows if None not in row]  # a row without a key cannot be looked up again
    _require_keys(flow, load, [column.source for column in columns], len(rows), len(keys))
    return tuple({column.source: str(value) for column, value in zip(columns, key, strict=True)} for key in keys)


def _require_keys(flow: Flow, load: Load, key: Sequence[str], kept: int, usable: int) -> None:
    """Raise SwitchyardError when no refused row can be looked up: without keys a replay would read its whole range.

    `kept`: rows of the load that the quarantine has; `usable`: those of them with a whole key.
    """
    refused = _refused_rows(load)
    reasons = []
    if kept < refused:
        reasons.append(f"{refused - kept} are not in the quarantine any more")
    if usable < kept:
        reasons.append(f"{kept - usable} have NULL in the key ({', '.join(key)})")
    if not reasons:
        return
    why = " and ".join(reasons)
    if usable:
        log.warning("load %s refused %s rows; %s: these are not read again", load.load_id, refused, why)
        return
    if flow.lake.mode == "merge":
        cure = f"read their range again: switchyard backfill {flow.flow} --from … --to …"
    else:
        cure = f"correct them at the source with a new cursor value, and read them: switchyard run ingest {flow.flow}"
    raise SwitchyardError(
        f"none of the {refused} refused rows can be looked up again: {why}",
        where=f"flow {flow.flow}, load {load.load_id}",
        cure=cure,
    )
