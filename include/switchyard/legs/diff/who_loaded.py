"""From a document back to the loads that brought it: MongoDB's record, the serve load, the version, the ingest load."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from bson import Decimal128

from switchyard.errors import SwitchyardError
from switchyard.flow.spec import Flow, Serve
from switchyard.lake.hiveql.statements import quote_table, seq_partition
from switchyard.lake.table_version import Part, TableVersion
from switchyard.ledger.loads import Load
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve.served import served_part
from switchyard.records import Record
from switchyard.serve.mongo.connection import explained
from switchyard.serve.mongo.record import ServedRecord, read_shown
from switchyard.serve.mongo.target import MongoTarget
from switchyard.types.domains import domain_of
from switchyard.types.quoting import UnfitBound, quote_hive

KeyValue: TypeAlias = str | int | bool | bytes | Decimal128 | dt.datetime
_MOST_DIGITS = 34
_HEX = re.compile(r"\\x((?:[0-9a-fA-F]{2})*)")
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True)
class LoadFacts(Record):
    """A load, for people. What the ledger has forgotten is None."""

    load: str
    seq: int | None = None
    kind: str | None = None
    published_at: str | None = None
    began_by: str | None = None
    read_from: str | None = None
    read_up_to: str | None = None


@dataclass(frozen=True)
class Provenance(Record):
    """Where one document comes from. `version` is the Hive table's seq; `notes` say what is not known, and why."""

    collection: str
    identity: str
    served_by: LoadFacts
    table: str
    version: int
    loaded_by: LoadFacts
    notes: tuple[str, ...] = ()


def who_loaded(runtime: Runtime, flow: Flow, key: Sequence[str]) -> list[Provenance]:
    """Trace the documents with this key, whose values are texts in the order of `serve.key`.

    One text can be several values (`1` the number and the text), so there may be more than one. Raises SwitchyardError
    when there is none, or when nobody knows who served the collection.
    """
    serve = served_part(flow)
    _require_whole_key(flow, serve, key)
    with MongoTarget(runtime.connections.get(serve.connection)) as mongo:
        with explained(mongo.connection):
            query = {"_id": {"$in": list(identities(serve.key, key))}}
            documents = list(mongo.collection(serve.collection).find(query, {"_id": 1}))
        record = read_shown(mongo, serve.collection).record
    if not documents:
        raise SwitchyardError(
            f"collection {serve.collection} has no document with the key {_shown_key(serve.key, key)}",
            where=f"flow {flow.flow}, connection {serve.connection}",
            cure="give the key's values as MongoDB shows them, in the order of serve.key; whether Hive has the row: "
            f"switchyard diff {flow.flow}",
        )
    if record is None:
        raise SwitchyardError(
            f"MongoDB does not know which load served collection {serve.collection}: it has no record of it",
            where=f"flow {flow.flow}, connection {serve.connection}",
            cure="run the serve leg, which compares the documents and writes a record: switchyard run serve "
            f"{flow.flow}",
        )
    with runtime.ledger() as ledger:
        ledger.migrate()
        return [_trace(runtime, ledger, flow, record, key, str(document["_id"])) for document in documents]


def identities(columns: Sequence[str], texts: Sequence[str]) -> Iterator[KeyValue | Mapping[str, KeyValue]]:
    """Every `_id` that these texts can be: the value, or with several key columns a subdocument of them."""
    for values in itertools.product(*(values_of(text) for text in texts)):
        yield values[0] if len(columns) == 1 else dict(zip(columns, values, strict=True))


def values_of(text: str) -> list[KeyValue]:
    r"""The values of BSON that a text can be: itself, a number, a boolean, a moment in UTC, bytes as `\x00ff`.

    MongoDB finds a number by an equal one of any type.
    """
    values: list[KeyValue] = [text]
    with suppress(InvalidOperation):
        number = Decimal(text)
        if number.is_finite() and len(number.as_tuple().digits) <= _MOST_DIGITS:
            values.append(Decimal128(number))
    if text in _TRUTH:
        values.append(_TRUTH[text])
    with suppress(ValueError, OverflowError):
        moment = dt.datetime.fromisoformat(text)
        values.append(moment.astimezone(dt.UTC).replace(tzinfo=None) if moment.tzinfo else moment)
    if binary := _HEX.fullmatch(text):
        values.append(bytes.fromhex(binary[1]))
    return values


def _require_whole_key(flow: Flow, serve: Serve, key: Sequence[str]) -> None:
    if len(key) == len(serve.key):
        return
    columns = ", ".join(serve.key)
    values = len(key)
    raise SwitchyardError(
        f"the key has {len(serve.key)} columns ({columns}), and {values} values were given",
        where=f"flow {flow.flow}",
        cure=f"give a value for each, in this order: switchyard who-loaded {flow.flow} {' '.join(serve.key).upper()}",
    )


def _shown_key(columns: Sequence[str], key: Sequence[str]) -> str:
    return ", ".join(f"{column}={text}" for column, text in zip(columns, key, strict=True))


def _trace(
    runtime: Runtime, ledger: Ledger, flow: Flow, record: ServedRecord, key: Sequence[str], identity: str
) -> Provenance:
    notes = []
    if record.state == "writing":
        notes.append(f"load {record.load_id} is still writing: the document may be of the load before it")
    if record.publish == "delta":
        notes.append("serve.publish is delta: a load before this one may have written a document that did not change")
    loaded_by, note = _find_ingest_load(runtime, flow, record, key)
    return Provenance(
        collection=record.collection,
        identity=identity,
        served_by=_facts(ledger, record.load_id),
        table=record.table,
        version=record.lake_seq,
        loaded_by=_facts(ledger, loaded_by),
        notes=(*notes, note) if note else tuple(notes),
    )


def _find_ingest_load(runtime: Runtime, flow: Flow, record: ServedRecord, key: Sequence[str]) -> tuple[str, str]:
    """The load that brought the row, as exactly as it is known, and what to say of that."""
    if flow.serve is not None and flow.serve.select is not None:
        return record.ingest_load, "the document is made by serve.select; this load made the version that it read"
    if flow.lake.mode == "merge":
        return record.ingest_load, "mode merge makes each version whole: a load before this one may have read the row"
    if flow.lake.mode == "append":
        version = runtime.metastore(flow).read_version(flow.lake.database, flow.lake.table)
        part = _find_part(runtime, flow, version, key) if version else None
        if part is not None:
            return part.load_id, ""
        return record.ingest_load, "no partition of the table as it is now has the row; this load made the version"
    return record.ingest_load, ""


def _find_part(runtime: Runtime, flow: Flow, version: TableVersion, key: Sequence[str]) -> Part | None:
    """The newest partition of an append table that has a row of this key."""
    columns = {column.name: column.type for column in version.columns}
    conditions = []
    for name, text in zip(served_part(flow).key, key, strict=True):
        kind = columns.get(name.lower())
        domain = domain_of(kind) if kind else None
        if domain is None:
            return None
        try:
            conditions.append(f"({domain.among(quote_hive(name), [text])})")
        except UnfitBound:
            return None
    partition = quote_hive(seq_partition(columns).name)
    query = f"select max({partition}) from {quote_table(version.name)} where {' and '.join(conditions)}"
    newest = runtime.hive(flow).query(query)[0][0]
    return next((part for part in version.chain if part.seq == newest), None)


def _facts(ledger: Ledger, load_id: str) -> LoadFacts:
    load = ledger.find(load_id)
    if load is None:
        return LoadFacts(load_id or "not known")
    return LoadFacts(
        load=load_id,
        seq=load.seq,
        kind=load.kind,
        published_at=f"{load.published_at:%Y-%m-%d %H:%M:%S %Z}" if load.published_at else None,
        began_by=_began_by(load),
        read_from=load.low,
        read_up_to=load.high,
    )


def _began_by(load: Load) -> str:
    run = load.dag_run
    return f"Airflow, DAG {run.dag_id}, run {run.run_id}" if run else load.owner
