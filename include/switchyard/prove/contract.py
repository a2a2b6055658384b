"""What a change of the source's schema does to a lake table: the flow's `contract`, applied. Pure.

The matrix is docs/contract.md. Order: the columns of the version before, then the new ones.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from switchyard.flow.proof import Contract
from switchyard.prove.known_columns import KnownColumn, NameChanges
from switchyard.prove.retyped import is_retyped
from switchyard.types.carry import CarriedColumn
from switchyard.types.hive_type import STRING
from switchyard.types.lake_names import yaml_key
from switchyard.types.quoting import quote_postgres
from switchyard.types.widening import misfit

_MEANINGS = frozenset({"timestamp without time zone", "timestamp with time zone"})
"""PostgreSQL types that become the same Hive type and mean different things in it."""


@dataclass(frozen=True)
class Agreed:
    """What a load carries under the contract.

    `left_out`: columns the table does not get, whose `unfit` finds rows to quarantine;
    `unread`: columns that rows read by earlier loads may have another value in, so that a merge reads all rows again;
    `emptied`: those whose earlier values are not theirs any more: no later version has them; `moved`: of `changes`,
    those by which the flow gives a carried column another name.
    """

    columns: tuple[CarriedColumn, ...]
    left_out: tuple[CarriedColumn, ...] = ()
    changes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Ruling:
    """What becomes of one column."""

    columns: tuple[CarriedColumn, ...] = ()
    left_out: tuple[CarriedColumn, ...] = ()
    changes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unread: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()


def apply_contract(
    contract: Contract,
    before: Sequence[KnownColumn] | None,
    now: Sequence[CarriedColumn],
    not_read: Collection[str] = (),
) -> Agreed:
    """Compare the source's columns with the current version's.

    Args:
        contract: of the flow. It judges changes of the source, not those that the flow itself asks for.
        before: the current version's columns; None when there is no version yet.
        now: the columns that are read.
        not_read: columns of the source that the flow leaves out.
    """
    if before is None:
        return Agreed(tuple(now))
    by_flow = NameChanges(before, now, not_read)
    earlier = {column.name: column for column in before}
    here = {column.name: column for column in now}
    hint = _rename_hint(
        [c for c in before if c.name not in here and not c.dropped], [c for c in now if c.name not in earlier]
    )
    rulings = []
    for column in before:
        if column.name in here:
            rulings.append(_judge_kept(contract, column, here[column.name], by_flow))
        else:
            rulings.append(_by_choice(column, by_flow) or _judge_dropped(contract, column, hint))
    added = [column for column in now if column.name not in earlier]
    rulings += [_judge_new_name(column, by_flow) or _judge_added(contract, column, hint) for column in added]
    return _agreed(rulings)


def _judge_added(contract: Contract, column: CarriedColumn, hint: str) -> _Ruling:
    if contract.columns == "evolve":
        return _Ruling(
            (column,), changes=[f"column {column.name} is new: {column.hive_type.shown}"], unread=(column.name,)
        )
    if contract.columns == "freeze":
        cure = (
            "set contract.columns: evolve to take it, or leave it out: columns: "
            f"{{{yaml_key(column.source)}: {{leave_out: true}}}}"
        )
        return _Ruling(
            refused=[f"column {column.name} is new in the source, and contract.columns is freeze{hint}; {cure}"]
        )
    unfit = f"{quote_postgres(column.source)} is not null"
    means = "a value in a new column that the contract leaves out"
    return _Ruling(
        left_out=(replace(column, unfit=unfit, unfit_means=means),),
        changes=[f"column {column.name} is new and left out: rows with a value in it are quarantined"],
    )


def _by_choice(column: KnownColumn, by_flow: NameChanges) -> _Ruling | None:
    """Rule on a column that the flow itself took away: by another name, or by leaving it out; else None."""
    moved_to = by_flow.new_name(column)
    if moved_to is not None:
        fact = f"column {column.name} is called {moved_to} from now on, as the flow asks: {column.name} stays, NULL"
        return _Ruling((_kept(column),), changes=[fact], emptied=(column.name,), moved=(fact,))
    if not by_flow.leaves_out(column):
        return None
    fact = (
        f"column {column.name} is left out, as the flow asks: it stays, NULL; what was published before has its values"
    )
    return _Ruling((_kept(column),), changes=[fact], unread=(column.name,), emptied=(column.name,))


def _judge_new_name(column: CarriedColumn, by_flow: NameChanges) -> _Ruling | None:
    """Rule on a column that is new in the lake and not in the source; None for any other."""
    old = by_flow.old_name(column)
    if old is None:
        return None
    fact = f"column {column.name} is new: {column.hive_type.shown}, of source column {column.source!r}, which was {old}"
    return _Ruling((column,), changes=[fact], unread=(column.name,))


def _kept(column: KnownColumn) -> CarriedColumn:
    """A column of the lake that nothing is read for: NULL."""
    return CarriedColumn(
        source="",
        name=column.name,
        postgres_type=column.postgres_type,
        hive_type=column.hive_type,
        carry="null",
        cast=f"cast(null as {column.hive_type})",
        raw="null",
        comment=column.comment,
    )


def _judge_dropped(contract: Contract, column: KnownColumn, hint: str) -> _Ruling:
    kept = _kept(column)
    if column.dropped:
        return _Ruling((kept,))
    fact = f"column {column.name} is not in the source any more"
    back = (
        f"put the column back at the source; or, if it was renamed, set columns: {{NEW_NAME: {{name: {column.name}}}}}"
    )
    if contract.columns != "evolve":
        policy = contract.columns
        why = "" if policy == "freeze" else ", which would quarantine every row"
        cure = f"{back}; or set contract.columns: evolve, which keeps it as NULL"
        return _Ruling((kept,), refused=[f"{fact}, and contract.columns is {policy}{why}{hint}; {cure}"])
    if column.not_null and contract.nullability != "evolve":
        cure = f"{back}; or set contract.nullability: evolve"
        return _Ruling(
            (kept,),
            refused=[f"{fact}, it was NOT NULL, and contract.nullability is {contract.nullability}{hint}; {cure}"],
        )
    return _Ruling((kept,), changes=[f"{fact}: it stays, NULL"])


def _judge_kept(contract: Contract, before: KnownColumn, now: CarriedColumn, by_flow: NameChanges) -> _Ruling:
    changes = []
    refused = []
    column = now
    if before.dropped:
        changes.append(f"column {now.name} is in the source again")
    other = by_flow.is_another(before, now)
    if other:
        changes.append(
            f"column {now.name} is read from {now.source!r}, as the flow asks, and was from {before.source!r}"
        )
    moved = other and by_flow.still_has(before)
    again = before.is_another_of_its_name(now)
    if again:
        changes.append(f"column {now.name} is another one than before at the source: added again, or renamed")
    renamed = before.renamed_labels(now)
    if renamed:
        before_that = ", ".join(map(repr, renamed))
        changes.append(f"column {now.name}: labels, fields or locale of its type are others, before {before_that}")
    if _means_otherwise(before, now):
        refused.append(_other_meaning(before, now))
    elif before.hive_type != now.hive_type:
        column, change, fault = _judge_type(contract, before, now)
        changes += change
        refused += fault
    if before.not_null and not now.not_null:
        column, change, fault = _judge_null(contract, column)
        changes += change
        refused += fault
    unread = before.dropped or other or again or renamed or is_retyped(before, column)
    return _Ruling(
        (column,),
        changes=changes,
        refused=refused,
        unread=(now.name,) if unread else (),
        emptied=(now.name,) if moved else (),
        moved=(changes[0],) if moved else (),
    )


def _judge_type(
    contract: Contract, before: KnownColumn, now: CarriedColumn
) -> tuple[CarriedColumn, list[str], list[str]]:
    """Rule on a changed type: the column to carry, what changed, what is refused."""
    fact = f"column {now.name} was {before.hive_type.shown} and is {now.hive_type.shown}"
    if now.chosen and now.hive_type == STRING:
        return now, [f"{fact}, as the flow asks"], []
    if not now.hive_type.holds(before.hive_type):
        return now, [], [f"{fact}, which does not hold every value it had; {_convert_back(before, now)}"]
    if now.chosen or contract.types == "evolve":
        return now, [f"{fact}: wider"], []
    if contract.types == "freeze":
        cure = f"set contract.types: evolve to take it, or {_convert_back(before, now)}"
        return now, [], [f"{fact}, which is wider, and contract.types is freeze; {cure}"]
    return _stay(before, now), [f"{fact}: it stays {before.hive_type.shown}, rows that do not fit are quarantined"], []


def _stay(before: KnownColumn, now: CarriedColumn) -> CarriedColumn:
    """Carry a column that became wider in its old type."""
    old = before.hive_type
    column = _refusing_rows(
        now,
        misfit(old, quote_postgres(now.source)),
        f"a value that {old.shown}, the contract's type, does not hold",
    )
    if old.is_list:
        return replace(column, hive_type=old, staged=old)
    return replace(column, hive_type=old, cast=f"cast({now.cast} as {old})")


def _judge_null(contract: Contract, column: CarriedColumn) -> tuple[CarriedColumn, list[str], list[str]]:
    fact = f"column {column.name} was NOT NULL and may be NULL now"
    if contract.nullability == "evolve":
        return column, [fact], []
    if contract.nullability == "freeze":
        cure = "set contract.nullability: evolve to take it, or declare the column NOT NULL again"
        return column, [], [f"{fact}, and contract.nullability is freeze; {cure}"]
    nullable = _refusing_rows(
        column, f"{quote_postgres(column.source)} is null", "NULL, which the contract does not allow"
    )
    return replace(nullable, not_null=True), [f"{fact}: rows with NULL in it are quarantined"], []


def _refusing_rows(column: CarriedColumn, unfit: str, means: str) -> CarriedColumn:
    return replace(
        column,
        unfit=f"({column.unfit}) or ({unfit})" if column.unfit else unfit,
        unfit_means=f"{column.unfit_means}, or {means}" if column.unfit else means,
    )


def _means_otherwise(before: KnownColumn, now: CarriedColumn) -> bool:
    kinds = {re.sub(r"\(\d+\)", "", name) for name in (before.postgres_type, now.postgres_type)}
    return len(kinds) == 2 and kinds <= _MEANINGS and not now.chosen


def _other_meaning(before: KnownColumn, now: CarriedColumn) -> str:
    old_type = before.postgres_type
    new_type = now.postgres_type
    return (
        f"column {now.name} was {old_type} and is {new_type}: the same type in Hive, with "
        f"another meaning; {_convert_back(before, now)}"
    )


def _convert_back(before: KnownColumn, now: CarriedColumn) -> str:
    table = "or set lake.table to a new name, and the next run loads everything into it"
    if before.hive_type == STRING:
        return f"carry its text: columns: {{{yaml_key(now.source)}: {{as: string}}}}, {table}"
    return f"convert it back in source.query: select … as {now.name}, {table}"


def _rename_hint(dropped: list[KnownColumn], added: list[CarriedColumn]) -> str:
    """A question about a rename, if one column was dropped and one of the same type was added; else empty."""
    if len(dropped) == len(added) == 1 and dropped[0].hive_type == added[0].hive_type:
        return f" (was {dropped[0].name} renamed to {added[0].name}?)"
    return ""


def _agreed(rulings: Sequence[_Ruling]) -> Agreed:
    columns = [column for ruling in rulings for column in ruling.columns]
    left_out = [column for ruling in rulings for column in ruling.left_out]
    return Agreed(
        columns=tuple(columns),
        left_out=tuple(left_out),
        changes=tuple(text for ruling in rulings for text in ruling.changes),
        refused=tuple(text for ruling in rulings for text in ruling.refused),
        unread=tuple(name for ruling in rulings for name in ruling.unread),
        emptied=tuple(name for ruling in rulings for name in ruling.emptied),
        moved=tuple(text for ruling in rulings for text in ruling.moved),
    )
