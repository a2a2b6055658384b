"""A check that a source returns the same rows when it is evaluated twice in one snapshot. A query need not.

The statement evaluates a source twice, for the manifest row and for the rows. With random(), or LIMIT without ORDER BY,
the two results differ, and no count of one can prove the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from switchyard.extract.statement import Bounds, build_manifest
from switchyard.flow.spec import Source
from switchyard.types.carry import CarriedColumn

if TYPE_CHECKING:
    from switchyard.extract.session import Session


def unrepeatable_parts(
    session: Session,
    source: Source,
    columns: Sequence[CarriedColumn],
    bounds: Bounds | None,
    left_out: Sequence[CarriedColumn],
) -> list[str]:
    """Evaluate the source twice, in one statement; returns what differs: columns, or `the number of rows`."""
    once = build_manifest(source, columns, bounds, left_out)
    first, second = session.execute(f"{once} union all {once}".encode()).fetchall()
    assert isinstance(first[0], dict) and isinstance(second[0], dict)  # noqa: S101 - psycopg reads JSON
    if first[0]["rows"] != second[0]["rows"]:
        return ["the number of rows"]
    pairs = zip(columns, first[0]["columns"], second[0]["columns"], strict=True)
    return [f"column {column.name}" for column, one, other in pairs if one != other]
