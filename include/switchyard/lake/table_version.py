"""What the metastore says of a table that Switchyard writes: its version, and what a ledger can be checked against.

Pure: the parameters are read here and written by `metastore` and `partitions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from switchyard.errors import SwitchyardError
from switchyard.flow import naming
from switchyard.flow.bookmark import Bookmark
from switchyard.types.columns import HiveColumn


@dataclass(frozen=True)
class Part:
    """A partition of an append table: one load's rows.

    `previous` is the head that the load was planned on, 0 for none; None for a partition of an earlier release. `bytes`
    are those of its files; None: an earlier release did not say.
    """

    seq: int
    load_id: str
    rows: int | None
    previous: int | None
    location: str
    bytes: int | None = None

    @property
    def path(self) -> str:
        """The location without its file system."""
        return hdfs_path(self.location)

    @classmethod
    def of(cls, value: str, location: str, parameters: Mapping[str, str]) -> Part:
        """The part of a partition whose key has this value."""
        return cls(
            seq=int(value),
            load_id=parameters.get(naming.LOAD_PROPERTY, ""),
            rows=_number(parameters.get(naming.ROWS_PROPERTY)),
            previous=_number(parameters.get(naming.PREVIOUS_PROPERTY)),
            location=location,
            bytes=_number(parameters.get(naming.BYTES_PROPERTY)),
        )

    def parameters(self) -> dict[str, str]:
        """As the metastore keeps them."""
        previous = {} if self.previous is None else {naming.PREVIOUS_PROPERTY: str(self.previous)}
        size = {} if self.bytes is None else {naming.BYTES_PROPERTY: str(self.bytes)}
        return {naming.LOAD_PROPERTY: self.load_id, naming.ROWS_PROPERTY: str(self.rows or 0), **size, **previous}


@dataclass(frozen=True)
class TableVersion:
    """What the metastore says of a table now: one call, so its parts belong together.

    Args:
        database: of the table.
        table: its name.
        seq: of the load that wrote the parameters last; 0 for a table without rows, -1 for one that is not ours.
        load_id: that load.
        flow: who writes the table.
        location: directory of the files; of an append table, of nothing.
        columns: with Hive's types.
        rows: as the proof of the version counted them.
        partitioned: an append table.
        head: seq of the load whose rows are the newest: after a rollback, the one that it went back to.
        kind: of the load, as the ledger's kinds.
        rev: counts our alters, the expected value of the next; None for a table of an earlier release.
        bookmark: how far the source has been read.
        held: why no load may begin; None: it may.
        named: `database.table` that the parameters were written for; empty in a table of an earlier release.
        chain: the parts of the version, oldest first.
        strays: the parts that do not belong to it.
        formerly: names that the flow had before, oldest first: manifests of those times name them.
    """

    database: str
    table: str
    seq: int
    load_id: str
    flow: str
    location: str
    columns: tuple[HiveColumn, ...]
    rows: int | None
    partitioned: bool = False
    head: int = 0
    kind: str = ""
    rev: int | None = None
    bookmark: Bookmark | None = None
    held: str | None = None
    named: str = ""
    chain: tuple[Part, ...] = ()
    strays: tuple[Part, ...] = ()
    formerly: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The location without its file system: an absolute HDFS path."""
        return hdfs_path(self.location)

    @property
    def paths(self) -> tuple[str, ...]:
        """The directories that hold the version's files: one, or one a partition."""
        if not self.partitioned:
            return (self.path,)
        return tuple(part.path for part in self.chain)

    @property
    def name(self) -> str:
        """`database.table`."""
        return f"{self.database}.{self.table}"

    @property
    def is_ours(self) -> bool:
        """Whether Switchyard writes it; a copy has the parameters, and rows of somebody else's."""
        return self.seq >= 0 and not self.is_copy

    @property
    def is_copy(self) -> bool:
        """Whether its parameters were written for another table: CREATE TABLE LIKE and RENAME copy them."""
        return self.named not in ("", self.name)


def hdfs_path(location: str) -> str:
    """A location without its file system."""
    return "/" + location.split("://", 1)[-1].split("/", 1)[1]


def version_of(
    database: str,
    table: str,
    parameters: Mapping[str, str],
    *,
    location: str,
    columns: Iterable[HiveColumn],
    parts: Sequence[Part] | None,
) -> TableVersion:
    """The version that a table's parameters tell. `parts`: all its partitions; None: it has none.

    Raises SwitchyardError for a bookmark that somebody wrote by hand.
    """
    seq = int(parameters.get(naming.SEQ_PROPERTY, "-1"))
    named_head = _number(parameters.get(naming.HEAD_PROPERTY))
    head = named_head if named_head is not None else _newest_up_to(seq, parts)
    chain = chain_of(parts or (), head)
    return TableVersion(
        database=database,
        table=table,
        seq=seq,
        load_id=parameters.get(naming.LOAD_PROPERTY, ""),
        flow=parameters.get(naming.FLOW_PROPERTY, ""),
        location=location,
        columns=tuple(columns),
        rows=_number(parameters.get("numRows")),
        partitioned=parts is not None,
        head=head,
        kind=parameters.get(naming.KIND_PROPERTY, ""),
        rev=_number(parameters.get(naming.REV_PROPERTY)),
        bookmark=_bookmark(parameters.get(naming.BOOKMARK_PROPERTY), f"{database}.{table}"),
        held=parameters.get(naming.HELD_PROPERTY) or None,
        named=parameters.get(naming.TABLE_PROPERTY, ""),
        chain=chain,
        strays=tuple(part for part in parts or () if part not in chain),
        formerly=tuple(name for name in parameters.get(naming.FORMERLY_PROPERTY, "").split(",") if name),
    )


def chain_of(parts: Sequence[Part], head: int) -> tuple[Part, ...]:
    """The parts of the version with this head, oldest first: each names the one before it.

    A partition of an earlier release names none, and one that was dropped by hand cannot: the next lower one follows.
    """
    by_seq = {part.seq: part for part in parts}
    chain: list[Part] = []
    at = head
    while at > 0:
        part = by_seq.get(at)
        if part is not None:
            chain.append(part)
        if part is not None and part.previous is not None:
            at = part.previous
        else:
            at = max((seq for seq in by_seq if seq < at), default=0)
    return tuple(reversed(chain))


def _newest_up_to(seq: int, parts: Sequence[Part] | None) -> int:
    """The head of a table of an earlier release, which shows all partitions up to its seq."""
    if parts is None:
        return max(seq, 0)
    return max((part.seq for part in parts if part.seq <= seq), default=0)


def _bookmark(record: str | None, name: str) -> Bookmark | None:
    if not record:
        return None
    try:
        return Bookmark.of(record)
    except ValueError as error:
        raise SwitchyardError(
            f"the table's parameter {naming.BOOKMARK_PROPERTY} is not one that Switchyard wrote: somebody changed it",
            where=f"Hive table {name}",
            cure="nothing was changed; restore the metastore's newest backup; or, by ALTER TABLE, set the parameter to "
            "the bookmark of the last published load: switchyard loads FLOW --format json",
        ) from error


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.lstrip("-").isdigit() else None
