"""The type table applied: how one column of a source travels, or why it is refused. The rules are in `types.rules`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import PlainSerializer

from switchyard.records import Record
from switchyard.types.as_string import AS_STRING
from switchyard.types.hive_type import STRING, HiveType
from switchyard.types.lake_names import yaml_key
from switchyard.types.postgres_type import PostgresType
from switchyard.types.quoting import in_bytes, quote_postgres
from switchyard.types.rules import AS_STRING_CURE, REFUSALS, RULES, TEXT_ELEMENTS, Refusal, TypeRule


@dataclass(frozen=True)
class SourceColumn:
    """One column as PostgreSQL describes it, domains resolved.

    `place`: what it is below its name, `system:oid.number`: the server, the table or view, its number there. Empty if
    it is computed, or the login may not know its server. A column that is dropped and added again has another number.
    """

    name: str
    type: PostgresType
    not_null: bool = False
    generated: bool = False
    place: str = ""


def is_other_place(before: str, now: str) -> bool:
    """True for two places of one table (see `SourceColumn`); False if they cannot be compared."""
    table, _, number = before.rpartition(".")
    table_now, _, number_now = now.rpartition(".")
    return table == table_now and number != number_now


def _in_capitals(kind: HiveType) -> str:
    return kind.shown


@dataclass(frozen=True)
class CarriedColumn(Record):
    """A source column with its rule applied.

    `carry` is what PostgreSQL is asked for, for values that fit; `unfit` is a condition, never NULL, that is true for
    those that do not (empty: all do); `raw` is the text of any value. `cast` is HiveQL that makes the lake's value of
    the field that the text travels in, `{c}`: see `cast_of`. A load of an earlier release has its field's name there,
    and neither `place` (see `SourceColumn`) nor `labels` (see `PostgresType`).
    """

    source: str
    name: str
    postgres_type: str
    hive_type: Annotated[HiveType, PlainSerializer(_in_capitals)]
    carry: str
    cast: str
    raw: str
    unfit: str = ""
    unfit_means: str = ""
    cure: str = ""
    staged: HiveType = STRING
    comment: str = ""
    note: str = ""
    not_null: bool = False
    chosen: bool = False
    place: str = ""
    labels: tuple[str, ...] = ()

    def cast_of(self, field: str) -> str:
        """HiveQL that makes the lake's value of a carrier field."""
        return self.cast.format(c=field)


_BY_NAME = {rule.postgres: rule for rule in RULES}
_REFUSED = {name: refusal for refusal in REFUSALS for name in refusal.postgres.split(", ")}
_AS_STRING = {rule.postgres: rule for rule in AS_STRING}
_DIRECT_ELEMENTS = ("smallint", "integer", "bigint", "boolean", *TEXT_ELEMENTS)


def rule_for(column: SourceColumn, choice: str | None = None) -> TypeRule | Refusal:
    """Find the rule of a column's type, or the refusal that stands in its place.

    `choice` is the flow's `as` for the column: `string`, or `decimal(p,s)` for numeric and money.
    """
    base = rule_name(column.type)
    if choice == "string":
        return _as_string(column, base)
    if choice is not None:
        return _as_decimal(base, choice)
    if base in _BY_NAME:
        return _BY_NAME[base]
    fallback = "array of another type" if column.type.element else "any other type"
    return _REFUSED.get(base, _REFUSED[fallback])


def carry(
    column: SourceColumn, choice: str | None = None, comment: str = "", name: str | None = None
) -> CarriedColumn | Refusal:
    """Apply the table to one column; `name`: what the lake calls it, by default its own name in lower case."""
    rule = rule_for(column, choice)
    quoted = quote_postgres(column.name)
    if isinstance(rule, Refusal):
        return Refusal(column.type.text, rule.why, rule.cure.format(c=yaml_key(column.name)))
    precision, scale = _digits(column.type, choice)
    unfit = rule.unfit.format(c=quoted, p=precision, s=scale)
    hive_type = HiveType.parse(rule.hive.format(p=precision, s=scale))
    return CarriedColumn(
        source=column.name,
        name=column.name.lower() if name is None else name,
        postgres_type=column.type.text,
        hive_type=hive_type,
        carry=rule.carry.format(c=quoted, p=precision, s=scale),
        cast=rule.cast.format(c="{c}", p=precision, s=scale),
        raw=rule.raw.format(c=quoted),
        unfit=f"({unfit}) is true" if unfit else "",
        unfit_means=rule.unfit_means,
        cure=rule.cure.format(c=yaml_key(column.name)) if unfit else "",
        staged=HiveType.parse(rule.staged.format(p=precision, s=scale)),
        comment=comment,
        note=rule.note,
        not_null=column.not_null,
        chosen=choice is not None,
        place=column.place,
        labels=() if hive_type.is_decimal else (column.type.element or column.type).labels,
    )


def _as_string(column: SourceColumn, base: str) -> TypeRule:
    if column.type.element:
        direct = base.removesuffix("[]") in _DIRECT_ELEMENTS
        return _AS_STRING["array of whole numbers, boolean or text" if direct else "array"]
    return _AS_STRING.get(base, _AS_STRING["any other type"])


def _as_decimal(base: str, choice: str) -> TypeRule | Refusal:
    if base not in ("numeric", "numeric(p,s)", "numeric(p,s) beyond DECIMAL(38)", "money"):
        return Refusal(base, f"as: {choice} is for columns of type numeric or money")
    value = "{c}::numeric" if base == "money" else "{c}"
    # A modifier rounds in silence, and NaN and Infinity do not fit: so a value that would change is refused.
    unfit = f"{in_bytes(f'{value}::text')} in ('NaN', 'Infinity', '-Infinity')"
    unfit += f" or pg_catalog.abs({value}) >= ('1e' || ({{p}} - {{s}}))::numeric"
    unfit += f" or pg_catalog.round({value}, {{s}}) <> {value}"
    return replace(
        _BY_NAME["numeric(p,s)"],
        carry=f"({value})::text",
        unfit=unfit,
        unfit_means=f"a value that {choice} does not hold",
        cure=f"choose another precision and scale; or {AS_STRING_CURE}",
    )


def carrier_field(number: int) -> str:
    """The field that carries a column's text from PostgreSQL to Hive; columns are numbered in the load's order."""
    return f"c{number}"


def rule_name(kind: PostgresType) -> str:
    """The type's row in the table; an array's is its element's with `[]`."""
    if kind.element is not None:
        return f"{rule_name(kind.element)}[]"
    if kind.precision == 0:
        return kind.name
    return "numeric(p,s)" if 0 <= kind.scale <= kind.precision <= 38 else "numeric(p,s) beyond DECIMAL(38)"


def _digits(kind: PostgresType, choice: str | None) -> tuple[int, int]:
    """Precision and scale of the DECIMAL that a column becomes, by choice or by its own type; zeros for another one."""
    if choice is not None:
        chosen = HiveType.parse(choice)
        return chosen.precision, chosen.scale
    numeric = kind.element or kind
    return numeric.precision, numeric.scale
