"""The HiveQL that merges a batch into a version by key. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from switchyard.lake.hiveql.statements import names, quote_table
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import BINARY, BOOLEAN, HiveType
from switchyard.types.quoting import quote_hive

COUNTS = ("before", "inserted", "updated", "unchanged", "late", "deleted", "unknown")
"""Rows of the version before; then what the batch does to them. `late`: older than the row that is there, which stays;
`unknown`: a tombstone of a key that is not there."""


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
    """

    old: str
    old_columns: Mapping[str, HiveType]
    batch: str
    columns: Sequence[HiveColumn]
    key: Sequence[str]
    cursor: str | None
    tombstone: str | None
    sweep: bool

    def into(self, target: str) -> str:
        """Write the new version: one pass over both."""
        picked = ", ".join(
            f"if({self._new}, {_of('l', c)}, {_of('o', c)}) as {quote_hive(c.name)}" for c in self.columns
        )
        gone = "l.sy_there is null" if self.sweep else "false"
        stays = f"({self._new} and not l.sy_dead) or (not {self._new} and o.sy_there and not ({gone}))"
        return f"insert overwrite table {quote_table(target)} select {picked} from {self._joined} where {stays}"

    def counts(self) -> str:
        """One row: COUNTS."""
        both = f"o.sy_there and {self._new}"
        deleted = f"({both} and l.sy_dead)" + (" or (o.sy_there and l.sy_there is null)" if self.sweep else "")
        tests = {
            "before": "o.sy_there",
            "inserted": f"o.sy_there is null and {self._new} and not l.sy_dead",
            "updated": f"{both} and not l.sy_dead and not ({self._same('o', 'l')})",
            "unchanged": f"{both} and not l.sy_dead and {self._same('o', 'l')}",
            "late": f"o.sy_there and l.sy_there and {self._late}",
            "deleted": deleted,
            "unknown": "o.sy_there is null and l.sy_there and l.sy_dead",
        }
        counted = ", ".join(f"count(case when {tests[name]} then 1 end)" for name in COUNTS)
        return f"select {counted} from {self._joined}"

    def faults(self) -> str:
        """One row: rows of the batch, rows with NULL in the key, keys, keys that tie at their largest cursor."""
        null = " or ".join(f"{quote_hive(name)} is null" for name in self.key)
        order = f"order by {quote_hive(self.cursor)} desc" if self.cursor else f"order by {quote_hive(self.key[0])}"
        ranked = f"rank() over (partition by {self._keys()} {order}) as sy_rank"
        return (
            f"select sum(n), sum(nulls), count(*), sum(if(first > 1, 1, 0)) from (select count(*) as n, "
            f"sum(if({null}, 1, 0)) as nulls, sum(if(sy_rank = 1, 1, 0)) as first "
            f"from (select {self._keys()}, {ranked} from {quote_table(self.batch)}) r group by {self._keys()}) k"
        )

    def placed(self, target: str) -> str:
        """One row: rows of the new version, and those that are, value by value, what the batch says of their key."""
        on = " and ".join(f"f.{quote_hive(name)} = l.{quote_hive(name)}" for name in self.key)
        return (
            f"select count(*), count(case when l.sy_there and not l.sy_dead and {self._same('f', 'l')} then 1 end) "
            f"from {quote_table(target)} f left join {self._latest} on {on}"
        )

    @property
    def _late(self) -> str:
        if self.cursor is None or self.sweep:
            return "false"
        return f"coalesce(o.{quote_hive(self.cursor)} > l.{quote_hive(self.cursor)}, false)"

    @property
    def _new(self) -> str:
        return f"(l.sy_there is not null and not {self._late})"

    @property
    def _joined(self) -> str:
        on = " and ".join(f"o.{quote_hive(name)} = l.{quote_hive(name)}" for name in self.key)
        return f"{self._old} full outer join {self._latest} on {on}"

    @property
    def _old(self) -> str:
        casts = ", ".join(self._from_old(column) for column in self.columns)
        return f"(select {casts}, true as sy_there from {quote_table(self.old)}) o"

    @property
    def _latest(self) -> str:
        listed = names(self.columns)
        order = quote_hive(self.cursor or self.key[0])
        rank = f"row_number() over (partition by {self._keys()} order by {order} desc) as sy_rank"
        ranked = f"(select {listed}, {rank} from {quote_table(self.batch)}) r"
        return f"(select {listed}, {self._dead()} as sy_dead, true as sy_there from {ranked} where sy_rank = 1) l"

    def _dead(self) -> str:
        if self.tombstone is None:
            return "false"
        name = quote_hive(self.tombstone)
        kind = next(column.type for column in self.columns if column.name == self.tombstone)
        return f"coalesce({name}, false)" if kind == BOOLEAN else f"({name} is not null)"

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


def _equal(one: str, other: str, kind: HiveType) -> str:
    """NULL equals NULL and NaN equals NaN. Hive compares no nested values; `diff` does."""
    if kind.is_nested:
        return "true"
    if kind.is_float:
        return f"cast({one} as string) <=> cast({other} as string)"
    return f"hex({one}) <=> hex({other})" if kind == BINARY else f"{one} <=> {other}"
