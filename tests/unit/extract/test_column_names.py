"""What the preflight says of names: of columns that are not there, and of those that the flow calls otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from harness.postgres_types import postgres_type
from switchyard.errors import PreflightRefused
from switchyard.extract.column_names import carried_names, find_name_faults, find_unknown_names, missing_names
from switchyard.extract.notes import describe_columns
from switchyard.extract.postgres import SourceShape
from switchyard.extract.preflight import refuse
from switchyard.extract.watermark import cursor_misfits
from switchyard.flow.spec import Flow
from switchyard.prove.checks import check_findings
from switchyard.types.carry import CarriedColumn, SourceColumn, carry


def flow(mode: str = "replace", **over: Any) -> Flow:
    source = {"connection": "a", "table": "public.t", **over.pop("source", {})}
    return Flow.model_validate(
        {"flow": "x", "source": source, "lake": {"database": "d", "table": "t", "mode": mode}, **over}
    )


def shape(*columns: str, key: tuple[str, ...] = (), left_out: tuple[str, ...] = ()) -> SourceShape:
    return SourceShape(tuple(SourceColumn(name, postgres_type("integer")) for name in columns), key, left_out=left_out)


SERVED = {"connection": "m", "collection": "c"}
FINDINGS: list[tuple[Flow, SourceShape, str]] = [
    (
        flow(columns={"mixed case": {"as": "string"}}),
        shape("Mixed Case", "id"),
        "`columns` names 'mixed case', which the source does not have; did you mean 'Mixed Case'?",
    ),
    (
        flow(columns={"secrt": {"leave_out": True}}),
        shape("id", "secret"),
        "`columns` names 'secrt', which the source does not have; did you mean 'secret'?",
    ),
    (
        flow(columns={"qqq": {"leave_out": True}}),
        shape("id", "n"),
        "`columns` names 'qqq', which the source does not have; it has id, n",
    ),
    (
        flow(source={"columns": ["id"]}, columns={"n": {"leave_out": True}}),
        shape("id"),
        "`columns` names 'n', which source.columns does not list",
    ),
    (
        flow(source={"key": ["mixed_case"]}),
        shape("Mixed Case", "id"),
        "source.key names 'mixed_case', which is not a column of the source; did you mean 'Mixed Case'?",
    ),
    (
        flow(columns={"id": {"leave_out": True}}),
        shape("n", key=("id",), left_out=("id",)),
        "key column 'id' is left out",
    ),
    (
        flow(serve={**SERVED, "key": ["n"]}, columns={"n": {"name": "amount"}}),
        shape("id", "n"),
        "serve.key names 'n', which is not a column of the lake table: the flow file calls it amount, write that",
    ),
    (
        flow(serve={**SERVED, "key": ["id"], "indexes": [["totl"]]}),
        shape("id", "total"),
        "serve.indexes names 'totl', which is not a column of the lake table; did you mean 'total'?",
    ),
    (
        flow("merge", source={"cursor": "at"}),
        shape("id", "at"),
        "mode merge finds rows by key, and the source has no primary key",
    ),
    (
        flow("merge", source={"cursor": "at", "columns": ["at"]}),
        shape("at", key=("id",)),
        "mode merge needs the key column 'id': add it to source.columns",
    ),
    (flow(columns={"n": {"name": "id"}}), shape("id", "n"), "column 'n' would be called 'id' in the lake, as column"),
]


@pytest.mark.parametrize(("described", "source", "says"), FINDINGS)
def test_a_name_that_nothing_has_is_refused_with_the_nearest(described: Flow, source: SourceShape, says: str) -> None:
    findings = [*find_name_faults(described, source), *find_unknown_names(described, source)]
    assert any(finding.startswith(says) for finding in findings)


def test_names_that_fit_are_no_finding() -> None:
    chosen = {"Mixed Case": {"name": "mixed_case"}, "secret": {"leave_out": True}, "n": {"as": "string"}}
    described = flow(
        "merge",
        source={"cursor": "at", "key": ["Mixed Case"]},
        serve={**SERVED, "key": ["mixed_case"], "indexes": [["n"]]},
        columns=chosen,
    )
    source = shape("Mixed Case", "at", "n", key=("Mixed Case",), left_out=("secret",))
    assert list(find_name_faults(described, source)) == []
    assert list(find_unknown_names(described, source)) == []


def test_all_findings_stand_in_one_error() -> None:
    findings = ["no such name", "check `unique ib` names 'ib', which is not a column of the lake table"]
    with pytest.raises(PreflightRefused) as refused:
        refuse(flow(), findings)
    heading, *lines = refused.value.what.splitlines()
    assert heading == "this flow cannot load its source as it is:"
    assert lines == [f"  - {each}" for each in findings]


def test_without_findings_nothing_is_refused() -> None:
    refuse(flow(), [])


@pytest.mark.parametrize(
    ("described", "source", "says"),
    [
        (flow("merge", source={"cursor": "et"}), shape("id", "at"), "is not a column of the source; it has id, at"),
        (flow("merge", source={"cursor": "id"}), shape("id", "at"), "only a timestamp that the database's clock sets"),
    ],
)
def test_a_cursor_that_is_none_is_a_fault_of_the_flow_file(described: Flow, source: SourceShape, says: str) -> None:
    (misfit,) = cursor_misfits(described, source)
    assert says in misfit


def test_a_check_on_a_source_name_is_told_the_lake_name() -> None:
    described = flow(checks=[{"not_null": "n"}], columns={"n": {"name": "amount"}, "s": {"leave_out": True}})
    source = shape("n", left_out=("s",))
    reasons = missing_names(described, carried_names(described, source))
    (finding,) = check_findings(described.checks, {}, reasons)
    assert finding.endswith(
        "names 'n', which is not a column of the lake table: the flow file calls it amount, write that"
    )
    assert reasons["s"] == "column 's' is left out (columns: leave_out)"


def test_the_preflight_shows_both_names() -> None:
    described = flow(columns={"Mixed Case": {"name": "mixed_case"}, "secret": {"leave_out": True}})
    source = shape("Mixed Case", "Total", left_out=("secret",))
    choices = {name: choice.name for name, choice in described.columns.items()}
    carried = [carry(column, name=choices.get(column.name)) for column in source.columns]
    columns = [column for column in carried if isinstance(column, CarriedColumn)]
    notes = list(describe_columns(described, source, columns))
    assert notes[0] == "secret: left out, as the flow asks; never read"
    assert notes[1].startswith("Mixed Case becomes mixed_case: as the flow asks")
    assert notes[2].startswith("Total becomes total: Hive has lower-case names only")
