"""Hive's types as values, and that no other module takes their text apart."""

from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checkout import CHECKOUT
from harness.hive_types import any_type, columns_types
from harness.postgres_types import postgres_type
from switchyard.errors import UnknownHiveType
from switchyard.lake.thrift import fields
from switchyard.types.carry import CarriedColumn, SourceColumn, carry
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import DOUBLE, INT, STRING, HiveType

SOURCES = CHECKOUT / "include" / "switchyard"


@settings(deadline=None)
@given(any_type)
def test_a_types_text_is_read_back_as_the_type(kind: HiveType) -> None:
    assert HiveType.parse(str(kind)) == kind
    assert str(HiveType.parse(str(kind))) == str(kind)


@settings(deadline=None)
@given(any_type, st.sampled_from(["", " ", "  ", "\n"]))
def test_capitals_and_spaces_change_nothing(kind: HiveType, space: str) -> None:
    loose = re.sub(r"([<>(),:])", rf"{space}\1{space}", str(kind)) if not kind.zone else str(kind)
    assert HiveType.parse(loose) == kind
    if not re.search(r"zone\('", str(kind)):
        assert HiveType.parse(kind.shown) == kind


@settings(deadline=None)  # the first call imports Thrift
@given(any_type)
def test_the_metastore_gets_the_text_that_it_would_write(kind: HiveType) -> None:
    (field,) = fields([HiveColumn("c", kind)])
    assert field.type == str(kind)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("ARRAY<DECIMAL(10,2)>", "array<decimal(10,2)>"),
        ("Decimal( 10 , 2 )", "decimal(10,2)"),
        ("decimal", "decimal(10,0)"),
        ("decimal(7)", "decimal(7,0)"),
        ("numeric(7,1)", "decimal(7,1)"),
        ("integer", "int"),
        ("double  precision", "double"),
        ("struct<A:int,b:array<struct<c:string>>>", "struct<a:int,b:array<struct<c:string>>>"),
        ("map<string,map<string,string>>", "map<string,map<string,string>>"),
        ("timestamp with local time zone('US/Pacific')", "timestamp with local time zone('US/Pacific')"),
        ("varchar(255)", "varchar(255)"),
    ],
)
def test_known_spellings(text: str, canonical: str) -> None:
    assert str(HiveType.parse(text)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "integre",
            "int(4)",
            "int,int",
            "int>",
            "array",
            "array<>",
            "array<int",
            "array<int,int>",
            "array<int>>",
        ),
        *(
            "decimal(39,0)",
            "decimal(0,0)",
            "decimal(3,4)",
            "decimal(-1,0)",
            "decimal(1,2,3)",
            "decimal(٣,٠)",
            "decimal()",
        ),
        *("map<int>", "struct<>", "struct<a>", "struct<a:>", "struct<:int>", "varchar", "varchar(x)", "char(1,2)"),
        *("timestamp with local time zone(x)", "'int'", "numeric(p,s)", "text", "array<text>", "variant"),
    ],
)
def test_what_is_not_a_hive_type_is_refused_by_name(text: str) -> None:
    with pytest.raises(UnknownHiveType, match="is not a type that Hive has") as refused:
        HiveType.parse(text)
    assert repr(text) in str(refused.value)
    again = pickle.loads(pickle.dumps(refused.value))
    assert str(again) == str(refused.value)


@settings(deadline=None)
@given(st.text(st.sampled_from("array<int>decimal(10,2)struct:map "), max_size=30))
def test_any_text_is_a_type_or_refused(text: str) -> None:
    try:
        kind = HiveType.parse(text)
    except UnknownHiveType:
        return
    assert HiveType.parse(str(kind)) == kind


@settings(deadline=None)
@given(columns_types, columns_types, columns_types)
def test_wider_is_a_partial_order(a: HiveType, b: HiveType, c: HiveType) -> None:
    assert a.holds(a)
    assert not (a.holds(b) and b.holds(a)) or a == b
    assert not (a.holds(b) and b.holds(c)) or a.holds(c)


@settings(deadline=None)
@given(columns_types, columns_types)
def test_lists_are_ordered_as_their_elements(a: HiveType, b: HiveType) -> None:
    lists = [HiveType("array", parts=(kind,)) for kind in (a, b)]
    assert lists[0].holds(lists[1]) == a.holds(b)
    assert not a.holds(lists[0])


def test_what_is_known_of_a_type() -> None:
    decimal = HiveType.parse("decimal(10,2)")
    assert (decimal.precision, decimal.scale, decimal.whole_digits, decimal.is_decimal) == (10, 2, 8, True)
    assert (INT.whole_digits, INT.bits, INT.is_integer, INT.is_nested) == (10, 32, True, False)
    assert (DOUBLE.is_float, DOUBLE.whole_digits) == (True, None)
    numbers = HiveType.parse("array<int>")
    assert (numbers.element, numbers.is_list, numbers.is_nested, STRING.element) == (INT, True, True, None)


COLUMNS = {
    "bigint": {"hive_type": "BIGINT", "cast": "cast(c7 as bigint)", "staged": "string"},
    "numeric(10,2)": {"hive_type": "DECIMAL(10,2)", "cast": "cast(c7 as decimal(10,2))", "staged": "string"},
    "numeric(10,2)[]": {"hive_type": "ARRAY<DECIMAL(10,2)>", "cast": "c7", "staged": "array<decimal(10,2)>"},
    "boolean": {"hive_type": "BOOLEAN", "cast": "(c7 = 'true')", "staged": "string"},
}
"""As the release before this one wrote them into the ledger, for the load's eighth column."""


@pytest.mark.parametrize("postgres", COLUMNS)
def test_the_facts_of_an_earlier_release_are_the_same_column(postgres: str) -> None:
    now = carry(SourceColumn("c", postgres_type(postgres)))
    assert isinstance(now, CarriedColumn)
    before = CarriedColumn.from_json({**now.to_json(), **COLUMNS[postgres]})
    assert (before.hive_type, before.staged) == (now.hive_type, now.staged)
    assert before.cast_of("c7") == now.cast_of("c7")
    assert CarriedColumn.from_json(now.to_json()) == now
    assert (now.to_json()["hive_type"], now.to_json()["staged"]) == (COLUMNS[postgres]["hive_type"], str(now.staged))


NAMES = "tinyint|smallint|int|bigint|float|double|boolean|string|binary|date|timestamp|decimal|array|map|struct"
ATTRIBUTES = {"type", "hive_type", "staged", "kind"}
PIECES = re.compile(
    rf"(?i)^(\^|\(|\\b)*({NAMES})(\\?[<(].*)?$|^<$|^(array|decimal)\b|\b(decimal|array|map|struct)\\?[(<]"
)
TAKING_APART = {"startswith", "endswith", "removeprefix", "removesuffix", "partition", "rpartition", "split", "find"}
OTHERS_TYPES = {"redis_source.py"}
"""Modules that read types of other servers."""
FOLDING = {"lower", "upper", "casefold"}
REGEX = {"compile", "match", "fullmatch", "search", "sub", "findall", "split"}


def faults(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Where a module reads the text of a Hive type: folds it, cuts it, or compares it with a text."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr=name), args=arguments):
                if name in FOLDING and names_a_type(owner):
                    yield node.lineno, f"folds a type's case: {ast.unparse(node)}"
                if name in TAKING_APART and arguments and is_piece(arguments[0]):
                    yield node.lineno, f"takes a type's text apart: {ast.unparse(node)}"
                if name in REGEX and ast.unparse(owner) == "re" and arguments and is_piece(arguments[0]):
                    yield node.lineno, f"parses a type: {ast.unparse(node)}"
            case ast.Compare(left=left, comparators=[right]):
                if names_a_type(left) and is_piece(right):
                    yield node.lineno, f"compares a type with a text: {ast.unparse(node)}"
                if is_piece(left) and names_a_type(right):
                    yield node.lineno, f"looks for a text in a type: {ast.unparse(node)}"


def names_a_type(node: ast.expr) -> bool:
    if isinstance(node, ast.Subscript):
        return ast.unparse(node.value) == "types"
    return (isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES) or (
        isinstance(node, ast.Name) and node.id in ATTRIBUTES - {"type"}
    )


def is_piece(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(map(is_piece, node.elts))
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(PIECES.search(node.value))


def test_only_hive_type_reads_the_text_of_a_type() -> None:
    found = [
        f"{path.relative_to(SOURCES)}:{line}: {why}"
        for path in sorted(SOURCES.rglob("*.py"))
        if path.name not in ("hive_type.py", *OTHERS_TYPES)
        for line, why in faults(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "column.hive_type.lower()",
        "types[name].upper()",
        "hive_type.startswith('ARRAY')",
        "text.removeprefix('DECIMAL(')",
        r"re.compile(r'decimal\((\d+),(\d+)\)')",
        "re.match(r'array<(.+)>', text)",
        "column.type == 'timestamp'",
        "kind in ('float', 'double')",
        "'<' in column.type",
    ],
)
def test_the_search_finds_what_there_was(code: str) -> None:
    assert list(faults(ast.parse(code)))
