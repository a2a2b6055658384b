"""What is looked at on the live source before anything moves. Every finding comes with the sentence that cures it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from switchyard.errors import PreflightRefused
from switchyard.extract.postgres import SourceShape, read_shape, relation
from switchyard.flow.spec import ColumnChoice, Flow
from switchyard.lake.types import CarriedColumn, Refusal, carry, quote_postgres, unusable_names

if TYPE_CHECKING:
    import psycopg

_NOTHING_SAID = ColumnChoice.model_validate({})
_SPLITTABLE = ("smallint", "integer", "bigint")


@dataclass(frozen=True)
class Examined:
    """A source that may be read: its shape, and how each column travels."""

    shape: SourceShape
    columns: tuple[CarriedColumn, ...]
    split_by: str | None


def examine(session: psycopg.Connection[tuple[object, ...]], flow: Flow) -> Examined:
    """Look at names and types; raises PreflightRefused with all findings at once."""
    shape = read_shape(session, flow.source, flow.flow)
    findings = [f"column {name!r} {why}" for name, why in unusable_names(c.name for c in shape.columns).items()]
    if findings:
        findings.append("rename with source.query: select … as another_name")
    columns: list[CarriedColumn] = []
    for position, column in enumerate(shape.columns):
        said = flow.columns.get(column.name, _NOTHING_SAID)
        carried = carry(column, position, said.as_, said.description)
        if isinstance(carried, Refusal):
            findings.append(f"column {column.name!r} is {carried.postgres}: {carried.why}; {carried.cure}")
        else:
            columns.append(carried)
    findings += [f"columns names {name!r}, which the source does not have" for name in _unknown(flow, shape)]
    split_by = _choose_split(flow, shape, findings)
    findings += _missing_keys(flow, shape)
    _refuse(flow, findings)
    return Examined(shape, tuple(columns), split_by)


def examine_values(session: psycopg.Connection[tuple[object, ...]], flow: Flow, examined: Examined) -> None:
    """Look for values that Hive's types cannot hold, and NULLs in the split column, in one query."""
    checks = [(c.source, c.unfit, c.unfit_means) for c in examined.columns if c.unfit]
    if examined.split_by is not None and flow.engine.mappers > 1:
        quoted = quote_postgres(examined.split_by)
        checks.append((examined.split_by, f"{quoted} is null", "NULL, and it divides the rows among the mappers"))
    if not checks:
        return
    counts = ", ".join(f"count(*) filter (where {condition})" for _, condition, _ in checks)
    row = session.execute(
        f"select {counts} from {relation(flow.source)} where {flow.source.where or 'true'}".encode()
    ).fetchone()
    findings = [
        f"column {name!r}: {found} rows hold {means}; leave them out with source.where, or carry text: "
        f"source.query with {quote_postgres(name)}::text"
        for (name, _, means), found in zip(checks, row or (), strict=False)
        if found
    ]
    _refuse(flow, findings)


def _unknown(flow: Flow, shape: SourceShape) -> list[str]:
    names = {column.name for column in shape.columns}
    return [name for name in flow.columns if name not in names]


def _choose_split(flow: Flow, shape: SourceShape, findings: list[str]) -> str | None:
    if flow.engine.mappers == 1:
        return None
    by_name = {column.name: column for column in shape.columns}
    wanted = flow.engine.split_by or (shape.primary_key[0] if len(shape.primary_key) == 1 else None)
    if wanted is None:
        findings.append("several mappers need a column to divide the rows: set engine.split_by, or engine.mappers to 1")
    elif wanted not in by_name:
        findings.append(f"engine.split_by {wanted!r} is not a column of the source; it has {', '.join(by_name)}")
    elif by_name[wanted].type not in _SPLITTABLE:
        findings.append(
            f"engine.split_by {wanted!r} is {by_name[wanted].type}: only {', '.join(_SPLITTABLE)} divide exactly; "
            "choose another column, or set engine.mappers to 1"
        )
    return wanted


def _missing_keys(flow: Flow, shape: SourceShape) -> list[str]:
    names = {column.name for column in shape.columns}
    findings = [
        f"source.key names {key!r}, which is not a column of the source" for key in flow.source.key if key not in names
    ]
    if flow.serve is not None and flow.serve.select is None:
        lower = {name.lower() for name in names}
        findings += [
            f"serve.key names {key!r}, which is not a column of the source; it has {', '.join(sorted(lower))}"
            for key in flow.serve.key
            if key.lower() not in lower
        ]
    return findings


def _refuse(flow: Flow, findings: Sequence[str]) -> None:
    if findings:
        raise PreflightRefused(
            "the source cannot be carried as it is:\n  - " + "\n  - ".join(findings),
            where=f"flow {flow.flow}, connection {flow.source.connection}",
            next="nothing was run; change the flow file as each line says",
        )
