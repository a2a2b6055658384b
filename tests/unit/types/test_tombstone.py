"""One rule says which rows a tombstone deletes: in the merge, in its preview and in a diff; and who may be one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.hive_types import any_type
from harness.postgres_types import postgres_type
from switchyard.errors import PreflightRefused
from switchyard.extract.postgres import SourceShape
from switchyard.extract.preflight import Examined
from switchyard.flow.spec import Flow
from switchyard.legs.ingest.window import agree
from switchyard.prove.contract import KnownColumn
from switchyard.types.carry import CarriedColumn, SourceColumn, carry
from switchyard.types.hive_type import BOOLEAN, DATE, STRING, TIMESTAMP, HiveType
from switchyard.types.rules import RULES
from switchyard.types.tombstone import marks_deleted, tombstone_fault


def carried(kind: str, choice: str | None = None, name: str = "gone") -> CarriedColumn:
    column = carry(SourceColumn(name, postgres_type(kind)), choice)
    assert isinstance(column, CarriedColumn)
    return column


ID = carried("integer", name="id")


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (BOOLEAN, 'coalesce("gone", false)'),
        (TIMESTAMP, '("gone" is not null)'),
        (DATE, '("gone" is not null)'),
        (STRING, '("gone" is not null)'),  # planned by an earlier release
    ],
)
def test_a_boolean_deletes_by_true_and_a_moment_by_being_there(kind: HiveType, rule: str) -> None:
    assert marks_deleted('"gone"', kind) == rule


@given(any_type)
def test_a_tombstone_of_any_other_type_is_refused(kind: HiveType) -> None:
    fault = tombstone_fault("gone", [ID, replace(carried("boolean"), hive_type=kind)])
    assert (fault is None) is (str(kind) in ("boolean", "date", "timestamp"))
    assert fault is None or (f"'gone' is {kind.shown} in the lake" in fault and "source.query" in fault)


MARKS = ("boolean", "date", "timestamp without time zone", "timestamp with time zone")


@pytest.mark.parametrize("kind", [rule.postgres.replace("(p,s)", "(9,2)") for rule in RULES])
def test_of_postgresqls_types_those_that_say_it_may_be_a_tombstone(kind: str) -> None:
    assert (tombstone_fault("gone", [ID, carried(kind)]) is None) is (kind in MARKS)
    assert "leave `as` out of columns.gone" in str(tombstone_fault("gone", [ID, carried(kind, "string")]))


def merging(tombstone: str, **contract: str) -> Flow:
    return Flow.model_validate(
        {
            "flow": "f",
            "owner": "tests",
            "source": {"connection": "pg", "table": "public.t", "tombstone": tombstone, "sweep": "always"},
            "lake": {"database": "d", "table": "t", "mode": "merge"},
            "contract": contract,
        }
    )


def judge(flow: Flow, columns: list[CarriedColumn], before: list[CarriedColumn] | None = None) -> None:
    examined = Examined(SourceShape((), ("id",)), tuple(columns), None)
    agree(flow, examined, None if before is None else [KnownColumn.of(column) for column in before])


def test_a_boolean_that_is_carried_as_text_is_refused_before_anything_moves() -> None:
    judge(merging("gone"), [ID, carried("boolean")])
    with pytest.raises(PreflightRefused, match="'gone' is STRING in the lake") as refused:
        judge(merging("gone"), [ID, carried("boolean", "string")])
    assert "flow f" in refused.value.where
    assert refused.value.cure


@pytest.mark.parametrize("wrong", ["Gone", "gonee", "deleted"])
def test_a_tombstone_that_is_no_column_would_delete_nothing_and_is_refused(wrong: str) -> None:
    with pytest.raises(PreflightRefused, match=f"'{wrong}' is not a column that the load reads.*it reads id, gone"):
        judge(merging(wrong), [ID, carried("boolean")])


@pytest.mark.parametrize("policy", ["quarantine", "freeze"])
def test_a_tombstone_that_the_contract_leaves_out_is_refused(policy: str) -> None:
    judge(merging("gone", columns="evolve"), [ID, carried("boolean")], [ID])
    with pytest.raises(PreflightRefused, match="'gone' is not a column that the load reads"):
        judge(merging("gone", columns=policy), [ID, carried("boolean")], [ID])


def test_a_tombstone_that_the_source_lost_is_refused() -> None:
    with pytest.raises(PreflightRefused, match="'gone' is not a column that the load reads"):
        judge(merging("gone"), [ID], [ID, carried("boolean")])


@given(st.sampled_from(MARKS))
def test_a_flow_without_a_tombstone_is_not_asked_for_one(kind: str) -> None:
    flow = merging("gone")
    judge(flow.model_copy(update={"source": flow.source.model_copy(update={"tombstone": None})}), [ID, carried(kind)])
