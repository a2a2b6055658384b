"""The checks on the live source before anything moves. Every finding carries its cure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from switchyard.errors import PreflightRefused
from switchyard.extract.column_names import find_name_faults, find_unknown_names
from switchyard.extract.notes import describe_columns, describe_source
from switchyard.extract.postgres import SourceShape, blind_collations, read_shape
from switchyard.extract.values import hidden_rows, survey_values, untranslatable_text
from switchyard.flow.choices import ColumnChoice, left_out
from switchyard.flow.spec import Flow
from switchyard.flow.threshold import rows_allowed
from switchyard.types.carry import CarriedColumn, carry
from switchyard.types.keys import key_fault
from switchyard.types.rules import Refusal

if TYPE_CHECKING:
    from switchyard.extract.session import Session

_NO_CHOICE = ColumnChoice.model_validate({})
_SPLITTABLE = ("smallint", "integer", "bigint")
_POLICY = (
    "row-level security hides rows from this login: give it BYPASSRLS; or, to load only the rows that it sees,"
    " use source.query instead of source.table"
)


@dataclass(frozen=True)
class Examined:
    """A source that may be read: its shape, how each column travels, and notes for people."""

    shape: SourceShape
    columns: tuple[CarriedColumn, ...]
    split_by: str | None
    notes: tuple[str, ...] = ()


def examine(session: Session, flow: Flow) -> Examined:
    """Look at names and types; raises PreflightRefused with all findings at once."""
    shape = read_shape(session, flow.source, flow.flow, left_out(flow.columns))
    findings = list(find_name_faults(flow, shape))
    misfits = list(find_unknown_names(flow, shape))
    columns: list[CarriedColumn] = []
    for column in shape.columns:
        choice = flow.columns.get(column.name, _NO_CHOICE)
        carried = carry(column, choice.as_, choice.description, choice.name)
        if isinstance(carried, Refusal):
            findings.append(f"column {column.name!r} is {column.type.text}: {carried.why}; {carried.cure}")
        else:
            columns.append(carried)
    split_by = _choose_split(flow, shape, misfits)
    findings += _keys_of_another_equality(session, flow, shape)
    notes = [*describe_source(flow, shape), *describe_columns(flow, shape, columns)]
    if hidden_rows(session, flow):
        (findings if flow.source.query is None else notes).append(_POLICY)
    refuse(flow, [*findings, *misfits])
    return Examined(shape, tuple(columns), split_by, tuple(notes))


def examine_values(session: Session, flow: Flow, examined: Examined) -> Examined:
    """Look for values that a hop cannot hold; returns `examined` with more notes.

    Raises PreflightRefused with all findings at once.
    """
    split_by = examined.split_by if flow.engine.mappers > 1 else None
    refuse(flow, untranslatable_text(session, flow, examined.columns))
    survey = survey_values(session, flow, examined.columns, split_by)
    threshold = flow.contract.quarantine_threshold
    tolerable = survey.bad <= rows_allowed(threshold, survey.rows)
    refuse(flow, survey.findings if tolerable else [*survey.findings, *survey.unfit])
    notes = [*survey.unfit, *survey.notes]
    if survey.bad:
        notes.insert(0, f"{survey.bad} of {survey.rows} rows will be quarantined (quarantine_threshold: {threshold})")
    return replace(examined, notes=(*examined.notes, *notes))


def _choose_split(flow: Flow, shape: SourceShape, misfits: list[str]) -> str | None:
    if flow.engine.mappers == 1:
        return None
    by_name = {column.name: column for column in shape.columns}
    split_by = flow.engine.split_by or (shape.primary_key[0] if len(shape.primary_key) == 1 else None)
    if split_by is None:
        misfits.append("several mappers need a column to divide the rows: set engine.split_by, or engine.mappers to 1")
    elif split_by not in by_name:
        known_columns = list(by_name)
        misfits.append(f"engine.split_by {split_by!r} is not a column of the source; it has {', '.join(known_columns)}")
    elif by_name[split_by].type.name not in _SPLITTABLE:
        misfits.append(
            f"engine.split_by {split_by!r} is {by_name[split_by].type.text}: only {', '.join(_SPLITTABLE)} divide "
            "exactly; choose another column, or set engine.mappers to 1"
        )
    return split_by


def _keys_of_another_equality(session: Session, flow: Flow, shape: SourceShape) -> list[str]:
    """Findings: key columns that PostgreSQL does not compare by their bytes; a merge would see one row as two."""
    if flow.lake.mode != "merge":
        return []
    keys = [column for column in shape.columns if column.name in shape.primary_key]
    collations = blind_collations(session, flow.source, keys)
    faults = (
        key_fault(column, flow.columns.get(column.name, _NO_CHOICE).as_, collation=collations.get(column.name))
        for column in keys
    )
    return [fault for fault in faults if fault is not None]


def refuse(flow: Flow, findings: Sequence[str]) -> None:
    """Raise PreflightRefused with all findings about the source and about the flow file, if there are any."""
    if findings:
        raise PreflightRefused(
            "this flow cannot load its source as it is:",
            where=f"flow {flow.flow}, connection {flow.source.connection}",
            cure="nothing was run; change the flow file (columns: stands at its top level) or the source, as each line "
            "above says",
            findings=findings,
            more=f"switchyard preflight {flow.flow}",
        )
