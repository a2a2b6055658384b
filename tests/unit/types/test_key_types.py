"""Keys of a merge: every type of the type table is either one whose bytes tell equality, or refused by name."""

import pytest

from harness.postgres_types import postgres_type
from switchyard.types.as_string import AS_STRING
from switchyard.types.carry import SourceColumn
from switchyard.types.keys import BY_BYTES, COLLATED, OTHERWISE, key_fault
from switchyard.types.rules import REFUSALS, RULES

NAMES = {name.removesuffix("[]") for rule in (*RULES, *REFUSALS, *AS_STRING) for name in rule.postgres.split(", ")}
NO_TYPE = {
    *("any other type", "array", "array of another type", "array of whole numbers, boolean or text"),
    *("array of whole numbers", "boolean or text"),
}
WITHOUT_EQUALITY_WE_KNOW = {
    *("tsvector", "tsquery", "point", "line", "lseg", "box", "path", "polygon", "circle", "hstore"),
}


def column(kind: str, of: str = "b") -> SourceColumn:
    return SourceColumn("k", postgres_type(kind, of))


def test_every_type_of_the_table_is_judged() -> None:
    assert not BY_BYTES & OTHERWISE.keys()
    assert NAMES - NO_TYPE - BY_BYTES - OTHERWISE.keys() == WITHOUT_EQUALITY_WE_KNOW


OF_A_LENGTH = {"numeric(p,s)", "numeric(p,s) beyond DECIMAL(38)", "enum", "character"}


@pytest.mark.parametrize("kind", sorted(BY_BYTES - OF_A_LENGTH))
def test_a_type_whose_bytes_tell_equality(kind: str) -> None:
    assert key_fault(column(kind)) is None
    assert key_fault(column(f"{kind}[]"), "string") is None or kind == "money"
    assert "two NULLs in an array" in str(key_fault(column(f"{kind}[]"))), "Hive takes no NULL in a list for equal"


@pytest.mark.parametrize(
    ("kind", "choice"),
    [("numeric(9,2)", None), ("numeric(9,2)", "string"), ("numeric(60,2)", "string"), ("numeric", "decimal(38,4)")],
)
def test_a_number_of_one_scale(kind: str, choice: str | None) -> None:
    assert key_fault(column(kind), choice) is None


@pytest.mark.parametrize(
    ("kind", "choice", "why"),
    [
        ("citext", None, "ignores case"),
        ("citext[]", "string", "ignores case"),
        ("numeric", "string", "1.0 and 1.00"),
        ("numeric[]", "string", "1.0 and 1.00"),
        ("real", None, "-0"),
        ("double precision", "string", "-0"),
        ("interval", "string", "24:00:00"),
        ("jsonb", None, "numbers in it"),
        ("json", None, "has no = for it"),
        ("xml", None, "has no = for it"),
        ("hstore", "string", "it is unknown whether"),
        ("own.isbn", "string", "it is unknown whether"),
        ("character", None, "blanks"),
        ("numeric(9,2)[]", None, "two NULLs in an array"),
        ("money", "string", "lc_monetary"),
        ("money[]", "string", "lc_monetary"),
    ],
)
def test_a_type_that_takes_two_texts_for_one_value(kind: str, choice: str | None, why: str) -> None:
    fault = key_fault(column(kind), choice)
    assert fault is not None
    assert fault.startswith(f"key column 'k' is {kind}: ")
    assert why in fault
    assert "source." in fault or "columns:" in fault, "a cure"


@pytest.mark.parametrize(("kind", "of"), [("own.pair", "c"), ("own.span", "r"), ("own.spans", "m")])
def test_a_type_of_somebodys_own(kind: str, of: str) -> None:
    assert key_fault(column(kind, of), "string") is not None


@pytest.mark.parametrize("kind", sorted(COLLATED - OF_A_LENGTH))
def test_a_collation_may_take_two_texts_for_one_value(kind: str) -> None:
    assert "collation blind" in str(key_fault(column(kind), collation="blind"))
    assert key_fault(column("integer"), collation="blind") is None
