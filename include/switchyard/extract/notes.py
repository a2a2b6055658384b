"""Notes of the preflight on a source that may be read: peculiarities that Switchyard handles. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from switchyard.connections import Connection
from switchyard.connections.postgres import read_extras
from switchyard.extract.postgres import SourceShape
from switchyard.flow.hive_words import RESERVED
from switchyard.flow.spec import Flow
from switchyard.flow.threshold import rows_allowed
from switchyard.types.carry import CarriedColumn

_KINDS = {
    "v": "is a view: its query runs at each read",
    "m": "is a materialized view: its rows are as of its last REFRESH",
    "f": "is a foreign table: another server's rows, which that server may change between two reads",
}


def describe_extras(connection: Connection) -> Iterator[str]:
    """Extras of the source's connection that one of its clients goes without."""
    if names := read_extras(connection).python_only:
        yield (
            f"{_listed(names)} of connection {connection.conn_id}: Sqoop's driver has nothing like it, so the sessions "
            "that move the rows go without; those that look and count have it"
        )


def describe_threshold(flow: Flow) -> Iterator[str]:
    """Checks that keep rows out, of a flow that allows no row to be kept out."""
    labels = [f"`{check.label}`" for check in flow.checks if check.severity == "quarantine"]
    if labels and rows_allowed(flow.contract.quarantine_threshold, 10**18) == 0:
        yield (
            f"check {_listed(labels)} has severity quarantine, and contract.quarantine_threshold is 0: the first "
            "refused row is kept, and fails the load; set the threshold to what may be refused, e.g. 0.1% of the rows "
            "that a load reads"
        )


def describe_source(flow: Flow, shape: SourceShape) -> Iterator[str]:
    """What kind of relation it is, and what follows from that."""
    if shape.kind in _KINDS:
        yield f"{flow.source.table} {_KINDS[shape.kind]}"
    if shape.kind == "p":
        yield f"{flow.source.table} is partitioned: its {shape.children} partitions are read as one table"
    elif shape.children:
        yield f"{shape.children} tables inherit from {flow.source.table}: their rows are read with its own"
    if not shape.primary_key:
        yield "there is no primary key: list in source.key the columns that identify a row"


def describe_columns(flow: Flow, shape: SourceShape, columns: Sequence[CarriedColumn]) -> Iterator[str]:
    """Columns that are not read, names that change or need quotes, and values that PostgreSQL computes."""
    if shape.left_out:
        yield f"{_listed(shape.left_out)}: left out, as the flow asks; never read"
    if generated := [column.name for column in shape.columns if column.generated]:
        yield f"{_listed(generated)}: computed by PostgreSQL; the computed value is loaded"
    called = {source for source, choice in flow.columns.items() if choice.name is not None}
    if renamed := [f"{c.source} becomes {c.name}" for c in columns if c.source in called]:
        yield f"{_listed(renamed)}: as the flow asks; `source` keeps the source's names, all else has these"
    others = [column for column in columns if column.source not in called]
    if folded := [f"{column.source} becomes {column.name}" for column in others if column.source != column.name]:
        yield f"{_listed(folded)}: Hive has lower-case names only, and MongoDB gets the same names"
    if reserved := [column.name for column in columns if column.name in RESERVED]:
        yield f"{_listed(reserved)}: a reserved word in HiveQL; quote it there: `{reserved[0]}`"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
