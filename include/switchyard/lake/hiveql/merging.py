"""The HiveQL that merges a batch into a version by key. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

from switchyard.lake.hiveql.statements import names, quote_table
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import BINARY, HiveType
from switchyard.types.quoting import free_name, quote_hive
from switchyard.types.tombstone import marks_deleted

COUNTS = ("before", "inserted", "updated", "unchanged", "late", "deleted", "unknown")
"""Rows of the version before; then what the batch does to them. `late`: older than the row in the version, which stays;
`unknown`: a tombstone for a key that the version does not have."""


@dataclass(frozen=True)
class _Names:
    """Names of the tables and columns that a merge adds; no column of the merged tables has one of them."""

    old: str
    latest: str
    placed: str
    ranked: str
    present: str
    dead: str
    rank: str

    @property
    def is_known(self) -> str:
        """True if the version before has the key; else NULL."""
        return f"{self.old}.{self.present}"

    @property
    def is_read(self) -> str:
        """True if the batch has the key; else NULL."""
        return f"{self.latest}.{self.present}"

    @property
    def is_dead(self) -> str:
        """True if the batch says that the key is deleted."""
        return f"{self.latest}.{self.dead}"


@dataclass(frozen=True)
class Merge:
    """A batch to be merged into the version before it.

    Args:
        old: table over the version's files.
        old_columns: name → Hive type in `old`; a column that it lacks is NULL there.
        batch: table of the batch, with the new version's columns.
        columns: the new version's.
        key: lake columns that identify a row, never NULL.
        cursor: of two rows with one key, the one with the larger value is the newer; None: the batch wins.
        tombstone: column whose value says that the key is deleted: true, or a timestamp; None: none does.
        sweep: the batch holds the whole source, so that keys which it lacks are deleted.
        whole_keys: the batch holds every row that the source has of its keys, so that none of them is late.
    """

    old: str
    old_columns: Mapping[str, HiveType]
    batch: str
    columns: Sequence[HiveColumn]
    key: Sequence[str]
    cursor: str | None
    tombstone: str | None
    sweep: bool
    whole_keys: bool = False

    def into(self, target: str) -> str:
        """Write the new version: one pass over both."""
        own = self._own
        picked = ", ".join(
            f"if({self._newer}, {_of(own.latest, c)}, {_of(own.old, c)}) as {quote_hive(c.name)}" for c in self.columns
        )
        swept = f"{own.is_read} is null" if self.sweep else "false"
        stays = f"({self._newer} and not {own.is_dead}) or (not {self._newer} and {own.is_known} and not ({swept}))"
        return f"insert overwrite table {quote_table(target)} select {picked} from {self._joined} where {stays}"

    def counts(self) -> str:
        """One row: COUNTS."""
        own = self._own
        both = f"{own.is_known} and {self._newer}"
        same = self._same(own.old, own.latest)
        swept = f" or ({own.is_known} and {own.is_read} is null)" if self.sweep else ""
        tests = {
            "before": own.is_known,
            "inserted": f"{own.is_known} is null and {self._newer} and not {own.is_dead}",
            "updated": f"{both} and not {own.is_dead} and not ({same})",
            "unchanged": f"{both} and not {own.is_dead} and {same}",
            "late": f"{own.is_known} and {own.is_read} and {self._late}",
            "deleted": f"({both} and {own.is_dead}){swept}",
            "unknown": f"{own.is_known} is null and {own.is_read} and {own.is_dead}",
        }
        counted = ", ".join(f"count(case when {tests[name]} then 1 end)" for name in COUNTS)
        return f"select {counted} from {self._joined}"

    def faults(self) -> str:
        """One row: rows of the batch, rows with NULL in the key, keys, keys that tie at their largest cursor."""
        own = self._own
        null = " or ".join(f"{quote_hive(name)} is null" for name in self.key)
        order = f"order by {quote_hive(self.cursor)} desc" if self.cursor else f"order by {quote_hive(self.key[0])}"
        ranked = f"rank() over (partition by {self._keys()} {order}) as {own.rank}"
        rows, nulls, first = (self._beside(name) for name in ("n", "nulls", "first"))
        return (
            f"select sum({rows}), sum({nulls}), count(*), sum(if({first} > 1, 1, 0)) from (select count(*) as {rows}, "
            f"sum(if({null}, 1, 0)) as {nulls}, sum(if({own.rank} = 1, 1, 0)) as {first} "
            f"from (select {self._keys()}, {ranked} from {quote_table(self.batch)}) {own.ranked} "
            f"group by {self._keys()}) {self._beside('k')}"
        )

    def repeated_before(self) -> str:
        """One row: keys that several rows of the version before have."""
        repeated = f"select 1 from {quote_table(self.old)} group by {self._keys()} having count(*) > 1"
        return f"select count(*) from ({repeated}) {self._beside('k')}"

    def placed(self, target: str) -> str:
        """One row: rows of the new version, and those that are, value by value, what the batch says of their key."""
        own = self._own
        on = self._same_key(own.placed, own.latest)
        placed = f"{own.is_read} and not {own.is_dead} and {self._same(own.placed, own.latest)}"
        return (
            f"select count(*), count(case when {placed} then 1 end) "
            f"from {quote_table(target)} {own.placed} left join {self._latest} on {on}"
        )

    @cached_property
    def _own(self) -> _Names:
        named = {field.name: self._beside(f"sy_{field.name}") for field in fields(_Names)}
        return _Names(**named)

    def _beside(self, name: str) -> str:
        """A name of ours, quoted, that no column of either side has."""
        return quote_hive(free_name(name, [*self.old_columns, *(column.name for column in self.columns)]))

    @property
    def _late(self) -> str:
        if self.cursor is None or self.sweep or self.whole_keys:
            return "false"
        cursor = quote_hive(self.cursor)
        return f"coalesce({self._own.old}.{cursor} > {self._own.latest}.{cursor}, false)"

    @property
    def _newer(self) -> str:
        """True if the batch's row of a key is to take the old one's place."""
        return f"({self._own.is_read} is not null and not {self._late})"

    @property
    def _joined(self) -> str:
        return f"{self._old} full outer join {self._latest} on {self._same_key(self._own.old, self._own.latest)}"

    @property
    def _old(self) -> str:
        casts = ", ".join(self._from_old(column) for column in self.columns)
        return f"(select {casts}, true as {self._own.present} from {quote_table(self.old)}) {self._own.old}"

    @property
    def _latest(self) -> str:
        own = self._own
        listed = names(self.columns)
        order = quote_hive(self.cursor or self.key[0])
        rank = f"row_number() over (partition by {self._keys()} order by {order} desc) as {own.rank}"
        ranked = f"(select {listed}, {rank} from {quote_table(self.batch)}) {own.ranked}"
        flags = f"{self._is_dead()} as {own.dead}, true as {own.present}"
        return f"(select {listed}, {flags} from {ranked} where {own.rank} = 1) {own.latest}"

    def _is_dead(self) -> str:
        if self.tombstone is None:
            return "false"
        name = quote_hive(self.tombstone)
        kind = next(column.type for column in self.columns if column.name == self.tombstone)
        return marks_deleted(name, kind)

    def _same_key(self, one: str, other: str) -> str:
        return " and ".join(f"{one}.{quote_hive(name)} = {other}.{quote_hive(name)}" for name in self.key)

    def _from_old(self, column: HiveColumn) -> str:
        name = quote_hive(column.name)
        before = self.old_columns.get(column.name)
        if before is None:
            return f"cast(null as {column.type}) as {name}"
        return name if before == column.type else f"cast({name} as {column.type}) as {name}"

    def _same(self, one: str, other: str) -> str:
        tests = [_equal(f"{one}.{quote_hive(c.name)}", f"{other}.{quote_hive(c.name)}", c.type) for c in self.columns]
        return " and ".join(tests)

    def _keys(self) -> str:
        return ", ".join(map(quote_hive, self.key))


def _of(side: str, column: HiveColumn) -> str:
    return f"{side}.{quote_hive(column.name)}"


def count_shared(table: str, batch: str, columns: Sequence[HiveColumn]) -> str:
    """HiveQL that counts the rows of a table that have the same values in these columns as some row of a batch."""
    same = (_equal(_of("shown", column), _of("added", column), column.type) for column in columns)
    joined = f"left semi join {quote_table(batch)} added on {' and '.join(same)}"
    return f"select count(*) from {quote_table(table)} shown {joined}"


def _equal(one: str, other: str, kind: HiveType) -> str:
    """NULL equals NULL and NaN equals NaN. Hive compares no nested values; `diff` does."""
    if kind.is_nested:
        return "true"
    if kind.is_float:
        return f"cast({one} as string) <=> cast({other} as string)"
    return f"hex({one}) <=> hex({other})" if kind == BINARY else f"{one} <=> {other}"
