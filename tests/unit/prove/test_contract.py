"""What the contract makes of every change, and the lattice of types. On real servers: integration/prove.."""

from __future__ import annotations

from dataclasses import replace
from decimal import Context, Decimal
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checkout import CHECKOUT
from harness.hive_types import columns_types
from harness.postgres_types import postgres_type
from switchyard.flow.proof import Contract
from switchyard.prove.contract import Agreed, apply_contract
from switchyard.prove.known_columns import KnownColumn
from switchyard.types.carry import CarriedColumn, SourceColumn, carry
from switchyard.types.domains import ExactNumber, domain_of
from switchyard.types.hive_type import BIGINT, DOUBLE, INT, HiveType
from switchyard.types.widening import misfit

Reaction = Literal["evolve", "freeze", "quarantine"]
REACTIONS: tuple[Reaction, ...] = ("evolve", "freeze", "quarantine")
EVOLVE, FREEZE, QUARANTINE = (Contract(columns=r, types=r, nullability=r) for r in REACTIONS)
DOCS = CHECKOUT / "docs" / "contract.md"


def source(*columns: str | SourceColumn, **choices: str) -> list[CarriedColumn]:
    """`name type [not null]`, as carried from the source."""
    made = []
    for said in columns:
        if isinstance(said, str):
            name, _, kind = said.partition(" ")
            said = SourceColumn(
                name, postgres_type(kind.removesuffix(" not null")), not_null=kind.endswith(" not null")
            )
        column = carry(said, choices.get(said.name))
        assert isinstance(column, CarriedColumn)
        made.append(column)
    return made


def named(column: str, name: str) -> list[CarriedColumn]:
    """A column as carried under a name of the flow's choice."""
    source_name, _, kind = column.partition(" ")
    carried = carry(SourceColumn(source_name, postgres_type(kind)), name=name)
    assert isinstance(carried, CarriedColumn)
    return [carried]


def known(*columns: str) -> list[KnownColumn]:
    return [KnownColumn.of(column) for column in source(*columns)]


def placed(place: str, column: str = "v text") -> list[CarriedColumn]:
    """A column at a place of its table."""
    return [replace(one, place=place) for one in source(column)]


def again(agreed: Agreed) -> list[KnownColumn]:
    return [KnownColumn.of(column) for column in agreed.columns]


CHANGES: dict[str, tuple[list[KnownColumn], list[CarriedColumn]]] = {
    "a column was added": (known("id integer"), source("id integer", "x text")),
    "a column was dropped": (known("id integer", "x text"), source("id integer")),
    "a NOT NULL column was dropped": (known("id integer", "x text not null"), source("id integer")),
    "a column was renamed": (known("id integer", "x text"), source("id integer", "y text")),
    "a type became wider": (known("id integer", "x integer"), source("id integer", "x bigint")),
    "a type became narrower, or another": (known("id integer", "x bigint"), source("id integer", "x integer")),
    "timestamp became timestamptz, or back": (
        known("x timestamp without time zone"),
        source("x timestamp with time zone"),
    ),
    "NOT NULL was taken away": (known("id integer not null"), source("id integer")),
    "NOT NULL was added": (known("id integer"), source("id integer not null")),
    "columns changed places": (known("id integer", "x text"), source("x text", "id integer")),
    "the flow says `as: string`": (known("id integer", "x integer"), source("id integer", "x integer", x="string")),
    "the flow gives a carried column another name": (
        known("id integer", "x text"),
        [*source("id integer"), *named("x text", "y")],
    ),
    "the flow leaves a carried column out": (known("id integer", "x text"), source("id integer")),
}
LEFT_OUT = {"the flow leaves a carried column out": ("x",)}


def matrix() -> list[tuple[str, Reaction, str]]:
    rows = [line.strip("| ").split(" | ") for line in DOCS.read_text().splitlines() if line.startswith("| ")]
    header, *body = rows
    assert header[2:] == list(REACTIONS)
    return [(row[0], reaction, cell) for row in body for reaction, cell in zip(REACTIONS, row[2:], strict=True)]


def outcome(agreed: Agreed, now: list[CarriedColumn]) -> str:
    """What the contract adds to the type table's own conditions."""
    if agreed.refused:
        return "refused"
    of_the_type = {column.name: column.unfit for column in now}
    added = [c for c in agreed.columns if c.unfit != of_the_type.get(c.name, "")]
    return "quarantine" if agreed.left_out or added else "taken"


@pytest.mark.parametrize(("change", "reaction", "cell"), matrix())
def test_the_page_says_what_happens(change: str, reaction: Reaction, cell: str) -> None:
    before, now = CHANGES[change]
    contract = Contract(columns=reaction, types=reaction, nullability=reaction)
    agreed = apply_contract(contract, before, now, LEFT_OUT.get(change, ()))
    wanted = "refused" if cell.startswith("refused") else "quarantine" if "quarantined" in cell else "taken"
    assert outcome(agreed, now) == wanted
    if wanted != "refused":
        assert bool(agreed.changes) == (change not in ("NOT NULL was added", "columns changed places"))


def test_the_page_has_every_change() -> None:
    assert {change for change, _, _ in matrix()} == set(CHANGES)


def test_the_first_load_takes_everything() -> None:
    now = source("id integer not null", "x text")
    for contract in (EVOLVE, FREEZE, QUARANTINE):
        assert apply_contract(contract, None, now) == Agreed(tuple(now))


def test_old_columns_first_and_each_reads_the_field_of_its_place() -> None:
    now = source("z integer", "b boolean", "id integer", "a bytea")
    agreed = apply_contract(EVOLVE, known("id integer", "gone numeric(10,2)", "a bytea"), now)
    assert [column.name for column in agreed.columns] == ["id", "gone", "a", "z", "b"]
    assert [column.cast_of(f"c{i}") for i, column in enumerate(agreed.columns)] == [
        "cast(c0 as int)",
        "cast(null as decimal(10,2))",
        "unhex(c2)",
        "cast(c3 as int)",
        "(c4 = 'true')",
    ]
    assert agreed.unread == ("z", "b")


def test_a_column_that_is_left_out_comes_after_the_others() -> None:
    now = source("new integer", "id integer")
    agreed = apply_contract(QUARANTINE, known("id integer"), now)
    assert [column.name for column in agreed.columns] == ["id"]
    (left,) = agreed.left_out
    assert (left.unfit, left.cast) == ('"new" is not null', "cast({c} as int)")
    assert apply_contract(QUARANTINE, again(agreed), now).left_out == agreed.left_out


def test_a_dropped_column_is_told_once_and_judged_by_type_when_it_comes_back() -> None:
    first = apply_contract(EVOLVE, known("id integer", "x integer"), source("id integer"))
    assert first.changes == ("column x is not in the source any more: it stays, NULL",)
    for contract in (EVOLVE, FREEZE, QUARANTINE):
        assert apply_contract(contract, again(first), source("id integer")) == Agreed(first.columns)
    back = apply_contract(EVOLVE, again(first), source("id integer", "x bigint"))
    assert back.changes == ("column x is in the source again", "column x was INT and is BIGINT: wider")
    assert back.unread == ("x",)
    assert apply_contract(FREEZE, again(first), source("id integer", "x text")).refused


def test_a_not_null_column_is_not_dropped_under_a_contract_about_null() -> None:
    contract = Contract(columns="evolve", nullability="freeze")
    agreed = apply_contract(contract, known("id integer", "x text not null"), source("id integer"))
    assert "contract.nullability is freeze" in agreed.refused[0]


def test_a_rename_is_guessed() -> None:
    before, now = CHANGES["a column was renamed"]
    refused = apply_contract(FREEZE, before, now).refused
    assert [("(was x renamed to y?)" in text) for text in refused] == [True, True]


def test_not_null_stays_under_quarantine() -> None:
    agreed = apply_contract(QUARANTINE, known("id integer not null"), source("id integer"))
    assert agreed.columns[0].unfit == '"id" is null'
    assert agreed.columns[0].not_null
    assert apply_contract(QUARANTINE, again(agreed), source("id integer")).columns == agreed.columns


def test_the_old_type_stays_under_quarantine() -> None:
    before, now = CHANGES["a type became wider"]
    agreed = apply_contract(QUARANTINE, before, now)
    assert agreed.columns[1].hive_type == INT
    assert agreed.columns[1].cast_of("c1") == "cast(cast(c1 as bigint) as int)"
    assert "not between -2147483648 and 2147483647" in agreed.columns[1].unfit
    assert apply_contract(QUARANTINE, again(agreed), now).columns == agreed.columns
    lists = apply_contract(QUARANTINE, known("x smallint[]"), source("x integer[]")).columns[0]
    assert (str(lists.hive_type), lists.staged) == ("array<smallint>", lists.hive_type)
    assert "unnest" in lists.unfit
    assert "array_ndims" in lists.unfit


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ("x text", "x integer", "carry its text: columns: {x: {as: string}}"),
        ("x integer", "x text", "convert it back in source.query: select … as x, or set lake.table to a new name"),
        ("x date", "x timestamp without time zone", "does not hold every value it had"),
        ("x integer", "x double precision", "column x was INT and is DOUBLE"),
        ("x numeric(10,2)", "x numeric(10,1)", "column x was DECIMAL(10,2) and is DECIMAL(10,1)"),
        ("x timestamp with time zone", "x timestamp without time zone", "another meaning"),
    ],
)
def test_what_is_no_widening_is_refused_with_its_cure(before: str, now: str, told: str) -> None:
    for contract in (EVOLVE, FREEZE, QUARANTINE):
        (refused,) = apply_contract(contract, known(before), source(now)).refused
        assert told in refused


def test_the_same_text_under_another_name_is_nothing() -> None:
    for contract in (EVOLVE, FREEZE, QUARANTINE):
        agreed = apply_contract(contract, known("x character varying(10)"), source("x text"))
        assert (agreed.changes, agreed.refused) == ((), ())


@given(columns_types, columns_types, st.data())
def test_a_wider_type_holds_every_value(wide: HiveType, narrow: HiveType, data: st.DataObject) -> None:
    one, other = domain_of(wide), domain_of(narrow)
    if not (isinstance(one, ExactNumber) and isinstance(other, ExactNumber)):
        return
    smallest = Decimal((0, (1,), -other.scale))
    drawn = data.draw(st.decimals(other.low, other.high, places=other.scale, allow_nan=False, allow_infinity=False))
    kept = [fits(value, one) for value in (other.low, other.high, smallest, drawn)]
    if wide.holds(narrow):
        assert all(kept)
    elif wide.is_decimal or not narrow.is_decimal:
        assert not all(kept[:3])


def fits(value: Decimal, kind: ExactNumber) -> bool:
    moved = value.scaleb(kind.scale, Context(prec=100))
    return kind.low <= value <= kind.high and moved == moved.to_integral_value(context=Context(prec=100))


@given(columns_types)
def test_whatever_can_become_wider_has_a_condition_for_what_does_not_fit(narrow: HiveType) -> None:
    wider = (INT, BIGINT, HiveType.decimal(38, 0), DOUBLE)
    if any(wide != narrow and wide.holds(narrow) for wide in wider):
        assert "{" not in misfit(narrow, '"x"')


@given(st.data())
def test_any_change_is_carried_or_refused_and_never_forgotten(data: st.DataObject) -> None:
    kinds = ["smallint", "integer", "bigint", "numeric(20,0)", "numeric(10,2)", "real", "text", "date", "integer[]"]
    tables = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(kinds), min_size=1)
    nulls = st.sampled_from(["", " not null"])
    before = known(*(f"{n} {k}{data.draw(nulls)}" for n, k in data.draw(tables).items()))
    now = source(*(f"{n} {k}{data.draw(nulls)}" for n, k in data.draw(tables).items()))
    said: dict[str, Any] = {kind: data.draw(st.sampled_from(REACTIONS)) for kind in ("columns", "types", "nullability")}
    agreed = apply_contract(Contract(**said), before, now)
    if agreed.refused:
        return
    names = [column.name for column in agreed.columns]
    assert names[: len(before)] == [column.name for column in before]
    assert sorted(names + [c.name for c in agreed.left_out]) == sorted({c.name for c in before} | {c.name for c in now})
    for column in (*agreed.columns, *agreed.left_out):
        assert not column.source or "(field)" in column.cast_of("(field)")
    for column, old in zip(agreed.columns, before, strict=False):
        assert column.hive_type.holds(old.hive_type)
        assert column.hive_type == old.hive_type or said["types"] == "evolve"
        assert column.not_null or not old.not_null or said["nullability"] == "evolve"
    settled = apply_contract(Contract(**said), again(agreed), now)
    assert settled.columns == agreed.columns
    assert settled.refused == ()


def test_another_name_is_a_new_column_and_everything_is_read_again() -> None:
    before = known("id integer", "x text not null")
    for contract in (EVOLVE, FREEZE, QUARANTINE):
        agreed = apply_contract(contract, before, [*source("id integer"), *named("x text", "y")])
        assert [(column.name, column.source) for column in agreed.columns] == [("id", "id"), ("x", ""), ("y", "x")]
        assert (agreed.refused, agreed.unread, agreed.emptied) == ((), ("y",), ("x",))
        assert agreed.moved == ("column x is called y from now on, as the flow asks: x stays, NULL",)
        settled = apply_contract(contract, again(agreed), [*source("id integer"), *named("x text", "y")])
        assert (settled.changes, settled.refused, settled.unread, settled.emptied) == ((), (), (), ())


def test_two_columns_that_change_names_are_both_read_again() -> None:
    swapped = [*source("id integer"), *named("a text", "b"), *named("b text", "a")]
    agreed = apply_contract(FREEZE, known("id integer", "a text", "b text"), swapped)
    assert agreed.refused == ()
    assert set(agreed.unread) == set(agreed.emptied) == {"a", "b"}
    assert len(agreed.moved) == 2


def test_a_name_that_stays_over_a_rename_in_the_source_is_no_move() -> None:
    agreed = apply_contract(FREEZE, known("id integer", "x text"), [*source("id integer"), *named("renamed text", "x")])
    assert (agreed.refused, agreed.moved, agreed.emptied, agreed.unread) == ((), (), (), ("x",))
    assert agreed.changes == ("column x is read from 'renamed', as the flow asks, and was from 'x'",)


def test_the_name_of_a_column_that_is_left_out_may_be_another_ones_and_that_is_a_move() -> None:
    now = [*source("id integer"), *named("y text", "x")]
    agreed = apply_contract(EVOLVE, known("id integer", "x text"), now, ["x"])
    assert (agreed.emptied, len(agreed.moved)) == (("x",), 1)
    twin = [*source("id integer"), *named("X text", "x")]
    assert apply_contract(EVOLVE, known("id integer", "x text"), twin, ["x"]).emptied == ("x",)


def test_other_capitals_in_the_source_are_no_change() -> None:
    agreed = apply_contract(FREEZE, known("id integer", "x text"), source("id integer", "X text"))
    assert (agreed.changes, agreed.refused, agreed.unread) == ((), (), ())


def test_a_column_left_out_is_emptied_once_and_judged_as_a_column_that_comes_back() -> None:
    agreed = apply_contract(FREEZE, known("id integer", "x text not null"), source("id integer"), ["x"])
    assert (agreed.refused, agreed.unread, agreed.emptied) == ((), ("x",), ("x",))
    assert "what was published before has its values" in agreed.changes[0]
    settled = apply_contract(FREEZE, again(agreed), source("id integer"), ["x"])
    assert (settled.changes, settled.unread, settled.emptied) == ((), (), ())
    back = apply_contract(FREEZE, again(agreed), source("id integer", "x text"))
    assert back.changes == ("column x is in the source again",)
    assert back.unread == ("x",)


def test_a_column_left_out_from_the_first_load_is_nowhere() -> None:
    agreed = apply_contract(EVOLVE, known("id integer"), source("id integer"), ["secret"])
    assert (agreed.changes, [column.name for column in agreed.columns]) == ((), ["id"])


def test_a_version_that_does_not_say_its_sources_goes_by_name() -> None:
    before = [KnownColumn("id", INT), KnownColumn("x", HiveType.parse("string"))]
    agreed = apply_contract(FREEZE, before, [*source("id integer"), *named("X text", "y")])
    assert (agreed.refused, agreed.emptied) == ((), ("x",))


@pytest.mark.parametrize("contract", [EVOLVE, FREEZE, QUARANTINE], ids=REACTIONS)
@pytest.mark.parametrize(
    ("before", "now", "is_another"),
    [
        ("7:16412.2", "7:16412.2", False),
        ("7:16412.2", "7:16412.5", True),
        ("7:16412.2", "7:16999.5", False),
        ("7:16412.2", "8:16412.5", False),
        ("", "7:16412.5", False),
        ("7:16412.2", "", False),
    ],
)
def test_a_column_that_was_added_again_under_its_name_is_read_in_every_row(
    contract: Contract, before: str, now: str, is_another: bool
) -> None:
    agreed = apply_contract(contract, [KnownColumn.of(column) for column in placed(before)], placed(now))
    assert agreed.unread == (("v",) if is_another else ())
    assert (agreed.refused, agreed.emptied) == ((), ())
    assert [fact for fact in agreed.changes if "added again" in fact] == list(agreed.changes)
    assert bool(agreed.changes) is is_another
    assert [column.place for column in agreed.columns] == [now], "the next load compares with this one"


def of_enum(*labels: str, column: str = "v") -> list[CarriedColumn]:
    return [replace(source(f"{column} text")[0], labels=labels)]


@pytest.mark.parametrize(
    ("before", "now", "renamed"),
    [
        (["a", "b"], ["a", "b"], ""),
        (["a", "b"], ["z", "a", "y", "b", "x"], ""),
        (["a", "b"], ["A", "b"], "'a'"),
        (["a", "b"], ["b", "A"], "'a'"),
        (["a", "b"], ["b", "a"], "'b'"),
        (["a", "b", "c"], ["x", "y", "c", "d"], "'a', 'b'"),
        ([], ["a"], ""),
        (["a"], [], ""),
        (["a integer, b text"], ["a integer, b text, c text"], "'a integer, b text'"),
        (["a integer, b text"], ["x integer, b text"], "'a integer, b text'"),
        (["C"], ["de_DE.UTF-8"], "'C'"),
    ],
)
def test_rows_of_a_renamed_label_are_read_again(before: list[str], now: list[str], renamed: str) -> None:
    """Without labels the text depends on nothing else, or a release before this one published it."""
    agreed = apply_contract(Contract(), [KnownColumn.of(of_enum(*before)[0])], of_enum(*now))
    assert agreed.refused == ()
    assert agreed.unread == (("v",) if renamed else ())
    changes = [f"column v: labels, fields or locale of its type are others, before {renamed}"] if renamed else []
    assert list(agreed.changes) == changes
