"""Names that a column can have in the lake, for fifty that PostgreSQL takes and that are awkward to carry."""

from __future__ import annotations

import re

import pytest
import yaml

from harness.awkward_names import AWKWARD, CARRIED_AS_THEY_ARE
from harness.postgres_types import postgres_type
from switchyard.flow.identifiers import POSTGRES_NAME_BYTES, check_lake_column
from switchyard.types.carry import CarriedColumn, SourceColumn, carry
from switchyard.types.lake_names import LAKE_COLUMN, LakeName, name_faults, suggest, yaml_key
from switchyard.types.quoting import quote_postgres


def test_there_are_fifty_and_all_are_names_of_postgresql() -> None:
    assert len(AWKWARD) == len(set(AWKWARD)) >= 50
    assert all(0 < len(name.encode()) <= POSTGRES_NAME_BYTES for name in AWKWARD)


def test_names_that_cannot_travel_are_refused_with_a_name_that_can() -> None:
    faults = name_faults([LakeName.of(name, None) for name in AWKWARD])
    assert {fault.source for fault in faults} == set(AWKWARD) - CARRIED_AS_THEY_ARE
    for fault in faults:
        choice = yaml.safe_load(re.search(r"\{.*?\}\}", fault.cure)[0])  # type: ignore[index]
        assert list(choice) == [fault.source]
        assert LAKE_COLUMN.fullmatch(choice[fault.source]["name"])


def test_the_names_suggested_together_are_taken_together() -> None:
    faults = name_faults([LakeName.of(name, None) for name in AWKWARD])
    chosen = {f.source: re.search(r"name: ([^}]+)\}", f.cure)[1] for f in faults}  # type: ignore[index]
    assert name_faults([LakeName.of(name, chosen.get(name)) for name in AWKWARD]) == []


@pytest.mark.parametrize("name", [*AWKWARD, "2020_total", "_2020", "__id", "id", "_identity"])
def test_a_name_that_is_carried_can_be_named_by_the_flow_and_no_other(name: str) -> None:
    """A column `2020_total` was carried, and no check, index or key could name it."""
    is_carried = name_faults([LakeName.of(name, None)]) == []
    try:
        is_named = check_lake_column(name.lower()) == name.lower()
    except ValueError:
        is_named = False
    assert is_named is is_carried


@pytest.mark.parametrize("name", AWKWARD)
def test_each_is_a_key_of_yaml_and_quoted_for_sqoop(name: str) -> None:
    assert yaml.safe_load(f"{{{yaml_key(name)}: 1}}") == {name: 1}
    assert LAKE_COLUMN.fullmatch(suggest(name))
    assert "$" not in quote_postgres(name)


@pytest.mark.parametrize("name", AWKWARD)
def test_a_column_is_carried_under_the_name_that_the_flow_gives(name: str) -> None:
    column = carry(SourceColumn(name, postgres_type("integer")), name="c")
    assert isinstance(column, CarriedColumn)
    assert (column.source, column.name) == (name, "c")
    assert quote_postgres(name) in column.carry


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ([LakeName.of("a", None), LakeName.of("b", "a")], "would be called 'a' in the lake, as column 'a' is"),
        ([LakeName.of("b", "a"), LakeName.of("A", None)], "would be called 'a' in the lake, as column 'b' is"),
        (
            [LakeName.of("A", None), LakeName.of("a", None)],
            ("is the same name as that of column 'A' in Hive, which ignores case"),
        ),
        ([LakeName.of("a", "x"), LakeName.of("a", "x")], "is twice in the result of source.query"),
        ([LakeName.of("a$CONDITIONS", "x")], "has $CONDITIONS in its name"),
        ([LakeName.of("_id", None)], "has a name that Hive, Parquet or MongoDB does not take"),
    ],
)
def test_two_columns_never_have_one_name(names: list[LakeName], why: str) -> None:
    assert any(fault.why.startswith(why) for fault in name_faults(names))


def test_names_may_be_swapped() -> None:
    assert name_faults([LakeName.of("a", "b"), LakeName.of("b", "a"), LakeName.of("B", "c")]) == []
